# Everything a person or a machine runs here. `make` alone lists the targets.
#
# The tools come through uv, from the versions in uv.lock. Where there is no uv (or one too old for
# dependency groups), the first target installs its own into .uv-venv from PyPI, so that a machine
# with Python 3.11 and make needs nothing else.

PYTHON   ?= python3
SCENARIO ?= october-2024
BENCH    ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:

# A shell's active environment is not this project's: uv would warn about it on every call.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
# pyright says on every run that a newer pyright exists; ours is pinned on purpose.
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1
# Behind a firm's or a university's proxy only the machine's own list of certificates will do.
ifeq ($(SSL_CERT_FILE),)
  ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
    export SSL_CERT_FILE = /etc/ssl/certs/ca-certificates.crt
  endif
endif
# `make PYTHON=python3.12 test` is obeyed by uv as well; without it uv picks a Python that fits.
ifneq ($(origin PYTHON),file)
  export UV_PYTHON = $(PYTHON)
endif

OWN_UV := .uv-venv/bin/uv
UV     := $(shell uv sync --no-default-groups --help >/dev/null 2>&1 && echo uv || echo $(OWN_UV))
NEEDS  := $(filter $(OWN_UV),$(UV))

# The lock is taken as it stands; what another target installed stays (--inexact).
SYNC   = $(UV) sync --quiet --frozen --inexact --no-default-groups
# Gambit has wheels for Windows only: elsewhere it is compiled, for minutes. Its tests skip where it is not installed.
EXTRAS = --all-extras --no-extra gambit
RUN    = $(UV) run --quiet --no-sync
NOTICE = test -d .venv || echo "Installing into .venv from uv.lock (the first time takes a minute or two) ..." >&2

.PHONY: help brief serve test lint types docs check bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

brief: $(NEEDS) ## install, then print and write the brief (SCENARIO=october-2024)
	@$(NOTICE)
	@$(SYNC)
	@$(RUN) detente brief $(SCENARIO)

serve: $(NEEDS) ## install, then explore scenarios and run exercises in the browser
	@$(NOTICE)
	@$(SYNC) --extra play
	@$(RUN) detente serve

test: $(NEEDS) ## install, then run every test, doctests included
	@$(NOTICE)
	@$(SYNC) $(EXTRAS) --group test
	@$(RUN) pytest -n auto --dist loadfile

lint: $(NEEDS) ## style: ruff check, ruff format --check
	@$(NOTICE)
	@$(SYNC) $(EXTRAS) --group lint
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(NEEDS) ## types: pyright
	@$(NOTICE)
	@$(SYNC) $(EXTRAS) --group lint
	@$(RUN) pyright

docs: $(NEEDS) ## build the documentation into docs/_build/html; a warning is an error
	@$(NOTICE)
	@$(SYNC) $(EXTRAS) --group docs
	@$(RUN) sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

check: lint types docs test ## all that a change must pass (the tests come last)

# One thread of BLAS, as the peers are given: a second burns time while it waits. Peers are fetched by uv when they are
# first asked, and left out with a word where they cannot be had.
bench: $(NEEDS) ## measure, beside the peers, as Markdown tables (ten minutes; BENCH="--only games" for a part)
	@$(NOTICE)
	@$(SYNC)
	@OPENBLAS_NUM_THREADS=1 $(RUN) python benchmarks/run.py $(BENCH)

clean: ## remove what the other targets made, except the environments
	@rm -rf docs/_build .pytest_cache .ruff_cache .hypothesis build dist
	@find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(OWN_UV):
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "make: there is no '$(PYTHON)' on this machine." >&2; \
	  echo "Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is $$($(PYTHON) --version 2>&1), and detente needs Python 3.11 or newer." >&2; \
	  echo "Install one, or name one that you have: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make an environment: its modules venv or ensurepip are missing." >&2; \
	  echo "On Debian or Ubuntu: sudo apt-get install python3-venv. Or install uv and try again." >&2; exit 1; }
	@echo "Installing uv into .uv-venv ..." >&2
	@rm -rf .uv-venv
	@$(PYTHON) -m venv .uv-venv && echo '*' > .uv-venv/.gitignore
	@.uv-venv/bin/python -m pip install --quiet --quiet 'uv>=0.9' || { rm -rf .uv-venv; \
	  echo "make: uv could not be installed from PyPI. Is this machine online? pip's message is above." >&2; exit 1; }
