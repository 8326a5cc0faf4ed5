"""From where traces part to the cause: the last instruction that all have alike."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.test_divergence import BROKEN, COMPUTED, STEP, Script, block, divergence
from verifier.domain.divergence import Divergence
from verifier.domain.localization import Place
from verifier.domain.parting import instruction_of, may_be_inherited, place_of, transaction_of
from verifier.domain.trace import Step, TraceItem, TransactionEnd


def parted(changed: list[TraceItem], lengths: tuple[int, ...] = (3, 5)) -> Divergence:
    return divergence(right=Script(block(*lengths)), wrong=Script(changed))


def with_step(index: int, **change: object) -> list[TraceItem]:
    items = block(3, 5)
    step = items[index]
    assert isinstance(step, Step)
    items[index] = replace(step, **change)  # type: ignore[arg-type]
    return items


@given(st.integers(0, 4), st.sampled_from(("gas", "stack", "pc")))
def test_the_instruction_before_the_changed_step_is_the_cause(step: int, name: str) -> None:
    change = {"gas": 1, "stack": bytes(32), "pc": 99}[name]
    found = parted(with_step(6 + step, **{name: change}))
    assert (place_of(found), transaction_of(found), found.step) == (Place.STEP, 1, step)
    instruction = instruction_of(found)
    if step == 0:
        assert instruction is None
        assert may_be_inherited(found)
    else:
        assert instruction is not None
        assert (instruction.step, instruction.pc) == (step - 1, step - 1)


def test_a_transaction_that_ends_early() -> None:
    items = block(3, 5)
    del items[9:11]
    end = items[-1]
    assert isinstance(end, TransactionEnd)
    items[-1] = replace(end, steps=3)
    found = parted(items)
    assert (place_of(found), transaction_of(found)) == (Place.STEP, 1)
    instruction = instruction_of(found)
    assert instruction is not None
    assert instruction.step == 2


def test_a_transaction_with_equal_steps_and_another_end() -> None:
    items = block(3, 5)
    end = items[4]
    assert isinstance(end, TransactionEnd)
    items[4] = replace(end, gas_used=1)
    found = parted(items)
    assert (place_of(found), transaction_of(found), instruction_of(found)) == (Place.TRANSACTION, 0, None)


def test_a_broken_rule_is_of_the_transaction_that_comes_next() -> None:
    found = divergence(right=Script(block(3, 5)), wrong=Script(block(3), outcome=BROKEN))
    assert (place_of(found), transaction_of(found)) == (Place.RULE, 1)


def test_only_the_outcome_differs() -> None:
    found = divergence(right=Script(block(3)), wrong=Script(block(3), outcome=replace(COMPUTED, gas_used=1)))
    assert place_of(found) is None
    assert transaction_of(found) is None


def test_what_reads_the_state_may_be_inherited_and_a_precompile_is_not() -> None:
    def after(op: int, stack: bytes = b"") -> Divergence:
        items = block(2)
        items[1] = replace(STEP, op=op, stack=stack)
        other = list(items)
        assert isinstance(other[2], Step)
        other[2] = replace(other[2], gas=1)
        return divergence(right=Script(items), wrong=Script(other))

    assert may_be_inherited(after(0x54, bytes(32)))  # SLOAD
    assert not may_be_inherited(after(0x0A, bytes(64)))  # EXP
    assert may_be_inherited(after(0xF1, b"\x0b" * 32 + bytes(32)))  # CALL
    assert not may_be_inherited(after(0xF1, (5).to_bytes(32, "big") + bytes(32)))  # of MODEXP
