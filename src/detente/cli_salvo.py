"""`detente record salvo`: what the counts of a salvo say, what they leave open, and what they made one expect."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import Json, ScenarioName, print_json
from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.model.scenario import Scenario
    from detente.record.models import Figure
    from detente.record.salvo import SalvoFit, Summary, Surprise

PARTS = {"reliability": "reliability", "interception": "interception", "leak": "hits for each launch"}
COUNTS = ("launched", "arrived", "impacts")


def salvo(
    scenario: ScenarioName,
    predict: Annotated[
        str | None,
        typer.Option(metavar="OTHER", help="Another scenario: what this one's salvo made one expect of that one's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Reliability and interception from what was reported launched, arrived and hit, and what is left open."""
    from detente.model.scenario import load_scenario

    loaded = _with_salvos(load_scenario(scenario))
    other = None if predict is None else _with_salvos(load_scenario(predict))
    pairs = [] if other is None else _pairs(loaded, other)
    if as_json:
        result: dict[str, Any] = {
            "scenario": loaded.slug,
            "as_of": loaded.file.as_of.isoformat(),
            "salvos": {name: _salvo_json(loaded, name) for name in loaded.file.salvos},
        }
        if other is not None:
            result["predictions"] = [_prediction_json(loaded, name, other, later) for name, later in pairs]
        print_json(result)
        return
    for name in loaded.file.salvos:
        print("\n".join(_salvo_lines(loaded, name)))
        print()
    for name, later in pairs:
        assert other is not None
        print("\n".join(_prediction_lines(loaded, name, other, later)))
        print()


def _with_salvos(scenario: "Scenario") -> "Scenario":
    if not scenario.file.salvos:
        raise UsageError(
            f"salvo: the scenario {scenario.slug!r} describes no salvo. Add [salvos.NAME] with launched and impacts to "
            f"{scenario.folder / 'scenario.toml'}."
        )
    return scenario


def _pairs(one: "Scenario", other: "Scenario") -> list[tuple[str, str]]:
    """Every salvo of the first with every salvo of the other, but none with itself."""
    same = one.folder.resolve() == other.folder.resolve()
    pairs = [(a, b) for a in one.file.salvos for b in other.file.salvos if not (same and a == b)]
    if not pairs:
        raise UsageError(
            f"--predict: {other.slug!r} has no other salvo than the one to predict from. Name another scenario."
        )
    return pairs


# -- what a salvo says ---------------------------------------------------------------------------
def _without_arrivals(scenario: "Scenario", name: str) -> "SalvoFit | None":
    """The fit as it would be if nobody had reported failures; None if nobody did."""
    from dataclasses import replace

    from detente.record.salvo import fit_salvo

    fit = scenario.salvo(name)
    if fit.report.arrived is None:
        return None
    report = replace(fit.report, arrived=None)
    return fit_salvo(report, reliability=fit.reliability, interception=fit.interception)


def _salvo_lines(scenario: "Scenario", name: str) -> Iterator[str]:
    entry, fit, without = scenario.file.salvos[name], scenario.salvo(name), _without_arrivals(scenario, name)
    yield f"{_capital(entry.title)} ({name}), as known on {scenario.file.as_of.isoformat()}"
    yield ""
    for key in COUNTS:
        yield f"  {key:<10}{_reported_text(scenario, name, key)}"
    yield ""
    columns = {"before the counts": (fit, True), "after": (fit, False)}
    if without is not None:
        columns["after, had nobody reported failures"] = (without, False)
    yield f"  {'':<22}" + "".join(f"{title:<20}" for title in columns).rstrip()
    for part, title in PARTS.items():
        digits = 3 if part == "leak" else 2
        cells = [_summary_text(f.summary(part, before=before), digits) for f, before in columns.values()]
        yield f"  {title:<22}" + "".join(f"{cell:<20}" for cell in cells).rstrip()
    yield (
        f"  {'correlation':<22}"
        + "".join(f"{_signed(f.correlation(before=b)):<20}" for f, b in columns.values()).rstrip()
    )
    yield "  (mean and 90 % interval; the correlation is that of reliability with interception)"
    yield ""
    yield from _wrapped(_identified(fit, without))
    if entry.judgement:
        yield from _wrapped(f"Before the counts: {entry.judgement.strip()}")
    if entry.note:
        yield from _wrapped(f"Note: {entry.note.strip()}")


