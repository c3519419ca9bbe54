"""How fast strategic models are estimated. Needs the reference data beside the checkout (../shared/estimation).

Run: OPENBLAS_NUM_THREADS=1 uv run --no-sync python benchmarks/fit.py
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from detente.learn.bootstrap import bootstrap
from detente.learn.fit import fit
from detente.learn.fit_posterior import fit_posterior

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "estimation"
CONTROLS = "capcont + lreserves + overval + creditgrow + USinterest + service + contagion + prioratt"
LEBLANG = {
    "u11": f"~ {CONTROLS} - 1",
    "u13": "~ 1",
    "u14": "~ 1",
    "u24": "~ unifgov + lexports + preelec + postelec + rightgov + realinterest + capcont + lreserves",
}
WAR1800 = {"u11": "~ s_wt_re1 + revis1", "u13": "0", "u14": "~ regime1", "u24": "~ balanc + regime2"}
SANCTIONS = {
    "SA": "~ sqrt(senderecondep) + senderdemocracy + contig + ally - 1",
    "VA": "~ anticipatedsendercosts",
    "CB": "~ sqrt(targetecondep) + anticipatedtargetcosts + contig + ally",
    "barWA": "~ sqrt(senderecondep) + senderdemocracy + lncaprat",
    "barWB": "~ targetdemocracy + lncaprat",
    "bara": "~ senderdemocracy",
    "VB": "0",
}


def timed(make: Callable[[], object], repeats: int) -> float:
    """The least of several times, after one call that is not counted."""
    make()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        make()
        times.append(time.perf_counter() - start)
    return min(times)


def published(name: str) -> float:
    return json.loads((FOLDER / "reference" / f"{name}.json").read_text(encoding="utf-8"))["wall_s_median"]


def main() -> None:
    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(FOLDER / "data" / name)

    leblang, war, sanctions = read("leblang2003.csv"), read("war1800.csv"), read("sanctionsData.csv")
    one = fit("strategic-12", war, equations=WAR1800, outcome="esc + war")
    stages = ["PRhat", "PFhat"]
    private = {"equations": LEBLANG, "outcome": "outcome", "errors": "private"}
    rows = {
        "leblang, private, several starts": timed(lambda: fit("strategic-12", leblang, **private), 3),
        "leblang, private, one start": timed(lambda: fit("strategic-12", leblang, **private, starts=1), 3),
        "war1800, several starts": timed(lambda: fit("strategic-12", war, equations=WAR1800, outcome="esc + war"), 3),
        "war1800, 1,000 bootstrap replicates": timed(lambda: bootstrap(one, 1_000), 1),
        "sanctions, nested pseudo-likelihood": timed(
            lambda: fit("signalling", sanctions, equations=SANCTIONS, first_stage=stages), 2
        ),
        "sanctions, full maximum likelihood": timed(
            lambda: fit("signalling", sanctions, equations=SANCTIONS, first_stage=stages, method="mle"), 1
        ),
    }
    start = time.perf_counter()  # once, with all that is compiled: nobody samples twice
    drawn = fit_posterior(one)
    rows["war1800, NUTS 4 × 1,000, compiling included"] = time.perf_counter() - start
    print(f"posterior: {'passed' if drawn.passed else drawn.failures}, least ESS {min(drawn.ess.values()):.0f}")
    quoted = {
        "leblang, private, one start": published("leblang2003_12_probit_agent_tight"),
        "war1800, several starts": published("war1800_12_probit_agent_tight"),
        "sanctions, nested pseudo-likelihood": published("sanctions_NPL_phatRF"),
    }
    for name, seconds in rows.items():
        note = f"   R, quoted from the reference file: {quoted[name]:.2f} s" if name in quoted else ""
        print(f"{name:45} {seconds:7.2f} s{note}")


if __name__ == "__main__":
    main()
