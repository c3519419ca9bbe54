"""Pages as text: templates filled with what somebody may see, and nothing else."""

import datetime
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from detente.model.names import with_article
from detente.play import events as e
from detente.play.exercise import Live
from detente.play.host import FACILITATOR, OBSERVER, SEAT, Host
from detente.play.store import Grant
from detente.play.tokens import form_key
from detente.play.views import View, facilitator_view

if TYPE_CHECKING:
    from jinja2 import Environment

    from detente.play.stage import Stage

BY_WORDS = {
    e.BY_PERSON: "{player}",
    e.BY_BOT: "{player}, by a bot",
    e.BY_DEFAULT: "{player}, by default",
    e.BY_FACILITATOR: "decided by the facilitator",
    e.BY_CHANCE: "chance",
}
TEAMS = {"team-2": 2, "team-3": 3}


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """Where templates come from; everything that is filled in is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("detente.play"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"utc": utc, "day": day, "who": who, "the": with_article}
    made.globals |= {"notice": "", "notice_title": "", "stream": "", "version": "", "link": ""}
    return made


def utc(at: float) -> str:
    """A time of day.

    Example:
        >>> utc(1.0)
        '00:00:01'
    """
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%H:%M:%S")


def day(at: float) -> str:
    """A date and time.

    Example:
        >>> day(0.0)
        '1970-01-01 00:00 UTC'
    """
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def who(by: str, player: str) -> str:
    """Who made a move, in words.

    Example:
        >>> who("bot", "patron"), who("chance", "")
        ('patron, by a bot', 'chance')
    """
    return BY_WORDS.get(by, by).format(player=player)


def first_upper(text: str) -> str:
    """A text that begins a sentence.

    Example:
        >>> first_upper("the United States")
        'The United States'
    """
    return text[:1].upper() + text[1:]


def occupants(*, teams: bool = False) -> list[tuple[str, str]]:
    """Who can sit in a seat: the value of a form's field, and words for it.

    Example:
        >>> occupants()[0], occupants()[-1]
        (('person', 'a person'), ('nobody', 'nobody: the facilitator decides'))
    """
    people = [("team-2", "two people"), ("team-3", "three people")] if teams else []
    bots = [(f"{e.BOT}{name}", f"bot {name}: {words.split(';')[0]}") for name, words in e.BOTS.items()]
    return [(e.PERSON, "a person"), *people, *bots, (e.NOBODY, "nobody: the facilitator decides")]


def render(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: Its name without ending.
        **values: What is filled in.
    """
    return environment().get_template(f"{template}.html.jinja").render(**values)


def message_page(title: str, text: str, back: str = "") -> str:
    """A page that says one thing."""
    return render("message", title=title, text=text, back=back)


def seat_page(live: Live, grant: Grant, cookie: str, notice: str = "") -> str:
    """What somebody in a seat sees: a function of the seat's view, the cookie, and how many notes the seat has made.

    Args:
        live: The exercise.
        grant: Whose session it is.
        cookie: Its token.
        notice: Why something was refused, to be shown on top.
    """
    seat = grant.seat or ""
    view, version = live.view(seat)
    return render(
        "seat",
        view=view,
        version=version,
        base=f"/at/{grant.handle}/",
        stream=f"/at/{grant.handle}/stream",
        csrf=form_key(cookie, "csrf"),
        keys=seat_keys(live, view, cookie),
        move_title=live.state.stage.move_title,
        notice=notice,
    )


def seat_keys(live: Live, view: View, cookie: str) -> dict[str, str]:
    """Idempotency keys of a seat's forms: they change when what the form is about has been done, and not before."""
    written = sum(line.kind == "message" and line.sender == view.seat for line in view.lines)
    noted = sum(note[0] == view.seat for note in live.state.notes)
    return {
        "move": form_key(cookie, "move", view.decision.id if view.decision else ""),
        "message": form_key(cookie, "message", str(written)),
        "note": form_key(cookie, "note", str(noted)),
    }


