"""What a person in a seat, or an observer, can ask for: the page, its stream, a move, a message, a note, the review."""

from typing import TYPE_CHECKING

from detente.play import events as e
from detente.play.exercise import Live
from detente.play.guard import Refused
from detente.play.host import SEAT
from detente.play.pages import page_of
from detente.play.server import NOTHING, Site, Visitor, kept_page, page, see, stream_of
from detente.play.tokens import form_key

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

VERSION_LENGTH = 24


async def answer(site: Site, request: "Request", visitor: Visitor, fields: dict[str, str] | None) -> "Response":
    """Answer a seat's or an observer's request.

    Args:
        site: What handlers share.
        request: The request.
        visitor: Who asks.
        fields: Of the form, or None if it is no form.

    Raises:
        Refused: If it cannot be done; with status 404 for everything that is not there or not theirs.
    """
    live = await _live(site, visitor)
    rest = request.path_params["rest"]
    if fields is not None:
        return await _act(site, visitor, live, rest, fields)
    if rest == "":
        return page(kept_page(site, live, visitor))
    if rest == "stream":
        key = (live.id, visitor.grant.role, visitor.grant.seat or "")
        return stream_of(site, key, live, request.query_params.get("seen", "")[:VERSION_LENGTH])
    if rest == "review" and live.state.revealed:
        from detente.play.review_site import review_page

        return await review_page(site, request, live)
    raise Refused(404, NOTHING)


async def show_again(site: Site, request: "Request", visitor: Visitor, refusal: Refused) -> "Response":
    """The page as it is now, with the reason why something was not done."""
    live = await _live(site, visitor)
    return page(page_of(live, visitor.grant, visitor.token, str(refusal)), refusal.status, refusal.headers)


async def _live(site: Site, visitor: Visitor) -> Live:
    live = await site.host.live(visitor.grant.exercise or "")
    if live is None:
        raise Refused(404, NOTHING)
    return live


async def _act(site: Site, visitor: Visitor, live: Live, action: str, fields: dict[str, str]) -> "Response":
    grant = visitor.grant
    if grant.role != SEAT or action not in ("move", "message", "note"):
        raise Refused(404, NOTHING)
    seat = grant.seat or ""
    key = f"{live.id} {seat}"
    site.check_limit(site.moves if action == "move" else site.messages, key)
    request = form_key(visitor.token, "request", action, fields.get("key", ""))
    if action == "move":
        decision, option = fields.get("decision", ""), fields.get("option", "")
        if not option:
            raise Refused(400, "No option was chosen. Choose one.")
        await site.host.act(live, lambda now: e.Moved(now, seat, decision, option), request)
    elif action == "message":
        to = addressees(fields)
        await site.host.act(live, lambda now: e.Said(now, seat, fields.get("text", ""), to), request)
    else:
        await site.host.act(live, lambda now: e.Noted(now, fields.get("text", ""), seat), request)
    return see(f"/at/{grant.handle}/")


def addressees(fields: dict[str, str]) -> tuple[str, ...]:
    """To whom a form says that a text goes; empty means everybody, and has to be said.

    Raises:
        Refused: If it says nobody, or both everybody and somebody.

    Example:
        >>> addressees({"to": "ann\\nbob"}), addressees({"everybody": "yes"})
        (('ann', 'bob'), ())
    """
    some = tuple(name for name in fields.get("to", "").split("\n") if name)
    if some and "everybody" in fields:
        raise Refused(400, "It cannot go to everybody and to some only. Tick one or the other.")
    if not some and "everybody" not in fields:
        raise Refused(400, "Nobody is ticked to receive it. Tick everybody, or one or more seats.")
    return some