def _identified(fit: "SalvoFit", without: "SalvoFit | None") -> str:
    """What the counts fix and what they leave open, in words with numbers."""
    leak, before, after = fit.summary("leak"), fit.summary("reliability", before=True), fit.summary("reliability")
    text = (
        "Launched and impacts identify one number, the hits for each launch, which is reliability × (1 − "
        f"interception): {_summary_text(leak, 3)}. They do not tell missiles that failed from missiles that were "
        "stopped. "
    )
    if without is None:
        return text + (
            "No number of failures or arrivals was reported, so that nothing here separates the two: reliability stays "
            f"where it was before the counts ({_interval(before)} before, {_interval(after)} after), and interception "
            f"follows from it (correlation {_signed(fit.correlation(before=True))} before, "
            f"{_signed(fit.correlation())} after)."
        )
    r, q = without.summary("reliability"), without.summary("interception")
    return text + (
        f"Alone they leave reliability in {_interval(r)} and interception in {_interval(q)}, with a correlation of "
        f"{_signed(without.correlation())}: what the one explains, the other need not. The report on arrivals "
        f"separates them: reliability {_interval(after)}, interception {_interval(fit.summary('interception'))}, "
        f"correlation {_signed(fit.correlation())}. What it rests on is therefore what their split rests on."
    )


def _reported_text(scenario: "Scenario", name: str, key: str) -> str:
    from detente.record import figures_in_words

    reported = getattr(scenario.file.salvos[name], key)
    if reported is None:
        return "not reported"
    estimate = scenario.ledger.estimates[reported.id]
    wide = getattr(scenario.salvo_report(name), key)
    text = f"{figures_in_words(estimate)} – estimate {reported.id}, grade {reported.grade}"
    return text if (wide.low, wide.high) == (estimate.low, estimate.high) else f"{text}, taken as {_span(wide)}"


# -- what it made one expect ---------------------------------------------------------------------
def _prediction_lines(scenario: "Scenario", name: str, other: "Scenario", later: str) -> Iterator[str]:
    from detente.record.salvo import surprise

    fit, report = scenario.salvo(name), other.salvo_report(later)
    found = surprise(fit, report)
    yield f"From {scenario.file.salvos[name].title} to {other.file.salvos[later].title}"
    yield ""
    yield f"  launched  {_figure_text(report.launched)}"
    low, high = found.expected
    yield (
        f"  expected  {low:.0f}–{high:.0f} impacts by the ranges alone ({_span(fit.report.impacts)} of "
        f"{_span(fit.report.launched)}, carried over);"
    )
    first, last = found.interval
    yield f"            {found.median}, 90 % interval {first}–{last}, with chance and what is not known counted in"
    yield f"  seen      {_figure_text(found.seen)}"
    yield f"  chance    {_chances_text(found)}"
    yield ""
    yield from _wrapped(_verdict(found))
    yield from (line for text in _changes(fit, found) for line in _wrapped(text, bullet="- "))


def _chances_text(found: "Surprise") -> str:
    from detente.report.words import percent

    word = "at least" if found.more else "at most"
    seen = {found.seen.low: found.chances[0], _best(found.seen): found.chances[1], found.seen.high: found.chances[2]}
    return ", ".join(f"{word} {count:g}: {percent(chance)}" for count, chance in seen.items())


def _verdict(found: "Surprise") -> str:
    kind = "More" if found.more else "Fewer"
    if found.is_rare_throughout:
        return f"A surprise: {kind.lower()} impacts than expected, with a chance below 5 % at every count in the range."
    if found.is_rare:
        return (
            f"A surprise: {kind.lower()} impacts than expected. The best count had a chance below 5 %; only the end of "
            "the range that lies nearest to the expectation had more."
        )
    return "No surprise: the best count had a chance of 5 % or more."


