"""The studio on the server: its addresses, who may use them, and which process answers."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
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
from detente.studio.process import Solver

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATIC = {"studio.css": "text/css; charset=utf-8", "studio.js": "text/javascript; charset=utf-8"}
SLOW = ("ranges", "page with ranges")
SLOW_FILES = ("worlds.csv", "ranges.svg", "brief.html")
FACILITATOR_FILES = ("brief.html",)
KEEP = {"cache-control": "max-age=300"}


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
        self._prepared: set[tuple[int, str]] = set()
        self._tasks: set[asyncio.Task] = set()

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

    async def close(self) -> None:
        """End what was started."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.quick.close()
        await self.slow.close()

    async def _limited(self, site: Site, limit: RateLimit, handler: Any, request: "Request") -> "Response":
        site.check_limit(limit, request.client.host if request.client else "unknown")
        return await handler(site, request)

    # -- pages ---------------------------------------------------------------------------------------------
    async def _list(self, site: Site, request: "Request") -> "Response":
        from detente.studio.shell import Address, entries, list_page

        at = _address(site, request)
        # One scenario and no more: who has chosen another meanwhile should not have to wait for it.
        self._prepare(self.quick, ["", *scenario_names()[-1:]], {**at, "offered": {}})
        return page(list_page(entries(self.home, _offered(site)) if at["csrf"] else entries(), Address(**at)))

    def _prepare(self, solver: Any, scenarios: Sequence[str], question: dict[str, Any]) -> None:
        """Let a process load what takes time, before somebody waits for it."""

        async def one_by_one() -> None:
            for name in scenarios:
                key = (id(solver), name)
                if key not in self._prepared:
                    self._prepared.add(key)
                    with contextlib.suppress(Refused):  # whoever asks for it next hears of it
                        await solver.ask({**question, "kind": "ready", "scenario": name})

        task = asyncio.ensure_future(one_by_one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _page(self, site: Site, request: "Request") -> "Response":
        pairs = _pairs(request)
        kind = "page with ranges" if ("ranges", "yes") in pairs else "page"
        found = await self._ask(site, request, kind)
        asked = {"offered": _offered(site), **_address(site, request)}
        self._prepare(self.slow, [request.path_params["scenario"]], asked)
        return page(found["html"], found["status"])

    async def _record(self, site: Site, request: "Request") -> "Response":
        found = await self._ask(site, request, "record")
        return page(found["html"], found["status"])

    async def _part(self, site: Site, request: "Request") -> "Response":
        from starlette.responses import Response

        part = request.path_params["part"]
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
        return await (self.slow if slow else self.quick).ask(question)

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
        return {"explore": "/explore", "record": "/record", "csrf": ""}
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
