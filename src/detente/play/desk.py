"""What a facilitator can ask for: exercises, seats, links, news, pauses, decisions for others, log and review."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from detente.errors import UsageError
from detente.play import events as e
from detente.play.exercise import EventFn, Live
from detente.play.guard import Refused
from detente.play.host import FACILITATOR, OBSERVER, SEAT
from detente.play.pages import TEAMS, desk_page, games, home_page
from detente.play.review_site import review_page, review_text
from detente.play.seat import VERSION_LENGTH, addressees
from detente.play.server import NOTHING, Site, Visitor, page, see, stream_of
from detente.play.stage import Stage, load_stage
from detente.play.tokens import form_key, new_handle, new_room_code

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ONCE = "It is shown once: copy it now. It lets one person in, once."
Fields = dict[str, str]


async def answer(site: Site, request: "Request", visitor: Visitor, fields: Fields | None) -> "Response":
    """Answer a facilitator's request.

    Args:
        site: What handlers share.
        request: The request.
        visitor: Who asks.
        fields: Of the form, or None if it is no form.

    Raises:
        Refused: If it cannot be done.
    """
    rest = request.path_params["rest"]
    if not rest.startswith("exercise/"):
        return await _home(site, request, visitor, rest, fields)
    live, action = await _exercise(site, rest)
    if fields is None:
        return await _show(site, request, visitor, live, action)
    if action in _ACCESS:
        return await _ACCESS[action](site, visitor, live, fields)
    if action not in _EVENTS:
        raise Refused(404, NOTHING)
    try:
        event_fn = _EVENTS[action](site, fields)
    except (UsageError, ValueError) as error:
        raise Refused(400, str(error)) from None
    key = form_key(visitor.token, "request", action, fields.get("key", ""))
    await site.host.act(live, event_fn, key)
    return see(_here(visitor, live))


async def show_again(site: Site, request: "Request", visitor: Visitor, refusal: Refused) -> "Response":
    """The page as it is now, with the reason why something was not done."""
    rest = request.path_params["rest"]
    if rest.startswith("exercise/"):
        live, _ = await _exercise(site, rest)
        return page(_desk(site, visitor, live, notice=str(refusal)), refusal.status)
    return page(_list(site, visitor, notice=str(refusal)), refusal.status)


async def _exercise(site: Site, rest: str) -> tuple[Live, str]:
    _, exercise, action = (rest.split("/", 2) + [""])[:3]
    live = await site.host.live(exercise)
    if live is None:
        raise Refused(404, NOTHING)
    return live, action


def _here(visitor: Visitor, live: Live) -> str:
    return f"/at/{visitor.grant.handle}/exercise/{live.id}/"


def _desk(site: Site, visitor: Visitor, live: Live, **values: Any) -> str:
    return desk_page(site.host, live, visitor.grant, visitor.token, address=site.address, **values)


# -- the list of exercises, and a new one --------------------------------------------------------------
async def _home(site: Site, request: "Request", visitor: Visitor, rest: str, fields: Fields | None) -> "Response":
    if fields is None and rest == "":
        game = request.query_params.get("game", "")
        stage = await _stage(site, game) if game else None
        return page(_list(site, visitor, game, stage))
    if fields is not None and rest == "create":
        stage = await _stage(site, fields.get("game", ""))
        exercise = form_key(visitor.token, "exercise", fields.get("key", ""))[:32]
        try:
            live = await site.host.create(created_from(fields, stage, exercise, site))
        except UsageError as error:
            raise Refused(400, str(error)) from None
        return see(_here(visitor, live))
    if fields is not None and rest == "facilitator":
        link = f"{site.address}/join/{await site.host.issue(FACILITATOR)}"
        return page(_list(site, visitor, link=link))
    raise Refused(404, NOTHING)


def _list(site: Site, visitor: Visitor, game: str = "", stage: Stage | None = None, **values: Any) -> str:
    return home_page(
        site.host, visitor.grant, visitor.token, offered(site), game=game, stage=stage, links=site.links, **values
    )


def offered(site: Site) -> tuple[tuple[str, str], ...]:
    """Names and titles of what an exercise can be created of: the server's own folders first."""
    return (*((name, title) for name, (_, title) in site.scenarios.items()), *games())


async def _stage(site: Site, game: str) -> Stage:
    import asyncio

    if game not in dict(offered(site)):  # a form may not name a folder of this machine
        raise Refused(404, NOTHING)
    folder, _ = site.scenarios.get(game, (game, ""))
    return await asyncio.to_thread(load_stage, folder)


def created_from(fields: Fields, stage: Stage, exercise: str, site: Site) -> e.Created:
    """The event that begins an exercise, as the form describes it.

    Args:
        fields: Of the form.
        stage: What is played.
        exercise: Its id.
        site: For the time and the seed.

    Raises:
        UsageError: If a number cannot be read, or a line is not MOVE = OPTION.
    """
    return e.Created(
        at=site.host.clock(),
        exercise=exercise,
        game=stage.name,
        title=e.check_text("title", fields.get("title", ""), longest=120).strip(),
        seed=new_handle(site.host.bytes_fn),
        seats=tuple(_seats(fields, stage)),
        values=tuple(sorted(stage.values.items())),
        precision=stage.precision,
        defaults=_defaults(fields.get("defaults", "")),
        seconds=60 * read_number("minutes", fields.get("minutes", "0")),
        then=fields.get("then", e.THEN_BOT),
        paused="paused" in fields,
    )


def _seats(fields: Fields, stage: Stage) -> list[e.SeatPlan]:
    seats = []
    for player in stage.players:
        occupant = fields.get(f"occupant {player}", e.PERSON)
        if occupant in TEAMS:
            names = [f"{player} {number}" for number in range(1, TEAMS[occupant] + 1)]
            seats += [e.SeatPlan(name, player, e.PERSON) for name in names]
        else:
            seats.append(e.SeatPlan(player, player, occupant))
    return seats


