"""Rules of the executable specification changed for one block at a time, each as a client once had it.

A mutation is a function from the fork's modules to the patches that make it. It keeps whatever it has to remember of a
block in its own closure, so nothing of it is left for the next.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ethereum_types.numeric import U256, Uint

from adapters.eels.fork_modules import ForkModules
from adapters.eels.overlay import OverlayState, Storage
from adapters.eels.prestate_overlay import PrestateOverlay
from adapters.eels.trie_overlay import TrieOverlay
from verifier.rpc.host.post_state import TouchedAccount

SET_MINUS_RESET = Uint(
    17_100
)  # gas: what filling an empty slot costs more than changing a full one (EIP-2200, EIP-2929)
IDENTITY, INACTIVE_PRECOMPILE = 4, bytes([1, 0]).rjust(20, b"\0")  # the latter is P256VERIFY's, from Osaka on
REVERT_REASON = 36  # bytes of revert data before which there is no reason: a selector and an offset
MOST = 2**63 - 1  # of a signed number of 64 bits


@dataclass(frozen=True, slots=True)
class Patch:
    """One attribute that reads differently."""

    target: Any
    name: str
    value: Any


Mutation = Callable[[ForkModules], Iterable[Patch]]


def _module(modules: ForkModules, name: str) -> Any:
    return import_module(f"{modules.fork.__package__}.{name}")


class MemoryView:
    """Return data that is the caller's memory, not a copy of it."""

    def __init__(self, memory: bytearray, start: int, length: int) -> None:
        self._memory, self._start, self._length = memory, start, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, wanted: slice) -> bytes:
        return bytes(self._memory[self._start : self._start + self._length])[wanted]


def shallow_copy(modules: ForkModules) -> Iterable[Patch]:
    """What the precompile IDENTITY returns changes with the memory that it was called with."""
    system = _module(modules, "vm.instructions.system")
    generic_call = system.generic_call

    def call(evm: Any, *arguments: Any) -> None:
        generic_call(evm, *arguments)
        code_address, input_start = arguments[4], arguments[7]
        if int.from_bytes(code_address, "big") == IDENTITY and evm.return_data:
            evm.return_data = MemoryView(evm.memory, int(input_start), len(evm.return_data))

    yield Patch(system, "generic_call", call)


def transfer_to_destroyed(modules: ForkModules) -> Iterable[Patch]:
    """Who sends to an account that the block destroyed brings its balance back."""
    interpreter = _module(modules, "vm.interpreter")
    destroy, move, state = modules.fork.destroy_account, interpreter.move_ether, modules.state
    balances: dict[bytes, Any] = {}

    def destroy_account(of: Any, address: bytes) -> None:
        balances[address] = state.get_account(of, address).balance
        destroy(of, address)

    def move_ether(of: Any, sender: bytes, recipient: bytes, amount: Any) -> None:
        move(of, sender, recipient, amount)
        if recipient in balances:
            balance = state.get_account(of, recipient).balance + balances.pop(recipient)
            state.set_account_balance(of, recipient, balance)

    yield Patch(modules.fork, "destroy_account", destroy_account)
    yield Patch(interpreter, "move_ether", move_ether)


def warm_inactive_precompile(modules: ForkModules) -> Iterable[Patch]:
    """A call to a precompile of a later fork is priced as one to a precompile."""
    prepare_message = modules.fork.prepare_message

    def prepare(*arguments: Any) -> Any:
        message = prepare_message(*arguments)
        message.accessed_addresses.add(modules.fork_types.Address(INACTIVE_PRECOMPILE))
        return message

    yield Patch(modules.fork, "prepare_message", prepare)


def revert_reason_overflow(modules: ForkModules) -> Iterable[Patch]:
    """Revert data is decoded for its reason, and a number in it that is too large makes the block invalid."""
    exceptions = import_module("ethereum.exceptions")
    process_message_call = modules.fork.process_message_call

    def call(message: Any) -> Any:
        output = process_message_call(message)
        reverted = type(output.error).__name__ == "Revert"
        if reverted and len(output.return_data) >= REVERT_REASON:
            offset = int.from_bytes(output.return_data[4:REVERT_REASON], "big")
            if offset + REVERT_REASON > MOST:
                raise exceptions.InvalidBlock("arithmetic operation resulted in an overflow")
        return output

    yield Patch(modules.fork, "process_message_call", call)


def storage_survives_destruction(modules: ForkModules) -> Iterable[Patch]:
    """The slots of a contract that is destroyed and made again in one block are back in the state."""
    destroy, root, touched = modules.fork.destroy_account, TrieOverlay.root, PrestateOverlay.touched
    left: dict[bytes, Storage] = {}

    def destroy_account(state: Any, address: bytes) -> None:
        left[address] = state._storage(address)
        destroy(state, address)

    def bring_back(state: OverlayState) -> None:
        for address, storage in left.items():
            if state.account(address) is not None:
                for key, value in storage.values.items():
                    if not state.value(address, key):
                        state.set_value(address, key, value)

    def stale_root(state: TrieOverlay) -> bytes:
        bring_back(state)
        return root(state)

    def stale_touched(state: PrestateOverlay) -> dict[bytes, TouchedAccount | None]:
        bring_back(state)
        return touched(state)

    yield Patch(modules.fork, "destroy_account", destroy_account)
    yield Patch(TrieOverlay, "root", stale_root)
    yield Patch(PrestateOverlay, "touched", stale_touched)


