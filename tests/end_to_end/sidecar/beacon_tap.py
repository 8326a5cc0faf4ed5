"""What stands directly before a beacon node and keeps which blocks every posted message is about.

It knows nothing of the gate before it: whatever it sees has reached the beacon node.
"""

import asyncio
import re
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web

from verifier.header_fields import end_to_end

ROOT = re.compile(rb"0x[0-9a-f]{64}(?![0-9a-f])")
# A proposal names its parent; everything else that is posted and names a block votes for it.
VOTES = ("/eth/v1/beacon/pool/", "/eth/v1/validator/aggregate_and_proofs", "/eth/v1/validator/contribution_and_proofs")
NOT_PASSED = ("host", "content-length", "content-encoding")  # a body is read decompressed
START_TIMEOUT = 10.0  # seconds for a thread to listen


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that reached the beacon node. roots: 0x-hex of every 32-byte value in it."""

    path: str
    roots: frozenset[str]


class BeaconTap:
    """A context manager: listens while it lasts. target: the beacon node's URL; it need not serve yet."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self._target = target
        self._posted: list[Posted] = []
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tap before the beacon node")
        self._listening: Future[str] = Future()

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._listening.result(START_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    @property
    def votes(self) -> list[Posted]:
        """Every vote that came, in its order."""
        return [each for each in list(self._posted) if each.path.startswith(VOTES)]

    def votes_for(self, roots: Iterable[str]) -> list[Posted]:
        """Those that name one of these beacon blocks."""
        named = frozenset(roots)
        return [each for each in self.votes if each.roots & named]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                if not self._listening.done():
                    self._listening.set_exception(error)
                raise

    async def _serve(self) -> None:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        timeout = aiohttp.ClientTimeout(total=None)  # event streams have no end
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._listening.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
            await self._ended.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self._posted.append(Posted(request.path, frozenset(each.decode() for each in ROOT.findall(body))))
        headers = end_to_end(request.headers.items(), NOT_PASSED)
        try:
            async with self._session.request(
                request.method, f"{self._target}{request.rel_url}", headers=headers, data=body or None
            ) as answer:
                passed = end_to_end(answer.headers.items(), NOT_PASSED)
                response = web.StreamResponse(status=answer.status, headers=passed)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                with suppress(ConnectionError):
                    await response.write_eof()
                return response
        except (aiohttp.ClientError, ConnectionError) as error:
            return web.Response(status=502, text=str(error))
