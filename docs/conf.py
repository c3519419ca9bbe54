"""Settings of the documentation: Markdown pages, a real bibliography, docstrings read as they stand."""

import logging
import tomllib
from pathlib import Path

with (Path(__file__).resolve().parents[1] / "pyproject.toml").open("rb") as file:
    _project = tomllib.load(file)["project"]

project = "detente"
author = _project["authors"][0]["name"]
copyright = f"2026, {author}"  # noqa: A001  (Sphinx's own name for it)
release = version = _project["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

# The pages of a section appear by themselves, and a section may still be empty. `suppress_warnings` cannot
# say so: Sphinx 9 gives this warning a subtype but no type.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = True
napoleon_numpy_docstring = False
# "Source:" names the publication (a key of references.bib) or the claim that something rests on.
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True  # fields of a NamedTuple would be described twice
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

html_theme = "furo"
html_title = f"detente {release}"
html_copy_source = False
html_show_sphinx = False
