"""The execution client behind the engine gate: reached, authenticated, known, and able to give witnesses."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from verifier.configuration.sections import Configuration, WitnessSource
from verifier.errors import JwtSecretError
from verifier.executors.jwt import read_secret
from verifier.executors.stateful.lineage import lineage_of

from .clock import check_clock
from .embedded import check_embedded
from .finding import Finding, fail, ok, warn
from .peer import MethodError, Peer, PeerError, one_line

SUBJECT = "execution client"
WITNESS_CALL = "engine_newPayloadWithWitnessV"
DEBUG_CALL = "debug_executionWitness"


async def check_execution(session: aiohttp.ClientSession, values: Configuration) -> AsyncIterator[Finding]:
    """Findings on [execution]. Nothing is yielded of the Engine API where its secret cannot be read."""
    execution = values.execution
    offered: list[str] = []
    chain_id = None
    if execution.jwt_secret_file is not None:
        try:
            engine = Peer(session, execution.url, read_secret(execution.jwt_secret_file))
        except JwtSecretError:
            return  # said of the secrets
        try:
            answer = await engine.call("engine_exchangeCapabilities", [])
        except PeerError as error:
            yield _unreached(error)
            return
        offered = [str(each) for each in answer.document] if isinstance(answer.document, list) else []
        yield ok(SUBJECT, f"{engine.shown} answers and accepts the secret")
        for finding in check_clock(SUBJECT, answer.ahead):
            yield finding
        async for finding in _kind(engine, execution.lineage):
            yield finding
        chain_id = await _value(engine, "eth_chainId")
        if await _value(engine, "eth_syncing") not in (False, None):
            yield warn(SUBJECT, "it is syncing: nothing can be judged until it has caught up", "wait")
    rpc = None if execution.rpc_url is None else Peer(session, execution.rpc_url)
    if rpc is not None:
        try:
            own_id = (await rpc.call("eth_chainId")).document
        except PeerError as error:
            yield fail("execution client, RPC", str(error), "see [execution] rpc_url, and its --http flags")
            return
        if chain_id is not None and own_id != chain_id:
            text = f"{rpc.shown} is of chain {_number(own_id)}, its Engine API of chain {_number(chain_id)}"
            yield fail("execution client, RPC", text, "point [execution] rpc_url at the same client")
            return
        yield ok("execution client, RPC", f"{rpc.shown} answers, chain {_number(own_id)}")
    elif chain_id is not None:
        yield ok(SUBJECT, f"chain {_number(chain_id)}")
    debug = rpc or (engine if execution.jwt_secret_file is not None else None)
    async for finding in _witnesses(values, offered, debug):
        yield finding


def _unreached(error: PeerError) -> Finding:
    if error.refused:
        remedy = "start both with the same secret file; if they have it, compare the clocks (60 s are tolerated)"
        return fail(SUBJECT, f"it refuses our token: {error}", remedy)
    return fail(SUBJECT, str(error), "start it with its authenticated RPC there (geth: --authrpc.addr, --authrpc.port)")


async def _kind(engine: Peer, configured: str | None) -> AsyncIterator[Finding]:
    """Which client it is, and whether that is of the configured lineage."""
    code, name = "", ""
    try:
        document = (await engine.call("engine_getClientVersionV1", OURS)).document
        first = document[0] if isinstance(document, list) and document else {}
        if isinstance(first, dict):
            code, name = str(first.get("code", "")), one_line(f"{first.get('name')} {first.get('version')}")
    except PeerError:
        name = one_line(await _value(engine, "web3_clientVersion") or "")
    lineage = lineage_of(code)
    if lineage is None:
        text = f"{name or 'it does not say what it is'}: of no lineage that this verifier knows"
        yield warn(SUBJECT, text, f"see that [execution] lineage = {configured!r} is the EVM inside it")
    elif lineage != configured:
        text = f"{name} is of lineage {lineage}, [execution] lineage says {configured}: its vote would count wrongly"
        yield fail(SUBJECT, text, f'set lineage = "{lineage}"')
    else:
        yield ok(SUBJECT, f"{name}, lineage {lineage}")


# Whom we say we are: calls of this method name the caller (execution-apis `engine/identification.md`).
OURS: dict[str, Any] = {"code": "EV", "name": "execution-verifier", "version": "0", "commit": "0x00000000"}


async def _witnesses(values: Configuration, offered: list[str], debug: Peer | None) -> AsyncIterator[Finding]:
    source = values.execution.witness
    by_engine = any(name.startswith(WITNESS_CALL) for name in offered)
    by_debug, why = False, f"no [execution] rpc_url to ask {DEBUG_CALL} of"
    if debug is not None:
        by_debug, why = await _has_debug(debug)
    had = [name for name, there in (("engine", by_engine), ("debug", by_debug)) if there]
    if values.chain.genesis is not None:
        had.append("embedded")
    remedy = "geth: --http --http.api eth,debug and [execution] rpc_url; else a client that has it, see docs/sidecar.md"
    if source is WitnessSource.AUTO and not had:
        yield fail("witnesses", f"the client has neither {WITNESS_CALL}… nor {DEBUG_CALL} ({why})", remedy)
    elif source is not WitnessSource.AUTO and source not in had:
        yield fail(
            "witnesses", f'witness = "{source}", which is not there; there are: {", ".join(had) or "none"}', remedy
        )
    elif source is WitnessSource.EMBEDDED:
        yield ok("witnesses", "by embedded, which executes every block itself")
    elif "debug" not in had and not (source is WitnessSource.AUTO and "embedded" in had):
        text = f"by {had[0]}; without {DEBUG_CALL} blocks that were missed cannot be caught up ({why})"
        yield warn("witnesses", text, remedy)
    else:
        yield ok("witnesses", f"by {', '.join(had)}")
    if debug is not None and "embedded" in had and (source is WitnessSource.EMBEDDED or had == ["embedded"]):
        async for finding in check_embedded(values, debug):
            yield finding


async def _has_debug(peer: Peer) -> tuple[bool, str]:
    """Whether the method is there; and else why not. Asked for a block that no chain has: nothing is executed."""
    try:
        await peer.call(DEBUG_CALL, hex(2**62))
    except MethodError as error:
        return not error.absent, str(error)
    except PeerError as error:
        return False, str(error)
    return True, ""


async def _value(peer: Peer, method: str) -> Any:
    try:
        return (await peer.call(method)).document
    except PeerError:
        return None


def _number(value: Any) -> str:
    try:
        return str(int(value, 16))
    except (TypeError, ValueError):
        return one_line(value)
