"""forkchoiceUpdated: never forwarded to an invalid head; its answer says of the head what newPayload's would."""

from functools import partial

from verifier.domain.event import Alarm, Observer
from verifier.domain.gate import EngineAnswer
from verifier.domain.standing import Standing
from verifier.domain.status import ExecutorStatus
from verifier.services.chain_view import PayloadJudge

from .capabilities import Capabilities
from .errors import EngineApiError
from .execution_client import EngineApi
from .forwarding import Forwarding, Heard
from .hold import Asked, Hold
from .messages import (
    INVALID_FORKCHOICE_STATE,
    SERVER_ERROR,
    Call,
    Finish,
    encode_error,
    encode_failure,
    encode_result,
    parse_answer,
    ready,
)
from .payload_status import hash_field, parse_payload_status, payload_status_object

STATUS, BUILDING = "payloadStatus", "payloadId"
NO_BLOCK = bytes(32)  # the finalized or safe block before there is one
NO_ANSWER = "the execution client's answer is no fork-choice answer"


class ForkchoiceUpdates:
    """Takes every forkchoiceUpdated."""

    def __init__(
        self, client: EngineApi, capabilities: Capabilities, judge: PayloadJudge, hold: Hold, observer: Observer
    ) -> None:
        self._client = client
        self._capabilities = capabilities
        self._judge = judge
        self._hold = hold
        self._observer = observer
        self._forwarding = Forwarding(hold)

    async def begin(self, call: Call, arrival: float) -> Finish:
        """Forwards the call, with its payload attributes; returns once the client has answered, or at the deadline."""
        state = call.params[0] if isinstance(call.params, list) and call.params else None
        state = state if isinstance(state, dict) else {}
        head, safe, finalized = (hash_field(state, f"{name}BlockHash") for name in ("head", "safe", "finalized"))
        asked = Asked(call.method, head, arrival, arrival + self._hold.policy.forkchoice())
        refused = self._refused(call, asked, head, safe, finalized)
        if refused is not None:
            return ready(refused)
        return await self._forwarding.begin(asked, self._update(call, finalized), partial(_encode, call))

    async def close(self) -> None:
        """Ends what is under way."""
        await self._forwarding.close()

    def _refused(
        self, call: Call, asked: Asked, head: bytes | None, safe: bytes | None, finalized: bytes | None
    ) -> bytes | None:
        """The answer to a call that must not reach the execution client.

        A safe or finalized block that is invalid contradicts a head that is not: that is no state of a fork choice.
        """
        if not self._hold.gates:
            return None
        if head is not None:
            report = self._hold.standing(head)
            if report.standing is Standing.INVALID:
                return _encode(call, self._hold.sticky(asked, report, head), None)
        for name, block in (("safe", safe), ("finalized", finalized)):
            if block not in (None, NO_BLOCK) and block is not None:
                report = self._hold.standing(block)
                if report.standing is Standing.INVALID:
                    text = f"the {name} block 0x{block.hex()} is invalid: {report.why}"
                    self._observer.notify(Alarm("invalid_forkchoice_state", text))
                    return encode_error(call, INVALID_FORKCHOICE_STATE, f"Invalid forkchoice state: {text}")
        return None

    async def _update(self, call: Call, finalized: bytes | None) -> Heard:
        """Asks the execution client, and hands over what is final. Raises nothing."""
        try:
            answer = parse_answer(await self._client.exchange(call.raw))
        except EngineApiError as error:
            self._capabilities.lost(error)
            return Heard(refusal=encode_error(call, SERVER_ERROR, str(error)), reason=str(error))
        if answer is not None and isinstance(answer.get("error"), dict):
            return Heard(refusal=encode_failure(call, answer["error"]), reason=str(answer["error"].get("message")))
        result = answer.get("result") if answer is not None else None
        status = parse_payload_status(result.get(STATUS)) if isinstance(result, dict) else None
        if status is None:
            self._observer.notify(Alarm("execution_client_garbage", f"{call.method}: {NO_ANSWER}"))
            return Heard(refusal=encode_error(call, SERVER_ERROR, NO_ANSWER), reason=NO_ANSWER)
        if status.status is ExecutorStatus.VALID and finalized not in (None, NO_BLOCK) and finalized is not None:
            try:
                self._judge.finalized(finalized)
            except Exception as error:
                self._observer.notify(Alarm("gate_failed", f"{type(error).__name__}: {error}"))
        return Heard(status, result)


def _encode(call: Call, answer: EngineAnswer, heard: Heard | None) -> bytes:
    if answer.payload is None:
        return encode_error(call, SERVER_ERROR, answer.reason)
    if heard is not None and answer.payload is heard.status:
        return encode_result(call, heard.result)
    return encode_result(call, {STATUS: payload_status_object(answer.payload), BUILDING: None})
