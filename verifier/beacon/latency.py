"""What the attestation gate adds to a request, beside a proxy that only passes bytes: side by side, in one run."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import ClientSession, web

from verifier.domain.event import Event
from verifier.domain.gate import GateMode
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus
from verifier.services.benchmark.measurement import percentile
from verifier.services.chain_view import FakeChainView

from .server import LOOPBACK, serve_beacon_gate

WARM_UP = 20  # requests before the counted ones
SAMPLES = 50  # requests for each run that is asked for: a 99th percentile needs many, and they are small
DATA, POOL = "/eth/v1/validator/attestation_data", "/eth/v1/beacon/pool/attestations"
BLINDED = "/eth/v1/beacon/blinded_blocks"
TARGET = sha256(b"target").digest()


@dataclass(frozen=True)
class AttestationGateTimes:
    """One request's way there and back, in milliseconds, its blocks verified and the beacon node taking no time.

    plain: through a proxy that only passes bytes. gate: through the gate, the blocks behind the roots known to it.
    first: through the gate, which has to ask the beacon node for the head's block first. added: gate less plain, pair
    by pair. Everything runs in one process, so the absolute times are those of all three ends together.
    """

    request: str
    plain_p50: float
    plain_p99: float
    gate_p50: float
    gate_p99: float
    added_p50: float
    added_p99: float
    first_p50: float
    first_p99: float


class _Deaf:
    """An observer to whom nothing matters."""

    def notify(self, event: Event) -> None:
        """As Observer."""


async def attestation_gate_times(runs: int) -> list[AttestationGateTimes]:
    """Of what a validator client asks for each attestation, and of what it sends."""
    chain = _Verified()
    node = _Node()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        beacon_node = await stack.enter_async_context(_served(node.application()))
        plain = await stack.enter_async_context(_served(_plain(session, beacon_node)))
        gate = await stack.enter_async_context(serve_beacon_gate(beacon_node, GateMode.EVERY_BLOCK, chain, _Deaf()))
        return [
            await _times(session, node, plain, gate, method, path, runs * SAMPLES)
            for method, path in (("GET", DATA), ("POST", POOL))
        ]


async def _times(
    session: ClientSession, node: "_Node", plain: str, gate: str, method: str, path: str, samples: int
) -> AttestationGateTimes:
    taken: dict[str, list[float]] = {"plain": [], "first": [], "gate": []}
    for _ in range(WARM_UP + samples):
        node.new_head()
        body = node.attestations() if method == "POST" else None
        headers = {"Content-Type": "application/json"} if body else {}
        for way, url in (("plain", plain), ("first", gate), ("gate", gate)):
            started = time.perf_counter()
            async with session.request(method, f"{url}{path}", data=body, headers=headers) as response:
                answer = await response.read()
            taken[way].append((time.perf_counter() - started) * 1000)
            if response.status != 200:
                raise RuntimeError(f"not the answer that was given: {answer[:200]!r}")
    plain_times, first, through = (taken[way][WARM_UP:] for way in ("plain", "first", "gate"))
    added = [ours - theirs for ours, theirs in zip(through, plain_times, strict=True)]
    figures = [percentile(each, part) for each in (plain_times, through, added, first) for part in (0.5, 0.99)]
    return AttestationGateTimes(f"{method} {path.rpartition('/')[2]}", *figures)


class _Verified(FakeChainView):
    """Every block stands."""

    def standing(self, block_hash: bytes) -> StandingReport:
        """As ChainView.standing."""
        return StandingReport(Standing.VERIFIED, block_hash, "", BlockStatus.VERIFIED)


class _Node:
    """A beacon node whose head is whatever it was told last; every root has a block."""

    def __init__(self) -> None:
        self._number = 0

    def new_head(self) -> None:
        """From now on the head is a block that nobody has asked for."""
        self._number += 1

    def data(self) -> dict[str, Any]:
        """AttestationData to this head."""
        head = sha256(f"head {self._number}".encode()).hexdigest()
        checkpoint = {"epoch": "2", "root": f"0x{TARGET.hex()}"}
        return {
            "slot": "65",
            "index": "0",
            "beacon_block_root": f"0x{head}",
            "source": {**checkpoint, "epoch": "1"},
            "target": checkpoint,
        }

    def attestations(self) -> bytes:
        """What a validator client posts for one attestation to this head."""
        signature = f"0x{bytes(96).hex()}"
        return json.dumps([{"aggregation_bits": "0x0101", "data": self.data(), "signature": signature}]).encode()

    def application(self) -> web.Application:
        """The server."""

        async def block(request: web.Request) -> web.Response:
            # As long as a blinded block with its attestations is: the gate reads all of it.
            header = {"block_hash": request.match_info["root"], "padding": "0x" + "00" * 10_000}
            return web.json_response({"data": {"message": {"body": {"execution_payload_header": header}}}})

        async def data(_request: web.Request) -> web.Response:
            return web.json_response({"data": self.data()})

        async def pool(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        application = web.Application()
        application.add_routes([web.get(BLINDED + "/{root}", block), web.get(DATA, data), web.post(POOL, pool)])
        return application


@asynccontextmanager
async def _served(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _plain(session: ClientSession, node: str) -> web.Application:
    """A proxy that looks at nothing."""

    async def serve(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"Content-Type": request.content_type}
        async with session.request(request.method, f"{node}{request.path_qs}", data=body, headers=headers) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    return application
