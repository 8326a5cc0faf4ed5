"""Collected in a loop: the same as py-evm's recursion, and for as many nested calls as the protocol allows."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from eth.vm.computation import BaseComputation
from eth.vm.forks.spurious_dragon._utils import THREE, collect_touched_accounts
from eth.vm.message import Message
from eth_typing import Address
from hypothesis import given
from hypothesis import strategies as st

from machine.frames import CollectedFrames, touched_accounts
from tests.machine.running import CALLER, CONTRACT, empty_state
from verifier.executors.stateful.embedded.assembly import assemble

COINBASE = b"\xcb" * 20
DEEPEST = 1024  # nested calls below the first (yellow paper, 8: e <= 1024)


@dataclass
class Frame:
    """What the collecting functions look at."""

    state: Any
    msg: Any
    is_error: bool
    _gas_meter: Any
    accounts_to_delete: list[bytes]
    beneficiaries: list[bytes]
    _log_entries: list[tuple[int]]
    children: list[Any] = field(default_factory=list)


class Collected(CollectedFrames, Frame):
    """Ours."""


class Recursive(Frame):
    """py-evm's."""

    get_gas_refund = BaseComputation.get_gas_refund
    get_accounts_for_deletion = BaseComputation.get_accounts_for_deletion
    get_self_destruct_beneficiaries = BaseComputation.get_self_destruct_beneficiaries
    get_raw_log_entries = BaseComputation.get_raw_log_entries


addresses = st.sampled_from([THREE, b"\x04" * 20, b"\x05" * 20, b"\x06" * 20])
values = st.tuples(
    addresses | st.just(b""),  # to; empty for a creation
    st.booleans(),
    st.integers(0, 9),
    st.integers(0, 9),
    st.lists(addresses, max_size=2),
    st.lists(addresses, max_size=2),
    st.lists(st.tuples(st.integers(0, 99)), max_size=2),
)
trees = st.recursive(st.tuples(values, st.just([])), lambda nested: st.tuples(values, st.lists(nested, max_size=3)))


def built(tree: Any, kind: type[Any]) -> Any:
    """The tree's frames as one of the two classes."""
    (to, is_error, refund, refunded, deleted, beneficiaries, logs), children = tree
    message, meter = SimpleNamespace(to=to, refund=refund), SimpleNamespace(gas_refunded=refunded)
    state = SimpleNamespace(coinbase=COINBASE)
    nested = [built(child, kind) for child in children]
    return kind(state, message, is_error, meter, deleted, beneficiaries, logs, nested)


@given(trees)
def test_the_same_as_by_recursion(tree: Any) -> None:
    ours, theirs = built(tree, Collected), built(tree, Recursive)
    assert ours.get_gas_refund() == theirs.get_gas_refund()
    assert set(ours.get_accounts_for_deletion()) == set(theirs.get_accounts_for_deletion())
    assert set(ours.get_self_destruct_beneficiaries()) == set(theirs.get_self_destruct_beneficiaries())
    assert ours.get_raw_log_entries() == theirs.get_raw_log_entries()
    assert touched_accounts(ours) == collect_touched_accounts(theirs)


@pytest.mark.parametrize("fork", ["spurious_dragon", "berlin", "prague", "osaka"])
def test_calls_as_deep_as_allowed(fork: str) -> None:
    # Logs, clears a slot and calls itself with all the gas there is; the call from the deepest frame fails.
    code = assemble("0 0 LOG0 0 0 SSTORE 0 0 0 0 0 ADDRESS GAS CALL STOP")
    state = empty_state(fork)
    state.set_code(CONTRACT, code)
    computation = state.computation_class.apply_message(state, *_message(state, code))
    assert computation.is_success
    assert len(computation.get_log_entries()) == DEEPEST + 1
    assert computation.get_gas_refund() == 0
    assert computation.get_accounts_for_deletion() == []
    assert touched_accounts(computation) == {state.coinbase, CONTRACT}


def _message(state: Any, code: bytes) -> tuple[Any, Any]:
    message = Message(gas=1 << 62, to=Address(CONTRACT), sender=CALLER, value=0, data=b"", code=code)
    return message, state.get_transaction_context_class()(gas_price=0, origin=CALLER)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_only_the_first_call_is_the_transactions_own(depth: int) -> None:
    """A sender that has code (EIP-7702) calls and creates further down as itself."""
    message = SimpleNamespace(depth=depth, sender=CALLER)
    frame = Collected(SimpleNamespace(execution_context=None), message, False, None, [], [], [])
    assert frame.is_origin_computation is (depth == 0)
