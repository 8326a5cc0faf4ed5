"""Payloads back to back through both gates, validator clients asking all the while: how long, and how much memory."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from verifier.demo.beacon_node import BeaconNode
from verifier.domain.gate import GateMode
from verifier.executors.jwt import encode_token
from verifier.load.execution_client import KnownAnswers
from verifier.load.process import MIB, SidecarProcess, sidecar_process
from verifier.load.repeated_block import RepeatedBlock
from verifier.services.benchmark.measurement import percentile
from witness.header import decode_header

PAYLOADS, CLIENTS = 1000, 50
POLL_INTERVAL = 0.5  # seconds between one validator client's requests: it asks some times a slot, not all the time
WATCH_INTERVAL = 0.25  # seconds between two looks at the queue and the memory
MARKS = (0.1, 0.5, 1.0)  # of the payloads, after which the memory is read
DRAIN_TIMEOUT = 600.0  # seconds for what is still to be judged after the last payload, on two busy cores
UNDER_WAY = "verifier_blocks_under_way"
ZERO_HASH = f"0x{bytes(32).hex()}"


@dataclass(frozen=True)
class LoadFigures:
    """One run. Latencies in milliseconds as the clients saw them, memory in MiB of the sidecar's process alone.

    gate: the mode; in monitor nothing is held, so that payloads come as fast as they can be passed on. attested:
    payloads that were answered VALID, duties: requests for attestation data, refused: those answered 503. memory:
    payloads so far → resident; drained: after the last vote. waiting: most blocks that waited for their turn, and
    waiting_held the most MiB that they held; judging: most blocks at the adapters. cpu: milliseconds of the sidecar's
    processor time a payload, duties included.
    """

    gate: str
    payloads: int
    clients: int
    payload_size: int
    witness_size: int
    seconds: float
    attested: int
    payload_p50: float
    payload_p90: float
    payload_p99: float
    payload_max: float
    duties: int
    refused: int
    duty_p50: float
    duty_p90: float
    duty_p99: float
    duty_max: float
    memory: dict[int, float]
    peak: float
    drained: float
    waiting: int
    waiting_held: float
    judging: int
    cpu: float


@dataclass
class _Measured:
    """What a run has seen so far. Times in milliseconds."""

    payloads: list[float] = field(default_factory=list)
    duties: list[float] = field(default_factory=list)
    attested: int = 0
    refused: int = 0
    memory: dict[int, float] = field(default_factory=dict)
    peak: float = 0.0
    waiting: int = 0
    waiting_held: float = 0.0
    judging: int = 0


async def load_figures(
    repeated: RepeatedBlock,
    scratch: Path,
    live: Sequence[str],
    gate: GateMode,
    *,
    payloads: int = PAYLOADS,
    clients: int = CLIENTS,
) -> LoadFigures:
    """One run with repetitions of a block. scratch: a directory of its own, best in memory. live: adapters' names.

    Raises SidecarProcessError.
    """
    answers = KnownAnswers(repeated, payloads)
    header = decode_header(repeated.parent)
    beacon = BeaconNode(header.timestamp)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        sidecar = await stack.enter_async_context(
            sidecar_process(
                scratch,
                session,
                execution_url=await _serve(stack, answers.application()),
                beacon_url=await _serve(stack, beacon.application()),
                checkpoint=header.hash,
                gate=gate,
                live=live,
            )
        )
        measured, started, cpu = _Measured(), time.perf_counter(), sidecar.cpu
        background = [asyncio.create_task(_watch(sidecar, measured))]
        background += [asyncio.create_task(_poll(sidecar, beacon, measured, at / clients)) for at in range(clients)]
        try:
            await _propose(sidecar, beacon, repeated, payloads, measured)
            seconds = time.perf_counter() - started
            await _drain(sidecar, payloads)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        return LoadFigures(
            gate=str(gate),
            payloads=payloads,
            clients=clients,
            payload_size=len(repeated.repetition(0).request),
            witness_size=answers.witness_size,
            seconds=seconds,
            attested=measured.attested,
            **_spread("payload", measured.payloads),
            duties=len(measured.duties),
            refused=measured.refused,
            **_spread("duty", measured.duties),
            memory=measured.memory,
            peak=measured.peak,
            drained=sidecar.memory,
            waiting=measured.waiting,
            waiting_held=measured.waiting_held,
            judging=measured.judging,
            cpu=(sidecar.cpu - cpu) * 1000 / payloads,
        )


async def _propose(
    sidecar: SidecarProcess, beacon: BeaconNode, repeated: RepeatedBlock, payloads: int, measured: _Measured
) -> None:
    """newPayload and forkchoiceUpdated for one block after the other, as fast as they are answered."""
    marks = {max(1, round(part * payloads)) for part in MARKS}
    for number in range(payloads):
        each = repeated.repetition(number)
        beacon.add(number + 1, each.hash)  # whoever attests waits for the verdict
        with _timed(measured.payloads):
            answer = await _ask(sidecar, each.request)
        measured.attested += b'"VALID"' in answer
        await _ask(sidecar, _choice(each.hash))
        if number + 1 in marks:
            measured.memory[number + 1] = sidecar.memory


def _choice(head: bytes) -> bytes:
    state = {"headBlockHash": f"0x{head.hex()}", "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH}
    call = {"jsonrpc": "2.0", "id": 1, "method": "engine_forkchoiceUpdatedV2", "params": [state, None]}
    return json.dumps(call).encode()


async def _ask(sidecar: SidecarProcess, request: bytes) -> bytes:
    headers = {
        "Authorization": f"Bearer {encode_token(sidecar.secret, int(time.time()))}",
        "Content-Type": "application/json",
    }
    async with sidecar.session.post(sidecar.engine, data=request, headers=headers) as response:
        return await response.read()


async def _poll(sidecar: SidecarProcess, beacon: BeaconNode, measured: _Measured, offset: float) -> None:
    """One validator client. offset: of the interval, so that they do not all come at once."""
    await asyncio.sleep(offset * POLL_INTERVAL)
    while True:
        url = f"{sidecar.beacon}/eth/v1/validator/attestation_data?slot={beacon.head.slot}&committee_index=0"
        with _timed(measured.duties):
            async with sidecar.session.get(url) as response:
                await response.read()
        measured.refused += response.status != 200
        await asyncio.sleep(POLL_INTERVAL)


async def _watch(sidecar: SidecarProcess, measured: _Measured) -> None:
    while True:
        measured.peak = max(measured.peak, sidecar.memory)
        metrics = await sidecar.metrics()
        measured.waiting = max(measured.waiting, int(metrics.total(UNDER_WAY, stage="waiting")))
        measured.judging = max(measured.judging, int(metrics.total(UNDER_WAY, stage="judging")))
        measured.waiting_held = max(measured.waiting_held, metrics.total("verifier_waiting_bytes") / MIB)
        await asyncio.sleep(WATCH_INTERVAL)


async def _drain(sidecar: SidecarProcess, payloads: int) -> None:
    async with asyncio.timeout(DRAIN_TIMEOUT):
        while True:
            metrics = await sidecar.metrics()
            if metrics.total("verifier_verdicts_total") >= payloads and not metrics.total(UNDER_WAY):
                return
            await asyncio.sleep(WATCH_INTERVAL)


async def _serve(stack: AsyncExitStack, application: web.Application) -> str:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    values = values or [0.0]
    figures = {f"{name}_p{round(part * 100)}": percentile(values, part) for part in (0.5, 0.9, 0.99)}
    return figures | {f"{name}_max": max(values)}


@contextmanager
def _timed(samples: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    samples.append((time.perf_counter() - started) * 1000)
