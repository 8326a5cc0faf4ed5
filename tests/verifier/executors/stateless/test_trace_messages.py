"""What an adapter streams, in an order or of a shape that the contract does not know, is no trace."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.executors.stateless.scripted_adapter import END, OUTCOME, START, STEP, STEPS
from verifier.domain.result import BrokenRule, Computed
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.executors.stateless.messages import MalformedAnswerError
from verifier.executors.stateless.trace_messages import TraceReader
from verifier.rpc.v1 import executor_pb2 as pb

BROKEN = pb.TraceEvent(
    outcome=pb.ExecuteResponse(broken_rule=pb.BrokenRule(rule=pb.RULE_TRANSACTION, detail="transaction 0: nonce"))
)


def read(*events: pb.TraceEvent, first: int = 0, count: int = 0) -> tuple[list[TraceItem], TraceReader]:
    reader = TraceReader(first, count)
    return [item for event in events for item in reader.read(event)], reader


def start(index: int) -> pb.TraceEvent:
    return pb.TraceEvent(transaction_start=pb.TransactionStart(index=index, hash=bytes(32)))


def end(index: int, steps: int = 0) -> pb.TraceEvent:
    return pb.TraceEvent(transaction_end=pb.TransactionEnd(index=index, steps=steps))


def step(**fields: object) -> pb.TraceEvent:
    changed = pb.Step()
    changed.CopyFrom(STEP)
    for name, value in fields.items():
        setattr(changed, name, value)
    return pb.TraceEvent(steps=pb.Steps(steps=[changed]))


def test_a_trace_in_order() -> None:
    items, reader = read(START, STEPS, END, OUTCOME)
    one = Step(1, b"\x0a" * 20, 3, 0x60, 100_000, bytes(64), 3)
    assert items == [TransactionStart(0, b"\x09" * 32), one, one, TransactionEnd(0, True, 21_000, 2)]
    assert items[1].gas_cost == 3  # type: ignore[union-attr]
    assert isinstance(reader.outcome, Computed)
    assert reader.adapter_ms == 1.5


def test_the_transactions_asked_for_and_no_others() -> None:
    receipts = [pb.Receipt(logs_hash=bytes(32))] * 9
    outcome = pb.TraceEvent()
    outcome.CopyFrom(OUTCOME)
    del outcome.outcome.computed.receipts[:]
    outcome.outcome.computed.receipts.extend(receipts)
    assert len(read(start(3), end(3), start(4), end(4), outcome, first=3, count=2)[0]) == 4
    assert read(outcome, first=9, count=2)[0] == []
    for events in ((start(3), end(3), outcome), (start(3), end(3), start(4), end(4), start(5))):
        with pytest.raises(MalformedAnswerError):
            read(*events, first=3, count=2)


def test_a_broken_rule_may_leave_a_transaction_without_its_end() -> None:
    for events in ((BROKEN,), (START, BROKEN), (START, STEPS, BROKEN)):
        assert read(*events)[1].outcome == BrokenRule("transaction", "transaction 0: nonce")


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((STEPS,), "steps outside a transaction"),
        ((END,), "transaction 0 ends, and has not started"),
        ((START, START), "transaction 0 starts inside transaction 0"),
        ((start(1),), "transaction 1 starts, transaction 0 expected"),
        ((START, end(1)), "transaction 1 ends, and has not started"),
        ((START, STEPS, STEPS, END), "4 steps came, 2 said"),
        ((START, STEPS, OUTCOME), "computed, but transaction 0 has no end"),
        ((OUTCOME,), "computed, but transaction 0 has not come"),
        ((START, STEPS, END, OUTCOME, START), "an event after the outcome"),
        ((pb.TraceEvent(),), "none of the contract's"),
        ((pb.TraceEvent(outcome=pb.ExecuteResponse()),), "the answer has no outcome"),
        ((pb.TraceEvent(transaction_start=pb.TransactionStart(hash=b"short")),), "a hash of 5 bytes"),
        ((START, step(depth=0)), "at depth 0"),
        ((START, step(depth=1026)), "at depth 1026"),
        ((START, step(account=bytes(21))), "an account of 21 bytes"),
        ((START, step(op=256)), "the operation 256"),
        ((START, step(stack=bytes(33))), "a stack of 33 bytes"),
        ((START, step(stack=bytes(32 * 1025))), "a stack of 32800 bytes"),
    ],
)
def test_what_may_not_stand_there(events: tuple[pb.TraceEvent, ...], reason: str) -> None:
    with pytest.raises(MalformedAnswerError, match=reason):
        read(*events)


def test_bounds_that_are_allowed() -> None:
    items, _ = read(START, step(depth=1025, op=255, stack=bytes(32 * 1024)), step(stack=b""))
    assert len(items) == 3


def test_words_of_a_stack_come_from_the_top() -> None:
    items, _ = read(START, step(stack=b"\1" * 32 + b"\2" * 32))
    assert isinstance(items[1], Step)
    assert items[1].words == (b"\2" * 32, b"\1" * 32)


def test_what_a_client_says_becomes_one_line() -> None:
    items, _ = read(START, step(error="out of\ngas\x1b[31m"))
    assert isinstance(items[1], Step)
    assert items[1].error == "out of gas [31m"


EVENTS: list[Callable[[int], pb.TraceEvent]] = [
    start, end, lambda _: STEPS, lambda _: OUTCOME, lambda _: BROKEN, lambda index: end(index, 2), lambda _: START
]  # fmt: skip


@given(st.lists(st.builds(lambda make, index: make(index), st.sampled_from(EVENTS), st.integers(0, 2)), max_size=8))
def test_whatever_is_read_is_in_order(events: list[pb.TraceEvent]) -> None:
    reader, items = TraceReader(), list[TraceItem]()
    try:
        for event in events:
            items += reader.read(event)
    except MalformedAnswerError:
        pass
    inside, following, steps = False, 0, 0
    for item in items:
        match item:
            case TransactionStart(index=index):
                assert not inside
                assert index == following
                inside, steps = True, 0
            case Step():
                assert inside
                steps += 1
            case TransactionEnd(index=index, steps=said):
                assert inside
                assert (index, said) == (following, steps)
                inside, following = False, following + 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(encoded: bytes) -> None:
    try:
        event = pb.TraceEvent.FromString(encoded)
    except Exception:  # protobuf's own DecodeError: gRPC ends the call there
        return
    reader = TraceReader()
    try:
        reader.read(START)
        reader.read(event)
    except MalformedAnswerError:
        pass
