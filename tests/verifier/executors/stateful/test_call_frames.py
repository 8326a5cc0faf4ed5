"""Accounts followed from call to call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.executors.stateful.call_frames import UNKNOWN, CallFrames, Frame
from verifier.executors.stateful.struct_log import LoggedStep, MalformedTraceError

A, B, C = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20
PUSH, CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2 = 0x60, 0xF1, 0xF2, 0xF4, 0xFA, 0xF0, 0xF5


def step(depth: int, op: int = PUSH, *top_first: bytes) -> LoggedStep:
    return LoggedStep(depth, 0, op, 100, b"".join(word.rjust(32, b"\0") for word in reversed(top_first)), 3, "")


def follow(*steps: LoggedStep) -> list[Frame]:
    frames = CallFrames(Frame(A, A))
    return [frames.follow(each) for each in steps]


@pytest.mark.parametrize(
    ("op", "frame"),
    [(CALL, Frame(B, B)), (STATICCALL, Frame(B, B)), (CALLCODE, Frame(A, B)), (DELEGATECALL, Frame(A, B))],
)
def test_each_kind_of_call(op: int, frame: Frame) -> None:
    assert follow(step(1), step(1, op, b"\x05", B), step(2), step(1)) == [Frame(A, A), Frame(A, A), frame, Frame(A, A)]


def test_a_delegate_calls_on_in_its_callers_name() -> None:
    frames = follow(step(1, CALL, b"", B), step(2, DELEGATECALL, b"", C), step(3, DELEGATECALL, b"", A), step(4))
    assert frames[2:] == [Frame(B, C), Frame(B, A)]


@pytest.mark.parametrize("op", [CREATE, CREATE2])
def test_a_creation_has_an_unknown_account_and_its_code_a_length(op: int) -> None:
    frames = follow(step(1, op, b"\x01", b"\x02", b"\x07", b"\x09"), step(2), step(2, CALL, b"", B), step(3), step(1))
    assert frames[1:] == [Frame(UNKNOWN, b"", 7), Frame(UNKNOWN, b"", 7), Frame(B, B), Frame(A, A)]


def test_calls_one_after_the_other_and_returns_of_several_at_once() -> None:
    frames = follow(
        step(1, CALL, b"", B), step(2), step(1, CALL, b"", C), step(2, CALL, b"", B), step(3), step(1), step(1)
    )
    assert [frame.account for frame in frames] == [A, B, A, C, B, A, A]


@pytest.mark.parametrize(
    "steps",
    [
        (step(2),),
        (step(1), step(2)),
        (step(1, CALL, b"", B), step(3)),
        (step(1, CALL, b"\x01"), step(2)),
        (step(1, CREATE, b"\x01", b"\x02"), step(2)),
    ],
)
def test_what_no_call_leads_to(steps: tuple[LoggedStep, ...]) -> None:
    with pytest.raises(MalformedTraceError):
        follow(*steps)


STEPS = st.builds(
    step, st.integers(1, 5), st.sampled_from([PUSH, CALL, CREATE, DELEGATECALL]), *([st.sampled_from([b"", A, B])] * 3)
)


@given(st.lists(STEPS))
def test_any_sequence_is_followed_or_refused(steps: list[LoggedStep]) -> None:
    frames = CallFrames(Frame(A, A))
    for each in steps:
        try:
            frame = frames.follow(each)
        except MalformedTraceError:
            return
        assert len(frame.account) in (0, 20)