def _defaults(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        move, sign, option = line.partition("=")
        if not sign or not move.strip() or not option.strip():
            raise UsageError(f"defaults: {line!r} is not MOVE = OPTION. Write for example: retaliation = none")
        found.append((move.strip(), option.strip()))
    return tuple(found)


def read_number(where: str, text: str) -> float:
    """A number from a form.

    Raises:
        UsageError: If it is none.

    Example:
        >>> read_number("minutes", "2.5")
        2.5
    """
    try:
        return e.check_number(where, float(text))
    except ValueError:
        raise UsageError(f"{where}: {text[:40]!r} is not a number. Write one.") from None


# -- what is looked at ---------------------------------------------------------------------------------
async def _show(site: Site, request: "Request", visitor: Visitor, live: Live, action: str) -> "Response":
    if action == "":
        return page(_desk(site, visitor, live))
    if action == "stream":
        seen = request.query_params.get("seen", "")[:VERSION_LENGTH]
        return stream_of(site, (live.id, FACILITATOR, ""), live, seen)
    if action == "review":
        return await review_page(site, request, live)
    if action == "review.html":
        return _file(live, action, "text/html; charset=utf-8", await review_text(site, live))
    return await _download(live, action)


async def _download(live: Live, name: str) -> "Response":
    import asyncio

    from detente.play import export

    events, state = list(live.events), live.state
    makers: dict[str, tuple[str, Callable[[], str | bytes]]] = {
        "log.jsonl": ("application/x-ndjson", lambda: export.log_jsonl(events)),
        "log.csv": ("text/csv; charset=utf-8", lambda: export.log_csv(events)),
        "log.parquet": ("application/vnd.apache.parquet", lambda: export.log_parquet(events)),
        "games.csv": ("text/csv; charset=utf-8", lambda: export.games_csv(export.game_rows([state], branches=True))),
        "games.parquet": (
            "application/vnd.apache.parquet",
            lambda: export.games_parquet(export.game_rows([state], branches=True)),
        ),
    }
    if name not in makers:
        raise Refused(404, NOTHING)
    kind, make = makers[name]
    return _file(live, name, kind, await asyncio.to_thread(make))


def _file(live: Live, name: str, kind: str, body: str | bytes) -> "Response":
    from starlette.responses import Response

    headers = {"content-disposition": f'attachment; filename="{live.id[:8]}-{name}"'}
    return Response(body, headers=headers, media_type=kind)


# -- who may enter ------------------------------------------------------------------------------------
async def _link(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    seat = _seat(live, fields)
    await site.host.revoke(site.host.grants(live.id, SEAT, seat))
    token = await site.host.issue(SEAT, live.id, seat)
    return _shown(site, visitor, live, f"Link for {seat}", token)


async def _revoke(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    await site.host.revoke(site.host.grants(live.id, SEAT, _seat(live, fields)))
    return see(_here(visitor, live))


async def _observer(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    token = await site.host.issue(OBSERVER, live.id)
    return _shown(site, visitor, live, "Link for an observer", token)


def _shown(site: Site, visitor: Visitor, live: Live, title: str, token: str) -> "Response":
    shown = {"title": title, "link": f"{site.address}/join/{token}", "note": ONCE}
    return page(_desk(site, visitor, live, shown=shown))


def _seat(live: Live, fields: Fields) -> str:
    if fields.get("seat") not in live.state.seats:
        raise Refused(404, NOTHING)
    return fields["seat"]


async def _open_room(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    if live.entry.room is None:
        await site.host.set_room(live, new_room_code(site.host.bytes_fn))
    return see(_here(visitor, live))


async def _close_room(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    await site.host.set_room(live, None)
    return see(_here(visitor, live))


async def _retry(site: Site, visitor: Visitor, live: Live, fields: Fields) -> "Response":
    live.trouble = ""
    site.host.changed(live)
    return see(_here(visitor, live))


_ACCESS = {
    "link": _link,
    "revoke": _revoke,
    "observer": _observer,
    "open-room": _open_room,
    "close-room": _close_room,
    "retry": _retry,
}


# -- events: what a form becomes -----------------------------------------------------------------------
def _assign(site: Site, f: Fields) -> EventFn:
    return lambda now: e.Assigned(now, f.get("seat", ""), f.get("occupant", ""), f.get("reason", ""))


def _inject(site: Site, f: Fields) -> EventFn:
    to = addressees(f)
    return lambda now: e.Injected(now, f.get("text", ""), to)


def _extend(site: Site, f: Fields) -> EventFn:
    seconds = read_number("seconds", f.get("seconds", ""))
    return lambda now: e.Extended(now, seconds)


def _override(site: Site, f: Fields) -> EventFn:
    return lambda now: e.Overridden(now, f.get("move", ""), f.get("option", ""), f.get("reason", ""))


def _rewind(site: Site, f: Fields) -> EventFn:
    keep = int(f.get("keep", ""))
    seed = new_handle(site.host.bytes_fn) if f.get("luck") == "new" else ""
    return lambda now: e.Rewound(now, keep, f.get("reason", ""), seed)


_EVENTS: dict[str, Callable[[Site, Fields], EventFn]] = {
    "assign": _assign,
    "inject": _inject,
    "extend": _extend,
    "override": _override,
    "rewind": _rewind,
    "pause": lambda site, f: e.Paused,
    "resume": lambda site, f: e.Resumed,
    "reveal": lambda site, f: e.Revealed,
    "note": lambda site, f: lambda now: e.Noted(now, f.get("text", "")),
}
