"""newPayload: forwarded at once, handed over to be judged, and its answer held.

The execution goes on whatever becomes of the caller: its answer reaches the judge also when nobody waits any more.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, Observer, PayloadExecuted, PayloadReceived
from verifier.domain.gate import EngineAnswer, PayloadStatus
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus, ExecutorStatus
from verifier.executors.stateless.messages import one_line
from verifier.services.chain_view import PayloadJudge
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.formats.engine_payload import EnginePayload, decode_engine_payload
from witness.model import BlockWitness, Header

from .block_witness import block_witness
from .capabilities import Capabilities
from .errors import EngineApiError
from .execution_client import EngineApi
from .forwarding import Forwarding, Heard
from .hold import Asked, Hold
from .messages import (
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    Call,
    Finish,
    encode_error,
    encode_failure,
    encode_result,
    error_code,
    parse_answer,
    ready,
    with_method,
)
from .payload_status import hash_field, parse_payload_status, payload_status_object

# Seconds that an execution waits for an earlier one of the same payload, whose answer brings the witness: the client
# answers both at about the same time, unless the earlier connection is broken.
EARLIER_TIMEOUT = 2.0
FAILED = "the verifier failed: see its log"
NO_ANSWER = "the execution client's answer is no payload status"
OWN_DAMAGE = "missing trie node"  # geth, trie.MissingNodeError, also in clients that began as geth
OTHER_BLOCK = "the execution client says VALID, with another latestValidHash than the payload's own"


class NewPayloads:
    """Takes every newPayload. at_once: whether a block with this timestamp (seconds) is judged as soon as it comes.

    If not, it is forwarded without asking for its witness; whoever judges it later fetches that. chain_config:
    geth-genesis config JSON, of the chain that the execution client is on.
    """

    def __init__(
        self,
        client: EngineApi,
        capabilities: Capabilities,
        judge: PayloadJudge,
        hold: Hold,
        observer: Observer,
        chain_config: bytes,
        at_once: Callable[[int], bool],
    ) -> None:
        self._client = client
        self._capabilities = capabilities
        self._judge = judge
        self._hold = hold
        self._observer = observer
        self._chain_config = chain_config
        self._chain_id = parse_chain_config(chain_config).chain_id
        self._at_once = at_once
        self._forwarding = Forwarding(hold)
        self._told: dict[bytes, asyncio.Future[ExecutorStatus | None]] = {}

    async def begin(self, call: Call, arrival: float) -> Finish:
        """Forwards the call; returns once the client has answered, or at the deadline. The rest gives our answer."""
        payload = _payload(call)
        stated, parent = hash_field(payload, "blockHash"), hash_field(payload, "parentHash")
        asked = Asked(call.method, stated, arrival, arrival + self._hold.policy.payload(call.version))
        invalid = await self._sticky(call, asked, stated, parent)
        if invalid is not None:
            return ready(_encode(call, invalid, None))
        return await self._forwarding.begin(asked, self._execute(call, stated), partial(_encode, call))

    async def close(self) -> None:
        """Ends what is under way."""
        await self._forwarding.close()

    async def _sticky(
        self, call: Call, asked: Asked, stated: bytes | None, parent: bytes | None
    ) -> EngineAnswer | None:
        """INVALID where the block stands so, or its parent does: then it is not forwarded at all."""
        if not self._hold.gates or stated is None or parent is None:
            return None
        report = self._hold.standing(stated)
        if report.standing is Standing.INVALID:
            return self._hold.sticky(asked, report, stated)
        above = self._hold.standing(parent)
        if above.standing is not Standing.INVALID:
            return None
        found = await asyncio.to_thread(_decode, call)
        if isinstance(found, str) or found.misfit:
            return None  # not the block that it says: the execution client answers, and no VALID gets out
        self._receive(found)
        return self._hold.sticky(asked, above, parent)

    async def _execute(self, call: Call, stated: bytes | None) -> Heard:
        """Asks the execution client and hands over what it says. Raises nothing."""
        started = asyncio.get_running_loop().time()
        asking = asyncio.create_task(self._ask(call))
        told: asyncio.Future[ExecutorStatus | None] = asyncio.get_running_loop().create_future()
        earlier = self._told.get(stated) if stated else None
        if stated:
            self._told[stated] = told
        said: ExecutorStatus | None = None
        try:
            found = await asyncio.to_thread(_decode, call)  # while the client is executing
            unknown = found if isinstance(found, str) else found.misfit
            if isinstance(found, EnginePayload) and not unknown:
                self._receive(found)
            heard, witness = await asking
            if heard.status is not None and not unknown:
                refused = self._no_word(call, heard.status, stated)
                if refused is not None:
                    return refused if self._hold.gates else heard
            if heard.status is None or isinstance(found, str) or unknown:
                return Heard(heard.status, heard.result, heard.refusal, heard.reason, unknown)
            seconds = asyncio.get_running_loop().time() - started
            if await _settled(earlier) is ExecutorStatus.VALID and heard.status.status is ExecutorStatus.VALID:
                return heard  # the same payload, executed for another call
            said = await self._executed(found, heard.status, witness, seconds)
            return heard
        except Exception as error:
            self._alarm("gate_failed", f"{type(error).__name__}: {error}")
            return Heard(refusal=encode_error(call, SERVER_ERROR, FAILED), reason=FAILED)
        finally:
            asking.cancel()
            told.set_result(said)
            if stated and self._told.get(stated) is told:
                del self._told[stated]

    async def _ask(self, call: Call) -> tuple[Heard, Any]:
        """The execution client's answer, and the witness if one is in it."""
        method = None
        if not call.wants_witness and call.version is not None and self._at_once(_timestamp(call)):
            method = self._capabilities.witness_method(call.version)
        try:
            answer = parse_answer(await self._client.exchange(with_method(call, method) if method else call.raw))
            if method and answer is not None and error_code(answer) == METHOD_NOT_FOUND:
                self._capabilities.lacks(method)
                answer = parse_answer(await self._client.exchange(call.raw))
        except EngineApiError as error:
            self._capabilities.lost(error)
            return Heard(refusal=encode_error(call, SERVER_ERROR, str(error)), reason=str(error)), None
        if answer is not None and isinstance(answer.get("error"), dict):
            return Heard(
                refusal=encode_failure(call, answer["error"]), reason=str(answer["error"].get("message"))
            ), None
        status = None if answer is None else parse_payload_status(answer.get("result"))
        if answer is None or status is None:
            self._alarm("execution_client_garbage", f"{call.method}: {NO_ANSWER}")
            return Heard(refusal=encode_error(call, SERVER_ERROR, NO_ANSWER), reason=NO_ANSWER), None
        result = answer["result"]
        witness = result.get("witness") if call.wants_witness else result.pop("witness", None)
        return Heard(status, result), witness

    def _no_word(self, call: Call, status: PayloadStatus, stated: bytes | None) -> Heard | None:
        """What to answer where the client's answer says nothing about the block, None where it does.

        VALID names the payload's own hash (paris.md, `latestValidHash`). INVALID that comes of the client's own damage
        would be kept for good, for the block and all above it.
        """
        said = status.validation_error or ""
        if status.status is ExecutorStatus.VALID and status.latest_valid_hash not in (None, stated):
            reason = OTHER_BLOCK
            self._alarm("execution_client_garbage", f"{call.method}: {reason}")
        elif status.status is ExecutorStatus.INVALID and OWN_DAMAGE in said:
            reason = f"the execution client lacks data: {one_line(said)}"
            self._alarm("execution_client_damaged", f"{call.method}: {reason}")
        else:
            return None
        return Heard(refusal=encode_error(call, SERVER_ERROR, reason), reason=reason)

    async def _executed(
        self, payload: EnginePayload, status: PayloadStatus, witness: Any, seconds: float
    ) -> ExecutorStatus | None:
        found = await self._witness(payload, witness)
        header, word = payload.header, status.status
        self._observer.notify(PayloadExecuted(self._reference(header), word, seconds, with_witness=found is not None))
        if word not in (ExecutorStatus.VALID, ExecutorStatus.INVALID):
            return None
        detail = one_line(status.validation_error or "")  # it is kept with the block and all its descendants
        if word is ExecutorStatus.INVALID and self._hold.standing(header.hash).own is BlockStatus.VERIFIED:
            text = f"the execution client says INVALID of block {self._reference(header)}, which others attested"
            self._alarm("execution_client_contradicts", f"{text}: {detail}")
        try:
            self._judge.executed(header, found, valid=word is ExecutorStatus.VALID, detail=detail)
        except Exception as error:
            self._alarm("gate_failed", f"{type(error).__name__}: {error}")
            return None
        return word

    async def _witness(self, payload: EnginePayload, witness: Any) -> BlockWitness | None:
        if witness is None:
            return None
        client = self._capabilities.version
        try:
            return await asyncio.to_thread(block_witness, payload, witness, self._chain_config, client)
        except WitnessError as error:
            self._alarm("witness_unreadable", f"of block {self._reference(payload.header)}: {error}")
            return None

    def _receive(self, payload: EnginePayload) -> None:
        header = payload.header
        if self._hold.standing(header.hash).own is None:
            self._observer.notify(PayloadReceived(self._reference(header), payload.transactions, header.gas_used))
        try:
            self._judge.receive(payload.block, header)
        except Exception as error:
            self._alarm("gate_failed", f"{type(error).__name__}: {error}")

    def _reference(self, header: Header) -> BlockReference:
        return BlockReference(self._chain_id, header.number, header.hash)

    def _alarm(self, name: str, text: str) -> None:
        self._observer.notify(Alarm(name, text))


