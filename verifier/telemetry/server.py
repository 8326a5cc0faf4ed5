"""The status server: the page and its live stream, metrics, and the two health endpoints. It only ever reads.

On loopback by default, without any authentication: whoever reaches it sees what is judged, and can change nothing.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from types import TracebackType
from typing import Self

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from .errors import StatusServerError
from .feed import Feed, TooManyViewersError
from .metrics import Metrics
from .page_content import load_page
from .readiness import Readiness, examine

LOOPBACK = "127.0.0.1"
# Milliseconds that a browser waits before it connects again.
RETRY = 1000
# Seconds. Open streams are ended by us at the close; nothing else takes long.
SHUTDOWN_TIMEOUT = 2.0
# Bytes that wait in one viewer's connection before writing to it waits.
WRITE_BUFFER = 256 * 1024

# Seconds. What the page says of readiness is at most so old.
READINESS_INTERVAL = 2.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class StatusServer:
    """`async with` serves. port 0: any free one, see `port`. readiness: asked for every /readyz."""

    def __init__(
        self,
        feed: Feed,
        metrics: Metrics,
        readiness: Readiness,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        self._feed, self._metrics, self._readiness = feed, metrics, readiness
        self._host, self._requested_port = host, port
        self._page = load_page()
        self._dropped = 0  # viewers, as far as the metrics know
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The TCP port that is served."""
        assert self._runner is not None
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/"

    async def __aenter__(self) -> Self:
        """Raises StatusServerError if the address cannot be had."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._requested_port).start()
        except OSError as error:
            await runner.cleanup()
            raise StatusServerError(f"status page: {self._host}:{self._requested_port}: {error.strerror}") from error
        self._runner = runner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def application(self) -> web.Application:
        """The routes, for a server of somebody else's."""
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/", self._serve_page),
                web.get("/events", self._serve_events, allow_head=False),
                web.get("/status.json", self._serve_status),
                web.get("/metrics", self._serve_metrics),
                web.get("/healthz", self._serve_health),
                web.get("/readyz", self._serve_readiness),
            ]
        )
        application.on_startup.append(self._start)
        application.on_shutdown.append(self._stop)
        return application

    async def _start(self, _application: web.Application) -> None:
        self._tasks = [
            asyncio.create_task(self._feed.run(), name="status feed"),
            asyncio.create_task(self._watch_readiness(), name="status readiness"),
        ]

    async def _stop(self, _application: web.Application) -> None:
        self._feed.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch_readiness(self) -> None:
        """While somebody looks at the page."""
        while True:
            if self._feed.viewers:
                self._feed.tell_conditions(await examine(self._readiness))
            await asyncio.sleep(READINESS_INTERVAL)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Headers for every answer; and a page of another name must not read us through a browser (DNS rebinding)."""
        name = request.headers.get("Host")  # every browser sends it
        if name is not None and _is_loopback(self._host) and not _is_loopback(_host_name(name)):
            return web.Response(status=421, text="this server answers for loopback names only\n", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            refused.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _serve_page(self, _request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": self._page.policy, "X-Frame-Options": "DENY"}
        return web.Response(text=self._page.html, content_type="text/html", charset="utf-8", headers=headers)

    async def _serve_status(self, _request: web.Request) -> web.Response:
        return web.json_response(self._feed.snapshot())

    async def _serve_metrics(self, request: web.Request) -> web.Response:
        self._metrics.viewers.set(self._feed.viewers)
        self._metrics.viewers_dropped.inc(self._feed.dropped - self._dropped)
        self._dropped = self._feed.dropped
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = encode(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _serve_health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _serve_readiness(self, _request: web.Request) -> web.Response:
        conditions = await examine(self._readiness)
        self._feed.tell_conditions(conditions)
        ready = bool(conditions) and all(each.met for each in conditions)
        body = {"ready": ready, "conditions": [asdict(each) for each in conditions]}
        return web.json_response(body, status=200 if ready else 503)

    async def _serve_events(self, request: web.Request) -> web.StreamResponse:
        """A snapshot and then changes. After a break the browser connects again and gets a new snapshot."""
        try:
            viewer = self._feed.join()
        except TooManyViewersError:
            return web.Response(status=503, text="too many viewers\n", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        dropped = asyncio.create_task(self._abort(viewer.dropped, request))
        try:
            await response.prepare(request)
            if request.transport is not None:
                request.transport.set_write_buffer_limits(high=WRITE_BUFFER)
            await response.write(f"retry: {RETRY}\n\n".encode())
            async for message in viewer:
                await response.write(message)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the page was closed, or was dropped while it did not read
        finally:
            dropped.cancel()
            self._feed.leave(viewer)
        return response

    @staticmethod
    async def _abort(dropped: asyncio.Event, request: web.Request) -> None:
        """Ends the connection of a viewer that does not read: writing to it may be waiting for ever."""
        await dropped.wait()
        if request.transport is not None:
            request.transport.abort()


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