def _changes(fit: "SalvoFit", found: "Surprise") -> Iterator[str]:
    """What would have had to change between the two salvos for the later one to be as expected."""
    r, q = fit.summary("reliability").mean, fit.summary("interception").mean
    times = tuple(leak / found.leak_then for leak in found.leak_seen)
    yield (
        f"What would have had to change: hits for each launch {_three(found.leak_seen)} instead of "
        f"{found.leak_then:.3f}, {_three(times, 1)} times as many."
    )
    needed = found.reliability_needed
    yield f"With interception as it was ({q:.2f}), reliability {_three(needed, 2)} instead of {r:.2f}" + _cannot_be(
        [share > 1 for share in needed], "more than 1", "fewer failures"
    )
    needed = found.interception_needed
    yield f"With reliability as it was ({r:.2f}), interception {_three(needed, 2)} instead of {q:.2f}" + _cannot_be(
        [share < 0 for share in needed], "less than 0", "fewer interceptions"
    )
    if found.impacts_needed is not None:
        limit = "or more" if found.more else "or fewer"
        yield (
            f"Had {found.impacts_needed} impacts {limit} been counted in the earlier salvo "
            f"({_span(fit.report.impacts)} reported), {_best(found.seen):g} would have had a chance of 5 % or more."
        )


def _cannot_be(outside: list[bool], what: str, explanation: str) -> str:
    """The end of a sentence about a share that some of the counts would need to lie outside [0, 1]."""
    if outside[1]:
        return f": the best count would need {what}, which cannot be; {explanation} alone do not explain it."
    return f": an end of the range would need {what}, which cannot be." if any(outside) else "."


# -- numbers and words ---------------------------------------------------------------------------
def _best(figure: "Figure") -> float:
    return (figure.low + figure.high) / 2 if figure.best is None else figure.best


def _figure_text(figure: "Figure") -> str:
    from detente.record import figures_in_words

    return figures_in_words(figure)


def _span(figure: "Figure") -> str:
    return f"{figure.low:g}" if figure.low == figure.high else f"{figure.low:.4g}–{figure.high:.4g}"


def _summary_text(found: "Summary", digits: int = 2) -> str:
    return f"{found.mean:.{digits}f} ({_interval(found, digits)})"


def _interval(found: "Summary", digits: int = 2) -> str:
    return f"{found.low:.{digits}f}–{found.high:.{digits}f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def _three(values: tuple[float, ...], digits: int = 3) -> str:
    """A best value with the range that belongs to the lowest and highest count."""
    first, best, last = (f"{value:.{digits}f}".replace("-", "−") for value in values)
    low, high = (first, last) if values[0] <= values[2] else (last, first)
    return best if low == high else f"{best} ({low} to {high})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _wrapped(text: str, *, bullet: str = "") -> list[str]:
    import textwrap

    indent = "  " + " " * len(bullet)
    return textwrap.wrap(" ".join(text.split()), 98, initial_indent="  " + bullet, subsequent_indent=indent)


# -- for machines --------------------------------------------------------------------------------
def _salvo_json(scenario: "Scenario", name: str) -> dict[str, Any]:
    from dataclasses import asdict

    entry, fit, without = scenario.file.salvos[name], scenario.salvo(name), _without_arrivals(scenario, name)
    report = fit.report

    def summaries(one: "SalvoFit", *, before: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {part: asdict(one.summary(part, before=before)) for part in PARTS}
        return found | {"correlation": one.correlation(before=before)}

    return {
        "title": entry.title,
        "reported": {
            key: None
            if (figure := getattr(report, key)) is None
            else figure.model_dump() | {"estimate": getattr(entry, key).id, "grade": getattr(entry, key).grade}
            for key in COUNTS
        },
        "before": summaries(fit, before=True),
        "after": summaries(fit),
        "after_without_arrivals": None if without is None else summaries(without),
        "identified": _identified(fit, without),
    }


def _prediction_json(scenario: "Scenario", name: str, other: "Scenario", later: str) -> dict[str, Any]:
    from dataclasses import asdict

    from detente.record.salvo import surprise

    found = surprise(scenario.salvo(name), other.salvo_report(later))
    return {
        "from": {"scenario": scenario.slug, "salvo": name},
        "to": {"scenario": other.slug, "salvo": later},
        **(asdict(found) | {"seen": found.seen.model_dump()}),
        "rare": found.is_rare,
        "rare_throughout": found.is_rare_throughout,
        "verdict": _verdict(found),
    }
