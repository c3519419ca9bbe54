"""The after-action review as a page of the server, with a form that supposes another choice or other luck."""

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from detente.play.exercise import Live
from detente.play.guard import Refused
from detente.play.server import Site, page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_KEPT = 32  # reviews kept, so that a class that looks at one page does not have it made thirty times
MOST_TEXT = 400


async def review_page(site: Site, request: "Request", live: Live) -> "Response":
    """The review as a page; its style sheet is let through by its hash, scripts are not.

    Args:
        site: What handlers share.
        request: Whose query may suppose another choice: ``had=NUMBER:OPTION``.
        live: The exercise.

    Raises:
        Refused: With status 503 if this server solves no games.
        DetenteError: If the game cannot be solved, or the play had no such move or option.
    """
    text = await review_text(site, live, "review", request.query_params.get("had", "")[:MOST_TEXT])
    sheets = re.findall(r"<style[^>]*>(.*?)</style>", text, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode() for sheet in sheets]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes) or "'none'"
    policy = (
        f"default-src 'none'; style-src {allowed}; img-src data:; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    return page(text, headers={"content-security-policy": policy})


async def review_text(site: Site, live: Live, address: str = "", had: str = "") -> str:
    """The review as HTML, made once for as long as nothing happens in the exercise.

    Args:
        site: What handlers share.
        live: The exercise.
        address: Where its form is answered; empty for a page that stands by itself.
        had: What is supposed instead of what happened: ``NUMBER:OPTION``, or empty.
    """
    if site.host.worker is None:
        raise Refused(503, "This server solves no games, so that it has no review. Start it without --no-bots.")
    key = (live.id, len(live.events), address, had)
    if key not in site.reviews:
        text = await site.host.worker.ask("review", live.events, at=site.host.clock(), address=address, had=had)
        while len(site.reviews) >= MOST_KEPT:
            del site.reviews[next(iter(site.reviews))]
        site.reviews[key] = text
    return site.reviews[key]
