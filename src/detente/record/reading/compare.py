"""Proposed drafts beside claims coded by hand: how many are covered (recall) and how many are claims (precision)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import ScenarioError

# A draft and a claim are the same if the words that they share are at least this part of all their words.
SAME = 0.5
# A claim is covered if at least this part of its characters lies in drafts that lie at least this far in it.
COVER = 0.5


class Place(NamedTuple):
    """A claim's place in a document."""

    id: str
    start: int
    end: int


@dataclass(frozen=True)
class Comparison:
    """Recall and precision against claims coded by hand.

    ``covered`` of ``num_claims`` claims are met by a draft with which they share at least half of the shorter
    one; ``good`` of ``num_drafts`` drafts meet a claim in that way. ``paired`` counts strictly: one draft for one
    claim, sharing half of all the words that either has.
    """

    num_claims: int
    num_drafts: int
    covered: int
    good: int
    paired: int
    missed: tuple[str, ...] = ()

    @property
    def recall(self) -> float:
        """Share of the claims that are covered."""
        return self.covered / self.num_claims if self.num_claims else float("nan")

    @property
    def precision(self) -> float:
        """Share of the drafts that meet a claim."""
        return self.good / self.num_drafts if self.num_drafts else float("nan")


def compare_spans(claims: Sequence[Place], drafts: Sequence[Place]) -> Comparison:
    """Compare the places of drafts with the places of claims in one document.

    Args:
        claims: Coded by hand.
        drafts: Proposed.

    Returns:
        How many of each meet.

    Example:
        >>> found = compare_spans([Place("a", 0, 10), Place("b", 20, 30)], [Place("1", 0, 8), Place("2", 40, 50)])
        >>> found.recall, found.precision, found.paired, found.missed
        (0.5, 0.5, 1, ('b',))
    """
    covered = [c for c in claims if any(_meets(c, d) for d in drafts)]
    good = [d for d in drafts if any(_meets(c, d) for c in claims)]
    missed = tuple(c.id for c in claims if c not in covered)
    return Comparison(len(claims), len(drafts), len(covered), len(good), _pairs(claims, drafts), missed)


def total(parts: Sequence[Comparison]) -> Comparison:
    """Several documents' comparisons taken together.

    Example:
        >>> one = compare_spans([Place("a", 0, 10)], [Place("1", 0, 10)])
        >>> total([one, one]).num_claims
        2
    """
    return Comparison(
        sum(p.num_claims for p in parts),
        sum(p.num_drafts for p in parts),
        sum(p.covered for p in parts),
        sum(p.good for p in parts),
        sum(p.paired for p in parts),
        tuple(id for p in parts for id in p.missed),
    )


def _shared(a: Place, b: Place) -> int:
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _meets(claim: Place, draft: Place) -> bool:
    shorter = min(claim.end - claim.start, draft.end - draft.start)
    return _shared(claim, draft) >= COVER * shorter > 0


def _pairs(claims: Sequence[Place], drafts: Sequence[Place]) -> int:
    """One draft for one claim, the likest first."""

    def likeness(c: Place, d: Place) -> float:
        shared = _shared(c, d)
        return shared / ((c.end - c.start) + (d.end - d.start) - shared) if shared else 0.0

    ranked = sorted(((likeness(c, d), c, d) for c in claims for d in drafts), reverse=True)
    used_claims, used_drafts, count = set(), set(), 0
    for score, c, d in ranked:
        if score < SAME:
            break
        if c not in used_claims and d not in used_drafts:
            used_claims.add(c)
            used_drafts.add(d)
            count += 1
    return count


def read_hand_coded(path: Path) -> dict[str, list[Place]]:
    """Read claims coded by hand, by the name of their document's file.

    Args:
        path: A JSON object with ``files`` (key → ``path``) and ``claims`` (``id``, ``seed`` or ``document``, ``start``,
            ``end``), or JSON Lines with ``id``, ``document``, ``start`` and ``end``.

    Returns:
        The places of the claims for each file name.

    Raises:
        ScenarioError: If the file is missing, is not JSON, or a claim has no place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: it cannot be read ({error.strerror}). Check its name.") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(
            f"{path}: byte {error.start} is not UTF-8. Save the file with the encoding UTF-8."
        ) from None
    data: dict[str, Any]
    try:
        whole: Any = json.loads(text)
        data = (
            whole
            if isinstance(whole, dict) and "claims" in whole
            else {"claims": whole if isinstance(whole, list) else [whole]}
        )
    except json.JSONDecodeError:
        data = {"claims": _json_lines(path, text)}
    files = {key: entry["path"] for key, entry in data.get("files", {}).items()}
    found: dict[str, list[Place]] = {}
    for n, claim in enumerate(data["claims"], start=1):
        try:
            name = claim.get("document") or files.get(claim["seed"], claim["seed"])
            place = Place(str(claim["id"]), int(claim["start"]), int(claim["end"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ScenarioError(
                f"{path}, claim {n}: it has no place ({error}). Give id, document (or seed), start and end."
            ) from None
        found.setdefault(Path(name).name, []).append(place)
    return found


def _json_lines(path: Path, text: str) -> list[Any]:
    lines = []
    for n, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ScenarioError(
                f"{path}, line {n}: this is not JSON: {error.msg}. Write one object on a line."
            ) from None
    return lines
