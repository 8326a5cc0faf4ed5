"""What the gate adds to a payload's way, beside a proxy that only passes bytes: measured side by side, in one run."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from aiohttp import ClientSession, web

from verifier.domain.event import Event
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus
from verifier.executors.jwt import encode_token
from verifier.services.benchmark.measurement import percentile
from verifier.services.chain_view import ChainView, FakeChainView, FakePayloadJudge, PayloadJudge
from witness.errors import WitnessFormatError
from witness.file import map_witness_file
from witness.formats.engine_payload import engine_parameters
from witness.formats.geth_rlp import encode_witness_rlp
from witness.model import BlockWitness

from .capabilities import CLIENT_VERSION
from .execution_client import EngineApi
from .gate import EngineGate
from .hold import HoldPolicy
from .messages import CAPABILITIES, PAYLOAD, WITH_WITNESS
from .proxy import LOOPBACK, MAX_BODY, EngineProxy

WARM_UP = 5  # payloads before the counted ones
SAMPLES = 10  # payloads for each run that is asked for: a 99th percentile needs many


@dataclass(frozen=True)
class GateTimes:
    """One payload's way there and back, in milliseconds, its execution taking none; sizes in bytes, as JSON.

    plain: through a proxy that only passes bytes. gate: through the gate, its block decided as soon as it is executed.
    witness: the same with the witness in the execution client's answer. added: gate less plain, pair by pair.
    """

    number: int
    payload_size: int
    witness_size: int
    plain_p50: float
    plain_p99: float
    gate_p50: float
    gate_p99: float
    added_p50: float
    added_p99: float
    witness_p50: float
    witness_p99: float


class _Deaf:
    """An observer to whom nothing matters."""

    def notify(self, event: Event) -> None:
        """As Observer."""


async def gate_times(files: Sequence[Path], runs: int) -> list[GateTimes]:
    """Each witness file's block as a payload. Left out: blocks before Paris, and those with requests, which the file
    does not hold. Everything runs in this process, so the absolute times are those of all four ends together.
    """
    return [times for path in files if (times := await _times(map_witness_file(path), runs * SAMPLES)) is not None]


async def _times(content: BlockWitness, samples: int) -> GateTimes | None:
    try:
        version, parameters = engine_parameters(content.block)
    except WitnessFormatError:
        return None
    method = f"{PAYLOAD}V{version}"
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    status = {"status": "VALID", "latestValidHash": f"0x{content.hash.hex()}", "validationError": None}
    witness = f"0x{encode_witness_rlp(content.witness).hex()}"
    answers = {
        method: json.dumps({"jsonrpc": "2.0", "id": 1, "result": status}).encode(),
        f"{PAYLOAD}{WITH_WITNESS}V{version}": json.dumps(
            {"jsonrpc": "2.0", "id": 1, "result": {**status, "witness": witness}}
        ).encode(),
    }
    chain, judge = FakeChainView(), FakePayloadJudge()
    verified = StandingReport(Standing.VERIFIED, content.hash, "", BlockStatus.VERIFIED)
    judge.on_executed = lambda header: chain.decide(header.hash, verified)
    secret = secrets.token_bytes(32)
    config = bytes(content.chain_config)
    taken: dict[str, list[float]] = {"plain": [], "gate": [], "witness": []}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        executor = await stack.enter_async_context(_served(_executor(answers)))
        urls = {
            "plain": await stack.enter_async_context(_served(_plain(session, executor))),
            "gate": await stack.enter_async_context(_gate(executor, secret, judge, chain, config, judged=False)),
            "witness": await stack.enter_async_context(_gate(executor, secret, judge, chain, config, judged=True)),
        }
        token = {"Authorization": f"Bearer {encode_token(secret, int(time.time()))}"}
        for _ in range(WARM_UP + samples):
            for way, url in urls.items():
                chain.reports.clear()
                judge.executions.clear()
                started = time.perf_counter()
                async with session.post(url, data=BytesIO(request), headers=token) as response:
                    answer = await response.read()
                taken[way].append((time.perf_counter() - started) * 1000)
                if json.loads(answer)["result"] != status:
                    raise RuntimeError(f"not the answer that was given: {answer[:200]!r}")
    plain, gate, with_witness = (taken[way][WARM_UP:] for way in ("plain", "gate", "witness"))
    added = [ours - theirs for ours, theirs in zip(gate, plain, strict=True)]
    percentiles = [percentile(each, part) for each in (plain, gate, added, with_witness) for part in (0.5, 0.99)]
    return GateTimes(content.number, len(request), len(witness), *percentiles)


@asynccontextmanager
async def _served(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _gate(
    executor: str, secret: bytes, judge: PayloadJudge, chain: ChainView, chain_config: bytes, *, judged: bool
) -> AsyncIterator[str]:
    client = EngineApi(executor, secret)
    gate = EngineGate(
        client,
        judge,
        chain,
        _Deaf(),
        policy=HoldPolicy(),
        chain_config=chain_config,
        at_once=lambda _: judged,
    )
    proxy = EngineProxy(gate, secret)
    await proxy.start()
    try:
        await gate.capabilities.answered()
        yield proxy.url
    finally:
        await proxy.close()
        await client.close()


def _executor(answers: dict[str, bytes]) -> web.Application:
    """An execution client that knows every answer beforehand."""
    known = {
        CAPABILITIES: json.dumps({"jsonrpc": "2.0", "id": 1, "result": list(answers)}).encode(),
        CLIENT_VERSION: b'{"jsonrpc":"2.0","id":1,"result":[]}',
        **answers,
    }

    async def serve(request: web.Request) -> web.Response:
        body = await request.read()
        method = next(each for each in known if f'"{each}"'.encode() in body)
        return web.Response(body=known[method], content_type="application/json")

    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_post("/", serve)
    return application


def _plain(session: ClientSession, executor: str) -> web.Application:
    """A proxy that looks at nothing."""

    async def serve(request: web.Request) -> web.Response:
        headers = {"Authorization": request.headers["Authorization"]}
        async with session.post(executor, data=BytesIO(await request.read()), headers=headers) as response:
            return web.Response(body=await response.read(), content_type="application/json")

    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_post("/", serve)
    return application
