"""Which account each step belongs to, followed from call to call: structLogs do not tell it."""

from dataclasses import dataclass

from verifier.domain.instruction import ADDRESS
from verifier.domain.trace import WORD

from .struct_log import LoggedStep, MalformedTraceError

CALL, CALLCODE, DELEGATECALL, STATICCALL = 0xF1, 0xF2, 0xF4, 0xFA
CREATE, CREATE2 = 0xF0, 0xF5
CALLED, SIZE = 1, 2  # words from the top: a call's address, a creation's length of its code
UNKNOWN = b""  # the account of a creation inside a transaction: its address depends on a nonce, or on the memory


@dataclass(frozen=True, slots=True)
class Frame:
    """A call. account: 20 bytes, whose storage is used, or UNKNOWN. code: the address that has the code, or b"".

    length: bytes of the code where `code` is b"".
    """

    account: bytes
    code: bytes
    length: int = 0


class CallFrames:
    """The calls of one transaction, from its outermost on."""

    def __init__(self, outermost: Frame) -> None:
        self._outermost = outermost
        self._frames: list[Frame] = []
        self._previous: list[LoggedStep] = []  # the last step in each of them

    def follow(self, step: LoggedStep) -> Frame:
        """The call that the step is in. Raises MalformedTraceError for one that no call leads to."""
        open_frames = len(self._frames)
        if step.depth > open_frames + 1:
            raise MalformedTraceError(f"a step at depth {step.depth} behind one at depth {open_frames}")
        if step.depth == open_frames + 1:
            self._frames.append(self._called() if open_frames else self._outermost)
            self._previous.append(step)
        else:
            del self._frames[step.depth :], self._previous[step.depth :]
            self._previous[-1] = step
        return self._frames[-1]

    def _called(self) -> Frame:
        caller, step = self._frames[-1], self._previous[-1]
        if step.op in (CREATE, CREATE2):
            return Frame(UNKNOWN, b"", int.from_bytes(_word(step, SIZE), "big"))
        if step.op not in (CALL, CALLCODE, DELEGATECALL, STATICCALL):
            raise MalformedTraceError(f"a call after the instruction 0x{step.op:02x}")
        address = _word(step, CALLED)[-ADDRESS:]
        return Frame(address if step.op in (CALL, STATICCALL) else caller.account, address)


def _word(step: LoggedStep, position: int) -> bytes:
    end = len(step.stack) - position * WORD
    if end < WORD:
        raise MalformedTraceError("a call with too few words on the stack")
    return step.stack[end - WORD : end]
