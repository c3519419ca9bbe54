"""An after-action review for people: a self-contained page, and text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from detente.model.names import with_article
from detente.play.review import Counterfactual, Review, ReviewedStep

FOLDER = Path(__file__).parent
WIDTH, HEIGHT, MARGIN = 640, 220, 40  # of the chart, in its own units
SMALL = 0.005  # a regret below this is not worth a sentence


@dataclass(frozen=True)
class Point:
    """A point of the chart of escalation, in the chart's units."""

    x: float
    low: float
    high: float
    number: int
    value: str
    label: str


def percent(share: float | None) -> str:
    """A probability for people.

    Example:
        >>> percent(0.307), percent(0.0004), percent(float("nan")), percent(1.0), percent(0.9999)
        ('31 %', '< 0.1 %', 'not known', '100 %', '> 99.9 %')
    """
    if share is None or share != share:
        return "not known"
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.095 else f"{100 * share:.0f} %"


def utility(value: float | None) -> str:
    """A payoff or regret for people.

    Example:
        >>> utility(-1.5), utility(None), utility(float("nan"))
        ('−1.50', '', 'not known')
    """
    if value is None:
        return ""
    return "not known" if value != value else f"{value:.2f}".replace("-", "−")


def who(made: Review, player: str) -> str:
    """Who a player is, for a table; chance has no name."""
    return made.roles.get(player, player) if player else "chance"


def named(made: Review, player: str, *, first: bool = False) -> str:
    """Who a player is, inside a sentence, or as its first words."""
    name = with_article(who(made, player))
    return name[:1].upper() + name[1:] if first else name


def findings(made: Review) -> tuple[str, ...]:
    """What the review says first, in sentences."""
    found = []
    if not made.ended:
        found.append("The play had not come to an end when this was made.")
    first = next((s for s in made.steps if s.number == made.left_at), None)
    if first is None:
        found.append(
            "No choice left the likely path: nowhere was another option at least twice as likely in equilibrium."
        )
    else:
        found.append(
            f"The play left the likely path at move {first.number}: {named(made, first.player)} chose {first.option!r} "
            f"({first.title}), which has a chance of {percent(first.chance)} in equilibrium; "
            f"{first.likeliest!r} was the likeliest."
        )
    if made.likelier_plays is not None:
        found.append(
            f"{percent(made.likelier_plays)} of plays in equilibrium follow paths that are likelier than this one."
        )
    costly = max((s for s in made.steps if (s.regret or 0.0) > SMALL), key=lambda s: s.regret or 0.0, default=None)
    if costly is not None:
        found.append(
            f"By the model's payoffs the choice that cost its chooser most, given what it knew, was move "
            f"{costly.number}, {costly.option!r}: {costly.regret:.2f} less than {costly.best!r} (expected utility)."
        )
    return tuple(found)


def escalation_points(made: Review) -> tuple[Point, ...]:
    """Where each act stands on the scale, ready to be drawn."""
    placed = [(s, s.escalation) for s in made.steps if s.escalation is not None]
    if not placed:
        return ()
    values = [v for _, pair in placed for v in pair]
    least, most = min(*values, 0.0), max(*values, 1.0)
    last = max(len(made.steps) - 1, 1)

    def y(value: float) -> float:
        return round(HEIGHT - MARGIN - (value - least) / (most - least) * (HEIGHT - 2 * MARGIN), 1)

    return tuple(
        Point(
            round(MARGIN + (s.number - 1) / last * (WIDTH - 2 * MARGIN), 1),
            y(pair[0]),
            y(pair[1]),
            s.number,
            range_text(pair),
            f"{s.number}. {who(made, s.player)}: {s.option} ({range_text(pair)})",
        )
        for s, pair in placed
    )


def range_text(pair: tuple[float, float] | None) -> str:
    """A value or a range on a scale.

    Example:
        >>> range_text((12.0, 13.0)), range_text((5.0, 5.0)), range_text(None)
        ('12–13', '5', '–')
    """
    if pair is None:
        return "–"
    low, high = (f"{v:g}".replace("-", "−") for v in pair)
    return low if low == high else f"{low}–{high}"