def lost_storage_update(modules: ForkModules) -> Iterable[Patch]:
    """The first slot that the block clears stays in the trie."""
    set_value, storage_root = TrieOverlay.set_value, TrieOverlay._storage_root
    cleared: list[tuple[bytes, bytes]] = []

    def note_clearing(state: TrieOverlay, address: bytes, key: bytes, value: Any) -> None:
        if state.value(address, key) and not value:
            cleared.append((address, key))
        set_value(state, address, key, value)

    def stale_root(state: TrieOverlay, address: bytes) -> bytes:
        if cleared and cleared[0][0] == address:
            state._storages[address].changed.discard(cleared[0][1])
        return storage_root(state, address)

    yield Patch(_module(modules, "vm.instructions.storage"), "set_storage", note_clearing)
    yield Patch(TrieOverlay, "_storage_root", stale_root)


def unchecked_curve(modules: ForkModules) -> Iterable[Patch]:
    """Points that are not on alt_bn128 are added like any other."""
    yield Patch(_module(modules, "vm.precompiled_contracts.alt_bn128"), "is_on_curve", lambda *_: True)


def cheap_refilled_slot(modules: ForkModules) -> Iterable[Patch]:
    """Filling a slot that an earlier transaction of the block cleared costs what changing a full one does."""
    instructions, interpreter = _module(modules, "vm.instructions"), _module(modules, "vm.interpreter")
    operations = interpreter.op_implementation
    sstore, state = operations[instructions.Ops.SSTORE], modules.state
    cleared: dict[tuple[bytes, bytes], Any] = {}

    def store(evm: Any) -> None:
        key, value = evm.stack[-1].to_be_bytes32(), evm.stack[-2]
        slot, transaction = (evm.message.current_target, key), evm.message.tx_env.index_in_block
        before = state.get_storage(evm.message.block_env.state, *slot)
        sstore(evm)
        if before and not value:
            cleared[slot] = transaction
        elif value and cleared.pop(slot, transaction) != transaction:
            evm.gas_left += SET_MINUS_RESET

    yield Patch(interpreter, "op_implementation", {**operations, instructions.Ops.SSTORE: store})


def free_failed_deposit(modules: ForkModules) -> Iterable[Patch]:
    """A creation that cannot pay for its code fails, and keeps the gas that it had."""
    interpreter = _module(modules, "vm.interpreter")
    charge_gas, process = interpreter.charge_gas, interpreter.process_create_message
    kept: dict[int, Any] = {}

    def charge(evm: Any, amount: Any) -> None:
        if evm.gas_left < amount:
            kept[id(evm)] = evm.gas_left
        charge_gas(evm, amount)

    def process_create_message(message: Any) -> Any:
        evm = process(message)
        if evm.error is not None and id(evm) in kept:
            evm.gas_left = kept.pop(id(evm))
        return evm

    yield Patch(interpreter, "charge_gas", charge)
    yield Patch(interpreter, "process_create_message", process_create_message)


def touch_survives_failure(modules: ForkModules) -> Iterable[Patch]:
    """An empty account that was touched is deleted although the call that touched it failed."""
    system = _module(modules, "vm.instructions.system")
    incorporate = system.incorporate_child_on_error

    def on_error(evm: Any, child: Any) -> None:
        incorporate(evm, child)
        evm.touched_accounts.update(child.touched_accounts)

    yield Patch(system, "incorporate_child_on_error", on_error)


def ripemd_like_any_other(modules: ForkModules) -> Iterable[Patch]:
    """Also RIPEMD-160's account is only touched by calls that succeed."""
    system = _module(modules, "vm.instructions.system")
    incorporate = system.incorporate_child_on_error

    def on_error(evm: Any, child: Any) -> None:
        touched = set(evm.touched_accounts)
        incorporate(evm, child)
        evm.touched_accounts = touched

    yield Patch(system, "incorporate_child_on_error", on_error)


def wrong_power(modules: ForkModules) -> Iterable[Patch]:
    """EXP is one too high, as with `tests.peers.mutated_geth.WRONG_POWER`."""
    instructions, interpreter = _module(modules, "vm.instructions"), _module(modules, "vm.interpreter")
    operations = interpreter.op_implementation
    exponentiate = operations[instructions.Ops.EXP]

    def power(evm: Any) -> None:
        exponentiate(evm)
        evm.stack[-1] = evm.stack[-1].wrapping_add(U256(1))

    yield Patch(interpreter, "op_implementation", {**operations, instructions.Ops.EXP: power})


MUTATIONS: dict[str, Mutation] = {
    each.__name__: each
    for each in (
        shallow_copy,
        transfer_to_destroyed,
        warm_inactive_precompile,
        revert_reason_overflow,
        storage_survives_destruction,
        lost_storage_update,
        unchecked_curve,
        cheap_refilled_slot,
        free_failed_deposit,
        touch_survives_failure,
        ripemd_like_any_other,
        wrong_power,
    )
}
EARLY_OSAKA = "early_osaka"  # no patch but another fork: the block is executed by the rules of the next one