def observer_page(live: Live, grant: Grant) -> str:
    """What somebody without a seat sees."""
    view, version = live.observed()
    base = f"/at/{grant.handle}/"
    return render("observer", view=view, version=version, base=base, stream=f"{base}stream")


def home_page(
    host: Host,
    grant: Grant,
    cookie: str,
    offered: Sequence[tuple[str, str]],
    *,
    game: str = "",
    stage: "Stage | None" = None,
    notice: str = "",
    link: str = "",
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """What a facilitator sees first: the exercises, and how to create one.

    Args:
        host: The server's exercises.
        grant: Whose session it is.
        cookie: Its token.
        offered: Names and titles of what an exercise can be created of.
        game: Name of the one that is chosen, or empty.
        stage: The one that is chosen.
        notice: Why something was refused.
        link: A link that has just been made, to be shown once.
        links: Address and words of further pages.
    """
    return render(
        "home",
        base=f"/at/{grant.handle}/",
        csrf=form_key(cookie, "csrf"),
        keys={"create": form_key(cookie, "create", str(len(host.entries)))},
        exercises=list(host.entries.values()),
        games=offered,
        game=game,
        stage=stage,
        occupants=occupants(teams=True),
        notice=notice,
        link=link,
        links=links,
    )


@lru_cache(maxsize=1)
def games() -> tuple[tuple[str, str], ...]:
    """Names and titles of what comes with the package: scenarios, then library games."""
    import tomllib

    from detente.library.games import GAMES
    from detente.model.builtin import BUILTIN, FILE, scenario_names

    titles = {name: tomllib.loads((BUILTIN / name / FILE).read_text("utf-8"))["title"] for name in scenario_names()}
    return (*titles.items(), *((game.name, game.title) for game in GAMES.values()))


def desk_page(
    host: Host,
    live: Live,
    grant: Grant,
    cookie: str,
    *,
    address: str,
    notice: str = "",
    shown: Mapping[str, str] | None = None,
) -> str:
    """What a facilitator sees of one exercise: everything.

    Args:
        host: The server's exercises.
        live: The exercise.
        grant: Whose session it is.
        cookie: Its token.
        address: Where people reach the server.
        notice: Why something was refused.
        shown: A link that has just been made: ``title``, ``link`` and ``note``.
    """
    view, stage = facilitator_view(live.state), live.state.stage
    base = f"/at/{grant.handle}/"
    here = f"{base}exercise/{live.id}/"
    return render(
        "desk",
        view=view,
        version=host.version(live, FACILITATOR),
        base=base,
        here=here,
        stream=f"{here}stream",
        csrf=form_key(cookie, "csrf"),
        key=form_key(cookie, "desk", live.id, str(len(live.events))),
        seats=_seat_rows(host, live),
        occupants=occupants(),
        next_title=stage.move_title(view.next_move),
        next_role=first_upper(stage.named(view.next_player)),
        trouble=live.trouble,
        room=live.entry.room,
        address=address,
        notice=notice,
        shown=shown,
    )


def _seat_rows(host: Host, live: Live) -> list[dict[str, Any]]:
    words = dict(occupants())
    rows = []
    for (name, entered, is_open), seat in zip(host.present(live), live.state.seats.values(), strict=True):
        rows.append(
            {
                "name": name,
                "role": live.state.stage.role(seat.player),
                "value": seat.occupant,
                "occupant": words.get(seat.occupant, seat.occupant).split(":")[0],
                "person": seat.person,
                "entered": entered,
                "open": is_open,
                "grants": bool(host.grants(live.id, SEAT, name)),
            }
        )
    return rows


def page_of(live: Live, grant: Grant, cookie: str, notice: str = "") -> str:
    """The page of a seat or an observer."""
    return observer_page(live, grant) if grant.role == OBSERVER else seat_page(live, grant, cookie, notice)