def _decode(call: Call) -> EnginePayload | str:
    """The block that the call means, or why there is none."""
    try:
        return decode_engine_payload(call.version or 0, call.params)
    except Exception as error:  # whatever it is: the call is forwarded, and its block cannot be judged
        return f"the payload cannot be read: {error}"


async def _settled(earlier: "asyncio.Future[ExecutorStatus | None] | None") -> ExecutorStatus | None:
    """What an earlier execution of the same payload has handed over, None if nothing or not soon."""
    if earlier is None:
        return None
    await asyncio.wait({earlier}, timeout=EARLIER_TIMEOUT)
    return earlier.result() if earlier.done() else None


def _payload(call: Call) -> dict[str, Any]:
    first = call.params[0] if isinstance(call.params, list) and call.params else None
    return first if isinstance(first, dict) else {}


def _timestamp(call: Call) -> int:
    value = _payload(call).get("timestamp")
    try:
        return int(value, 16) if isinstance(value, str) else 0
    except ValueError:
        return 0


def _encode(call: Call, answer: EngineAnswer, heard: Heard | None) -> bytes:
    if answer.payload is None:
        return encode_error(call, SERVER_ERROR, answer.reason)
    if heard is not None and answer.payload is heard.status:
        return encode_result(call, heard.result)
    return encode_result(call, payload_status_object(answer.payload))
