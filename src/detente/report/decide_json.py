"""A decision for machines: everything that it says, as plain data."""

import math
from dataclasses import asdict
from typing import Any

from detente.decide.analysis import Criterion, Decision
from detente.decide.search import Search
from detente.report.decide_words import summary, title_of


def decision_json(decision: Decision) -> dict[str, Any]:
    """Everything that a decision says, as plain lists, mappings, numbers and text.

    Args:
        decision: The decision.

    Returns:
        A mapping that ``json.dumps`` takes with ``allow_nan=False``: what is not defined is null.
    """
    file = decision.scenario.file
    found = {
        "title": file.title,
        "as_of": file.as_of.isoformat(),
        "structure": decision.scenario.structure_name,
        "summary": list(summary(decision)),
        "by": decision.by,
        "metric": decision.metric,
        "preferred": decision.preferred,
        "baseline": decision.baseline,
        "headlines": list(decision.headlines),
        "policies": {p: title_of(decision, p) for p in decision.ensemble.policies},
        "criteria": {name: _criterion_json(c) for name, c in decision.criteria.items()},
        "non_dominated": list(decision.dominance.non_dominated),
        "beaten_by": {p: list(by) for p, by in decision.dominance.beaten_by.items()},
        "thresholds": dict(decision.thresholds),
        "failing": {n: dict(row) for n, row in decision.failing.items()},
        "beaten": decision.beaten,
        "cards": [asdict(card) for card in decision.cards],
        "takeover": None
        if decision.takeover is None
        else dict(zip(("policy", "share"), decision.takeover, strict=True)),
        "sensitivity": asdict(decision.indices),
        "information": asdict(decision.information),
        "find_out": [asdict(item) for item in decision.findings],
        "flips": [asdict(item) for item in decision.flips],
        "indicators": {name: asdict(item) for name, item in decision.indicators.items()},
        "assumptions": [asdict(item) | {"effect": item.effect} for item in decision.assumptions],
        "draws": decision.ensemble.num_draws,
        "convergence": decision.ensemble.status_counts(),
    }
    return _plain(found)


def _criterion_json(criterion: Criterion) -> dict[str, Any]:
    return {
        "title": criterion.title,
        "kind": criterion.kind,
        "better": criterion.better,
        "minds": list(criterion.minds),
        "best": list(criterion.best),
        "mean": dict(criterion.mean),
        "worst_tenth": dict(criterion.worst_tenth),
        "regret_worst_tenth": dict(criterion.regret_worst_tenth),
        "regret": [asdict(row) for row in criterion.regret],
        "metrics": {s.metric: {"best": list(s.best), "values": dict(s.values)} for s in criterion.robustness.scores},
        "dissent": {metric: list(best) for metric, best in criterion.dissent.items()},
        "note": criterion.robustness.note,
    }


def search_json(found: Search) -> dict[str, Any]:
    """A policy search as plain lists, mappings, numbers and text.

    Args:
        found: The search.
    """
    return _plain(asdict(found))


def _plain(value: Any) -> Any:
    """Numbers that JSON has; what is not finite becomes null, infinite ratios "infinite"."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "infinite" if math.isinf(value) else None
    return value