# -- the page --------------------------------------------------------------------------------------
def review_html(
    made: Review,
    *,
    generated: str,
    stylesheet: str | None = None,
    address: str = "",
    supposed: Counterfactual | None = None,
) -> str:
    """The review as one HTML page that needs nothing but itself, and no script.

    Args:
        made: The review.
        generated: When the page was made, as it should stand there; the same text gives the same bytes.
        stylesheet: Address of a style sheet to link to in place of the page's own, where inline style is not allowed.
        address: Where a server answers with the review under another choice; empty for a page that stands by itself.
        supposed: Another choice, to be shown first among those that could have been made.

    Returns:
        The page.
    """
    return (
        _environment()
        .get_template("review.html.jinja")
        .render(
            r=made,
            generated=generated,
            stylesheet=stylesheet,
            style=(FOLDER / "review.css").read_text(encoding="utf-8"),
            findings=findings(made),
            points=escalation_points(made),
            titles={s.move: s.title for s in made.steps},
            decisions=[s for s in made.steps if s.player],
            flags=[name for name in made.flags if name in made.before],
            width=WIDTH,
            height=HEIGHT,
            margin=MARGIN,
            address=address,
            had=supposed,
        )
    )


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "range": range_text, "made_by": made_by, "utility": utility}
    environment.globals |= {"who": who, "named": named, "supposition": supposition}
    return environment


def supposition(made: Review, had: Counterfactual) -> str:
    """What is supposed, as the beginning of a sentence.

    Example:
        >>> from types import SimpleNamespace
        >>> made = SimpleNamespace(roles={"patron": "United States"})
        >>> chosen = SimpleNamespace(player="patron", move="message", option="red lines", titles={"message": "Message"})
        >>> supposition(made, chosen)
        'Had the United States chosen “red lines” (Message)'
        >>> supposition(made, SimpleNamespace(player="", move="press", option="silent", titles={"press": "The press"}))
        'Had chance brought “silent” (The press)'
    """
    what = f"“{had.option}” ({had.titles[had.move]})"
    return f"Had {named(made, had.player)} chosen {what}" if had.player else f"Had chance brought {what}"


def made_by(step: ReviewedStep) -> str:
    """Who made a move if it was not a person, and why.

    Example:
        >>> from types import SimpleNamespace
        >>> made_by(SimpleNamespace(by="bot", flag="time ran out")), made_by(SimpleNamespace(by="person", flag=""))
        ('bot: time ran out', '')
    """
    words = {"person": "", "chance": "", "bot": "bot", "default": "default", "facilitator": "facilitator"}[step.by]
    return ": ".join(part for part in (words, step.flag) if part)


# -- text ------------------------------------------------------------------------------------------
def review_lines(made: Review) -> Iterator[str]:
    """The review as lines of text, for a terminal."""
    yield made.title
    yield ""
    yield from findings(made)
    yield ""
    header = ("", "who", "move", "chosen", "chance", "seen from outside", "likeliest", "regret", "")
    rows = [
        (
            str(s.number),
            who(made, s.player),
            s.title,
            s.option,
            percent(s.chance),
            percent(s.seen_chance),
            s.likeliest,
            utility(s.regret),
            made_by(s),
        )
        for s in made.steps
    ]
    yield from _columns(header, rows)
    yield ""
    yield from _unknown_lines(made)
    if made.outcomes:
        yield "What came of it: " + "; ".join(f"{title}: {text}" for title, text in made.outcomes)
        payoffs = ", ".join(f"{who(made, p)} {utility(v)}" for p, v in made.payoffs.items())
        yield f"Payoffs (the model's): {payoffs}"
    yield from (f"Set aside: branch {n}, of which {kept} moves were kept: {why}" for n, kept, why in made.branches)


def _unknown_lines(made: Review) -> Iterator[str]:
    titles = {s.move: s.title for s in made.steps}
    for player, unknown in made.unknown.items():
        if unknown:
            facts = "; ".join(f"{titles.get(u.move, u.move)}: {u.option} ({percent(u.belief)})" for u in unknown)
            yield f"{named(made, player, first=True)} did not know in the end (what it had to think of it): {facts}"
    if any(made.unknown.values()):
        yield ""


def counterfactual_lines(made: Review, move: str) -> Iterator[str]:
    """What every option of a decision would have brought, as lines of text."""
    step = next(s for s in made.steps if s.move == move)
    flags = [name for name in made.flags if name in made.before]
    yield f"Had {named(made, step.player)} chosen otherwise at move {step.number} ({step.title}):"
    rows = [
        (
            a.option + (" *" if a.option == step.option else ""),
            percent(a.chance),
            *(percent(a.outcomes[name]) for name in flags),
        )
        for a in step.alternatives
    ]
    yield from _columns(("", "chance", *(made.titles[name] for name in flags)), rows)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def outcomes_over_time(made: Review) -> Mapping[str, list[float]]:
    """Outcome → its expectation before the first move and after each."""
    return {name: [made.before[name], *(s.expected[name] for s in made.steps)] for name in made.before}
