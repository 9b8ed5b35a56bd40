"""All doors of a server in one ASGI app: whom it lets in, how much, and how it is."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import chain

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import translator
from translator.serving import libre, native, tf_serving
from translator.serving.access import RateLimit
from translator.serving.detection import detector_of
from translator.serving.documentation import add_documentation
from translator.serving.errors import (
    ErrorAnswer,
    add_error_answers,
    error_answer,
    route_of,
)
from translator.serving.files import FileDesk
from translator.serving.service import Service

_PAGE_PATH = "/gradio_api/"
# What an open page asks for, to be told when the server has gone.
_ENDLESS_PATH = f"{_PAGE_PATH}heartbeat/"
_ROUTERS = (libre.router, tf_serving.router, native.router)
_LONGEST_NAME = 60  # of a host, in an error
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def create_app(
    service: Service,
    api_keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    rate_limit: int = 0,
    root_path: str = "",
    allowed_hosts: Sequence[str] = (),
) -> FastAPI:
    """Returns the app, without a page; documented at `/docs`.

    Args:
        service: What translates. The app warms nothing up and closes nothing.
        api_keys: Who may translate; empty: everybody. A key comes as the header
            `Authorization: Bearer KEY`, or as `api_key` of a LibreTranslate client.
        origins: Other sites whose pages may ask, `*` for all; empty: none.
        rate_limit: Requests a minute of one client's address; 0: any number.
        root_path: Where a proxy that takes it away has put the app, such as
            `/translate`, or the whole address of that.
        allowed_hosts: Names by which the server is asked for; others are refused, as
            those of pages that were told that their own name is this machine (DNS
            rebinding). Empty, or `*`: all.
    """
    root_path = root_path.rstrip("/")
    app = FastAPI(
        title="translator",
        version=translator.__version__,
        description="Translates with GRU networks. The routes of LibreTranslate and of "
        "TensorFlow Serving do what their clients expect; /v1 tells more. Where a key "
        "is needed, it comes in the header Authorization: Bearer KEY.",
        servers=[{"url": root_path}] if root_path else None,
        docs_url=None,  # both are pages of scripts from elsewhere
        redoc_url=None,
        responses={
            "4XX": {"model": ErrorAnswer, "description": "A mistake"},
            503: {"model": ErrorAnswer, "description": "Busy: see Retry-After"},
        },
    )
    app.state.service = service
    app.state.api_keys = tuple(api_keys)
    app.state.root_path = root_path
    app.state.rate_limit = RateLimit(rate_limit)
    app.state.detector = detector_of(service.models)
    app.state.file_desk = FileDesk(service)
    for router in _ROUTERS:
        app.include_router(router)
    _add_probes(app, service)
    add_documentation(app)
    add_error_answers(app)
    limits = service.limits
    app.add_middleware(_BodyLimit, limits.body_bytes, limits.body_seconds)
    metrics = app.state.metrics = _Metrics(service)
    app.add_route("/metrics", metrics.answer, include_in_schema=False)
    app.add_middleware(_Measured, metrics)
    # Without any origin, too: where nobody says who may ask, Gradio lets all sites.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
    )
    _refuse_other_methods(app)
    if allowed_hosts and "*" not in allowed_hosts:
        app.add_middleware(_KnownHosts, allowed_hosts)
    app.add_middleware(_Heads)
    app.add_middleware(_Streams)
    return app


def _refuse_other_methods(app: FastAPI) -> None:
    """Answers 405 where a page that is mounted behind the routes would answer 404."""
    methods: dict[str, set[str]] = defaultdict(set)
    for route in chain(app.routes, *(router.routes for router in _ROUTERS)):
        if isinstance(route, Route):
            own = route.methods or set()
            methods[route.path] |= own | ({"HEAD"} if "GET" in own else set())

    def refusal_of(known: set[str]):
        async def refuse(request: Request) -> Response:
            allowed = ", ".join(sorted(known))
            message = f"{request.method} is not possible here. Use {allowed}."
            return error_answer(405, message, {"Allow": allowed})

        return refuse

    for path, known in methods.items():
        others = [method for method in _METHODS if method not in known]
        app.add_route(path, refusal_of(known), methods=others, include_in_schema=False)


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["probes"])
    async def health() -> dict[str, str]:
        """Tells that the process answers."""
        return {"status": "ok"}

    @app.get("/ready", tags=["probes"])
    async def ready(response: Response) -> dict[str, str]:
        """Tells whether all models are loaded and warm: 200, or 503."""
        if service.is_ready:
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "loading"}


class _KnownHosts:
    """Refuses requests whose header Host has another name than those that are known.

    Args:
        app: The app behind it.
        names: Without ports.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]):
        self.app = app
        self.names = frozenset(map(str.lower, names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] in ("http", "websocket"):
            name = Headers(scope=scope).get("host", "")
            name = re.sub(r":\d*$", "", name).strip("[]").rstrip(".").lower()
            with suppress(ValueError):  # addresses may be written in several ways
                name = str(ip_address(name))
            if name and name not in self.names:  # browsers always send one
                app = error_answer(
                    421,
                    f"this server is not known as {name[:_LONGEST_NAME]!r}. Whoever "
                    "runs it can allow that name: serve.py --allowed-host NAME.",
                )
        await app(scope, receive, send)


class _Heads:
    """Answers HEAD as GET; the server leaves out the body. Not at a page's own doors,
    where an answer may last as long as the page is open."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if is_head and not scope["path"].startswith(_PAGE_PATH):
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class _Streams:
    """Tells nginx not to hold events back, those of a page, too."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                if headers.get("content-type", "").startswith("text/event-stream"):
                    headers["X-Accel-Buffering"] = "no"
            await send(message)

        await self.app(scope, receive, marked_send)


class _BodyLimit:
    """Refuses bodies that are too large or too slow, at the latest when they are.

    Args:
        app: The app behind it.
        limit: In bytes.
        seconds: Until all of a body has to be there.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float):
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        refusal = f"a request may have at most {self.limit:,} bytes. Send it in parts."
        if length.isdigit() and int(length) > self.limit:
            await error_answer(413, refusal)(scope, receive, send)
            return
        received, is_complete = 0, False
        deadline = asyncio.get_running_loop().time() + self.seconds

        async def counted_receive() -> Message:
            nonlocal received, is_complete
            try:
                async with asyncio.timeout_at(None if is_complete else deadline):
                    message = await receive()
            except TimeoutError:
                late = f"the request did not come within {self.seconds:g} seconds."
                raise HTTPException(408, f"{late} Send it again.") from None
            is_complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(413, refusal)
            return message

        await self.app(scope, counted_receive, send)


class _Measured:
    """Notes each answer in the metrics when all of it was sent."""

    def __init__(self, app: ASGIApp, metrics: "_Metrics"):
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        is_endless = scope["path"].startswith(_ENDLESS_PATH)
        self.metrics.under_way += not is_endless

        async def noted_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted_send)
        finally:
            self.metrics.under_way -= not is_endless
            seconds = time.perf_counter() - start
            self.metrics.count(route_of(scope), status, seconds)


class _Metrics:
    """Counts requests for Prometheus, by route and status: labels that are bounded.

    Attributes:
        under_way: Requests that are being answered, but those that last as long as a
            page is open.
    """

    def __init__(self, service: Service):
        self._service = service
        self.under_way = 0
        self.registry = CollectorRegistry()
        labels = ("route", "status")
        self._requests = Counter(
            "translator_requests", "Requests", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "translator_request_seconds",
            "Time until the answer",
            ("route",),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._reloads = Counter(
            "translator_reloads",
            "Models that changed on the disk: loaded again, or not",
            ("model", "result"),
            registry=self.registry,
        )
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self):
        """What is read when somebody asks."""
        waiting = GaugeMetricFamily(
            "translator_waiting_characters",
            "Characters that wait or are being translated",
            labels=("model",),
        )
        translated = CounterMetricFamily(
            "translator_characters",
            "Characters that were translated since the model was loaded",
            labels=("model",),
        )
        for model in self._service.models:
            waiting.add_metric((model.name,), model.gatherer.waiting)
            translated.add_metric((model.name,), model.gatherer.translated)
        yield waiting
        yield translated
        yield GaugeMetricFamily(
            "translator_requests_in_progress",
            "Requests that are being answered",
            self.under_way,
        )

    def is_idle(self) -> bool:
        """Tells whether all requests are answered, but those of open pages."""
        return not self.under_way

    def count(self, route: str, status: int, seconds: float) -> None:
        """Notes that a request was answered."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def count_reload(self, model: str, is_loaded: bool) -> None:
        """Notes that a model was loaded again, or could not be."""
        self._reloads.labels(model, "loaded" if is_loaded else "failed").inc()

    async def answer(self, request: Request) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
