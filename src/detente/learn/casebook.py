"""The casebook of restraint: crises in which a patron tried to hold a protégé back, as codes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detente.errors import UsageError, nearest

ACTIONS = ("no_force", "limited", "major")  # of the protégé
NEXT = ("none", "limited", "major")  # of the adversary; "continued" and "na" are no step of its own
DEPENDENCE = {"low": -1.0, "medium": 0.0, "high": 1.0}
# Coded by one person who knew the outcomes, and so partly circular: never read, whatever a file says in them.
HINDSIGHT = ("patron_mobilised_power", "patron_leadership_unified")
COERCION = (
    "threat_aid",
    "threat_relationship",
    "economic_coercion",
    "obstruction",
    "operational_control",
    "replace_leader",
    "withhold_defence",
)
INDUCEMENTS = ("defence_help", "aid_help", "treaty_offer", "substitute_action", "sanctions_adversary")
OTHER_LEVERS = (
    "persuasion",
    "withhold_offence",
    "mediation",
    "assurance_adversary",
    "delay",
    "redlines",
    "public_order",
)
LEVERS = (*COERCION, *INDUCEMENTS, *OTHER_LEVERS)
BUILT_IN = Path(__file__).with_name("data") / "casebook.json"

# What each code stands for in the rules of restraint. The casebook is coarser: "major" is any open strike.
RETALIATION: Mapping[str, tuple[str, ...]] = {
    "no_force": ("none",),
    "limited": ("token and deniable",),
    "major": ("military targets", "oil", "nuclear sites"),
}
REPLY: Mapping[str, tuple[str, ...]] = {
    "none": ("none",),
    "limited": ("limited",),
    "major": ("mass salvo", "widen the war"),
}


@dataclass(frozen=True)
class Case:
    """One crisis, as coded.

    Attributes:
        id: Its name in the casebook.
        dyad: Patron and protégé.
        end: Last day, month or year of it, as text that sorts: ``2024-10-26``.
        severity: Of the provocation, 0 to 9; None where it is not coded.
        dependence: Of the protégé on the patron, −1 to 1; None where it is not coded.
        message: The patron's message in the rules of restraint.
        channel: ``private`` or ``public``.
        coerces: Whether the patron used threats or denial.
        induces: Whether it offered something.
        action: What the protégé did: ``no_force``, ``limited`` or ``major``; None if it is not coded.
        next: What the adversary did next; None if it is not coded or no step of its own.
        pair: Name of the matched pair, if any.
        notes: What was not coded, or is not used.
    """

    id: str
    dyad: str
    end: str
    severity: float | None
    dependence: float | None
    message: str
    channel: str
    coerces: bool
    induces: bool
    action: str | None
    next: str | None
    pair: str | None
    notes: tuple[str, ...] = field(default=())


def load_casebook(path: Path | None = None) -> tuple[Case, ...]:
    """Read a casebook, by default the one that comes with the package.

    Args:
        path: A JSON file with ``cases``: a list of codes in the form of the casebook.

    Returns:
        The cases, in the order of the file.

    Raises:
        UsageError: If the file cannot be read, or a case lacks a code or has one that is not known: it names the case,
            the column and the value.

    Example:
        >>> len(load_casebook())
        33
    """
    where = BUILT_IN if path is None else Path(path)
    try:
        data = json.loads(where.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--cases: {where}: {error.strerror or error}. Give a JSON file of cases.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"--cases: {where}: not well-formed JSON: {error}. Mend the file.") from None
    cases = data.get("cases") if isinstance(data, dict) else data
    if not isinstance(cases, list) or not cases:
        raise UsageError(f"--cases: {where}: there are no cases. Give an object with a list 'cases', or a list.")
    vocab = data.get("vocab", {}) if isinstance(data, dict) else {}
    own = tuple(vocab.get("levers", ())) if isinstance(vocab, dict) else ()
    found = tuple(_case(where, number, case, own) for number, case in enumerate(cases))
    ids = [case.id for case in found]
    double = next((id for id in ids if ids.count(id) > 1), None)
    if double is not None:
        raise UsageError(f"--cases: {where}: the id {double!r} stands there {ids.count(double)} times. Rename one.")
    return found


def base_rates(cases: Sequence[Case], what: str = "action") -> dict[str, float]:
    """How often each code came up, with half a case added to each so that nothing counts as impossible.

    Args:
        cases: Cases; those without the code are left out.
        what: ``action`` or ``next``.

    Example:
        >>> {code: round(share, 2) for code, share in base_rates(load_casebook()).items()}
        {'no_force': 0.62, 'limited': 0.1, 'major': 0.28}
    """
    codes = ACTIONS if what == "action" else NEXT
    seen = [getattr(case, what) for case in cases]
    counts = {code: seen.count(code) + 0.5 for code in codes}
    total = sum(counts.values())
    return {code: count / total for code, count in counts.items()}


def ended_before(cases: Sequence[Case], day: str) -> tuple[Case, ...]:
    """Cases that were over before a day.

    Args:
        cases: Cases.
        day: ``2024-10-25``.

    Example:
        >>> [case.id for case in load_casebook() if case not in ended_before(load_casebook(), "2024-10-25")]
        ['US-UKR-2022', 'US-ISR-2024-10']
    """
    # A case dated by its month or year counts from the last day of it: 2024-11 is later than 2024-11-05.
    return tuple(case for case in cases if case.end + "-99-99"[: 3 * (2 - case.end.count("-"))] < day)


# -- one case ------------------------------------------------------------------------------------
def _case(where: Path, number: int, raw: Any, own_levers: tuple[str, ...]) -> Case:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str) or not raw["id"]:
        raise UsageError(f"--cases: {where}: case {number} has no id. Give every case a name of its own.")
    place = f"--cases: {where}: {raw['id']}"
    for column in ("levers", "patron", "protege", "dates"):
        if column not in raw:
            raise UsageError(f"{place}: the column {column!r} is missing. Add it.")
    levers, notes = raw["levers"], []
    if not isinstance(levers, list):
        raise UsageError(f"{place}: levers: {levers!r} is not a list. Give a list of levers, [] for none.")
    for lever in levers:
        if lever not in LEVERS:
            if lever not in own_levers:
                raise UsageError(f"{place}: levers: {lever!r} is not known.{nearest(str(lever), LEVERS)}")
            notes.append(f"the lever {lever!r} is not one that the model uses")
    severity = _severity(place, raw.get("provocation_severity"))
    dependence = _dependence(place, raw.get("protege_dependence"))
    notes += [f"{name} is not coded" for name, v in (("severity", severity), ("dependence", dependence)) if v is None]
    private, public = (_flag(place, key, raw.get(key)) for key in ("signal_private", "signal_public"))
    if not private and not public:
        notes.append("no signal is coded; taken as private")
    goal = str(raw.get("patron_goal") or "")
    return Case(
        id=raw["id"],
        dyad=f"{raw['patron']} > {raw['protege']}",
        end=_end(place, raw["dates"]),
        severity=severity,
        dependence=dependence,
        message=_message(goal, levers),
        channel="public" if public else "private",
        coerces=any(lever in COERCION for lever in levers),
        induces=any(lever in INDUCEMENTS for lever in levers),
        action=_code(place, "protege_action", raw.get("protege_action"), ACTIONS, ()),
        next=_code(place, "adversary_next", raw.get("adversary_next"), NEXT, ("continued", "na")),
        pair=raw.get("matched_pair") or None,
        notes=tuple(notes),
    )


def _message(goal: str, levers: Sequence[str]) -> str:
    """The message of the rules that comes nearest to what the patron asked for and threatened."""
    if goal.startswith("none"):
        return "no conditions"
    if "withhold_defence" in levers:
        return "withhold defence"
    return "red lines" if goal.startswith("limit") or "redlines" in levers else "strike alone"


def _severity(place: str, value: Any) -> float | None:
    if value is None or value == "unknown":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 9:
        raise UsageError(f"{place}: provocation_severity: {value!r} is not a number from 0 to 9. Correct it.")
    return float(value)


def _dependence(place: str, value: Any) -> float | None:
    if value is None or value == "unknown":
        return None
    if value not in DEPENDENCE:
        raise UsageError(f"{place}: protege_dependence: {value!r} is not known.{nearest(str(value), DEPENDENCE)}")
    return DEPENDENCE[value]


def _flag(place: str, key: str, value: Any) -> bool:
    if value in (0, 1, None, "unknown"):
        return value == 1
    raise UsageError(f"{place}: {key}: {value!r} is neither 0 nor 1. Correct it.")


def _code(place: str, key: str, value: Any, known: tuple[str, ...], others: tuple[str, ...]) -> str | None:
    if value is None or value in others or value == "unknown":
        return None
    if value not in known:
        raise UsageError(f"{place}: {key}: {value!r} is not known.{nearest(str(value), (*known, *others))}")
    return value


def _end(place: str, dates: Any) -> str:
    """The last date of a case: 1912-13 ended in 1913, 1954-09/1955-04 in 1955-04."""
    text = str(dates).split("/")[-1].strip()
    match = re.fullmatch(r"(\d{2})\d{2}-(\d{2})", text)
    if match and int(match.group(2)) > 12:  # a span of years, as it is no month
        return match.group(1) + match.group(2)
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", text):
        raise UsageError(f"{place}: dates: {dates!r} is not a date or a span of dates. Write 1974-07/1974-08.")
    return text
