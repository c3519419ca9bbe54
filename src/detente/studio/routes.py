"""The studio on the server: its addresses, who may use them, and which process answers."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detente.errors import DetenteError
from detente.model.builtin import scenario_names
from detente.play.guard import Refused, read_form
from detente.play.host import FACILITATOR
from detente.play.limits import RateLimit
from detente.play.server import NOTHING, Site, check_form, page, see
from detente.play.tokens import form_key
from detente.studio.process import FAULT, Solver
from detente.studio.warm import STEPS, Warm

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATIC = {"studio.css": "text/css; charset=utf-8", "studio.js": "text/javascript; charset=utf-8"}
SLOW = ("ranges", "page with ranges")
SLOW_FILES = ("worlds.csv", "ranges.svg", "brief.html")
FACILITATOR_FILES = ("brief.html",)
KEEP = {"cache-control": "max-age=300"}
PATIENCE = 0.5  # seconds that a browser waits for the forecast before it is shown what is being done
START_AFTER = 0.3  # seconds: the server's own first pages come before


class Studio:
    """The studio as a part of the server.

    Two processes answer: a quick one for what somebody waits for, and another for what takes seconds.

    Args:
        home: Folder with scenarios of the people who started the server; they are for facilitators alone.
        quick: Answers pages and forecasts.
        slow: Answers many worlds and briefs.
    """

    link: tuple[str, str] = "explore", "Explore scenarios, save settings, read records"

    def __init__(self, home: Path, *, quick: Any = None, slow: Any = None):
        self.home = home
        self.quick = quick or Solver()
        self.slow = slow or Solver()
        self._style = ""
        self._warm = Warm(self.quick.ask)
        self._warm_slow = Warm(self.slow.ask)
        self._starting: asyncio.Task | None = None

    def routes(self, site: Site) -> list[Any]:
        """The addresses of the studio.

        Args:
            site: What all handlers of the server share.
        """
        from starlette.routing import Route

        limit = RateLimit(60, 3.0, site.clock)

        def route(path: str, handler: Callable[..., Awaitable["Response"]], methods: tuple[str, ...] = ("GET",)) -> Any:
            async def respond(request: "Request") -> "Response":
                return await _answered(self._limited(site, limit, handler, request))

            return Route(path, respond, methods=list(methods))

        found = [
            route("/studio/{name}", self._static),
            route("/explore", self._list),
            route("/explore/{scenario}", self._page),
            route("/explore/{scenario}/{part}", self._part),
            route("/record/{scenario}", self._record),
        ]
        own = "/at/{handle}"
        return [
            *found,
            route(f"{own}/explore", self._list),
            route(f"{own}/explore/{{scenario}}", self._page),
            route(f"{own}/explore/{{scenario}}/save", self._save, ("POST",)),
            route(f"{own}/explore/{{scenario}}/{{part}}", self._part),
            route(f"{own}/record/{{scenario}}", self._record),
        ]

    async def start(self) -> None:
        """Make the scenario that is likeliest to be opened ready, behind what else the server does."""

        async def soon() -> None:
            await asyncio.sleep(START_AFTER)
            for name in scenario_names()[-1:]:  # no more: who chooses another should not have to wait for it
                self._warm.begin(name, _NOBODY)

        self._starting = asyncio.ensure_future(soon())

    async def close(self) -> None:
        """End what was started."""
        if self._starting is not None:
            self._starting.cancel()
        await self._warm.close()
        await self._warm_slow.close()
        await self.quick.close()
        await self.slow.close()

    async def _limited(self, site: Site, limit: RateLimit, handler: Any, request: "Request") -> "Response":
        site.check_limit(limit, request.client.host if request.client else "unknown")
        return await handler(site, request)

    # -- pages ---------------------------------------------------------------------------------------------
    async def _list(self, site: Site, request: "Request") -> "Response":
        from detente.studio.shell import Address, entries, list_page

        at = _address(site, request)
        return page(list_page(entries(self.home, _offered(site)) if at["csrf"] else entries(), Address(**at)))

    async def _page(self, site: Site, request: "Request") -> "Response":
        name, asked = request.path_params["scenario"], {"offered": _offered(site), **_address(site, request)}
        kind = "page with ranges" if ("ranges", "yes") in _pairs(request) else "page"
        ready = self._warm.begin(name, {**asked, "query": []})
        if kind == "page" and "text/html" in request.headers.get("accept", ""):  # a program waits, a person looks on
            await asyncio.wait({ready}, timeout=PATIENCE)
            if not ready.done() and (shown := self._waiting(name, asked)):
                return page(shown, headers={"cache-control": "no-store"})
        found = await self._ask(site, request, kind)
        self._warm_slow.begin(name, {**asked, "query": []})
        return page(found["html"], found["status"])

    def _waiting(self, name: str, asked: dict[str, Any]) -> str:
        """What is shown while a scenario is made ready; empty if there is no such scenario."""
        from detente.studio.shell import Address, folder_of, waiting_page

        at = Address(asked["explore"], asked["record"], asked["csrf"])
        folder = folder_of(name, self.home, asked["offered"]) if at.facilitator else folder_of(name)
        step = self._warm.step(name, asked)
        return "" if folder is None else waiting_page(folder, at, step, _words(step), len(STEPS))

    async def _record(self, site: Site, request: "Request") -> "Response":
        found = await self._ask(site, request, "record")
        return page(found["html"], found["status"])

    async def _part(self, site: Site, request: "Request") -> "Response":
        from starlette.responses import Response

        part = request.path_params["part"]
        if part == "ready":
            step = self._warm.step(request.path_params["scenario"], _address(site, request))
            told = json.dumps({"step": step, "of": len(STEPS), "words": _words(step)})
            return Response(told, headers={"cache-control": "no-store"}, media_type="application/json")
        if part in ("forecast", "ranges"):
            try:
                return page((await self._ask(site, request, part))["html"])
            except Refused as refusal:  # a sentence for the page that asked
                return Response(str(refusal), refusal.status, media_type="text/plain; charset=utf-8")
        if part in FACILITATOR_FILES and not _address(site, request)["csrf"]:
            raise Refused(404, NOTHING)
        found = await self._ask(site, request, "file", file=part)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{request.path_params['scenario']}-{part}")
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(found["body"], headers=headers, media_type=found["type"])

    async def _save(self, site: Site, request: "Request") -> "Response":
        visitor = site.visitor(request)
        fields = await read_form(request.receive)
        check_form(fields, visitor.token)
        at = _address(site, request)
        fields.pop("csrf", None)
        found = await self._ask(site, request, "save", fields=fields)
        return see(f"{at['explore']}/{found['name']}")

    async def _ask(self, site: Site, request: "Request", kind: str, **more: Any) -> Any:
        question = {
            "kind": kind,
            "scenario": request.path_params["scenario"],
            "query": _pairs(request),
            "offered": _offered(site),
            **_address(site, request),
            **more,
        }
        slow = kind in SLOW or more.get("file") in SLOW_FILES
        try:
            return await (self.slow if slow else self.quick).ask(question)
        except Refused as refusal:
            if refusal.status == FAULT:  # the process may have ended, and what it had ready with it
                (self._warm_slow if slow else self._warm).forget()
            raise

    async def _static(self, site: Site, request: "Request") -> "Response":
        from starlette.responses import Response

        name = request.path_params["name"]
        if name == "tree.css":
            self._style = self._style or (await self.quick.ask({"kind": "style"}))["body"]
            return Response(self._style, headers=KEEP, media_type="text/css; charset=utf-8")
        if name not in STATIC:
            raise Refused(404, NOTHING)
        body = (files("detente.studio") / "static" / name).read_bytes()
        return Response(body, headers=KEEP, media_type=STATIC[name])


_NOBODY = {"explore": "/explore", "record": "/record", "csrf": "", "query": [], "offered": {}}


def _words(step: int) -> str:
    return [*STEPS.values(), "Ready"][step]


def _pairs(request: "Request") -> list[tuple[str, str]]:
    return list(request.query_params.multi_items())


def _offered(site: Site) -> dict[str, str]:
    return {name: folder for name, (folder, _) in site.scenarios.items()}


def _address(site: Site, request: "Request") -> dict[str, str]:
    """Where the pages are for this visitor: open to all, or under a facilitator's own address.

    Raises:
        Refused: With status 404 if the address is a facilitator's and the visitor is not.
    """
    if "handle" not in request.path_params:
        return {name: _NOBODY[name] for name in ("explore", "record", "csrf")}
    visitor = site.visitor(request)
    if visitor.grant.role != FACILITATOR:
        raise Refused(404, NOTHING)
    base = f"/at/{visitor.grant.handle}"
    return {"explore": f"{base}/explore", "record": f"{base}/record", "csrf": form_key(visitor.token, "csrf")}


async def _answered(work: Awaitable["Response"]) -> "Response":
    from detente.studio.shell import Address, message_page

    try:
        return await work
    except Refused as refusal:
        title = "Nothing here" if refusal.status == 404 else "Not done"
        return page(message_page(title, str(refusal), Address()), refusal.status, refusal.headers)
    except DetenteError as error:
        return page(message_page("Not done", str(error), Address()), 409)
