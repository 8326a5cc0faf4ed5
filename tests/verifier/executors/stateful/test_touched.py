"""What the prestate of a block holds beyond what py-evm itself reads: whatever a client may look at."""

from dataclasses import replace
from pathlib import Path

import pytest

from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.embedded.building import BlockPlan, ChainBuilder, address_of
from verifier.executors.stateful.embedded.signing import ACCESS_LIST, LEGACY, SET_CODE, Call, Wallet
from verifier.executors.stateful.fake import MemorySink
from verifier.executors.stateful.genesis import GenesisAccount
from witness.header import keccak256
from witness.model import PostAccount, PreAccount
from witness.prestate import decode_poststate, decode_prestate
from witness.rlp_encoding import encode_item

from .chains import sample_genesis

PRAGUE_TIME = 1_700_000_228  # seconds; the sample chain's config has Prague from …216 to …347
SYSTEM_ADDRESS = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
BEACON_ROOTS = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
EMPTY_ACCOUNT, OTHER, DELEGATE, DELEGATING = map(address_of, ("empty", "other", "delegate", "delegating"))
CONTRACT, CALLER = address_of("contract"), address_of("caller")
ETHER = 10**18
CALL_WITH = {  # as the caller's code: little gas, no value
    "call": "0 0 0 0 0 target gas CALL STOP",
    "static": "0 0 0 0 target gas STATICCALL STOP",
    "delegate": "0 0 0 0 target gas DELEGATECALL STOP",
}


def slot(key: int) -> bytes:
    return key.to_bytes(32, "big")


class Sections:
    """Both sections of one recorded block."""

    def __init__(self, outcome: ImportOutcome) -> None:
        assert outcome.witness is not None, outcome.invalid
        assert outcome.witness.prestate is not None
        assert outcome.witness.poststate is not None
        self.before = decode_prestate(outcome.witness.prestate)
        self.after = decode_poststate(outcome.witness.poststate)

    def account(self, address: bytes) -> PreAccount:
        account = self.before[address]
        assert account is not None
        return account


def run(
    directory: Path, code: str = "STOP", *, kind: str = "call", gas: int = 50, call: Call | None = None
) -> Sections:
    """One block with one transaction to CALLER, whose code calls CONTRACT, whose code is `code`."""
    wallet = Wallet(b"\x01" * 32, sample_genesis().config.chain_id)
    accounts = {
        **sample_genesis().accounts,
        BEACON_ROOTS: replace(sample_genesis().accounts[BEACON_ROOTS], storage={5: 1}),
        wallet.address: GenesisAccount(ETHER),
        EMPTY_ACCOUNT: GenesisAccount(),
        OTHER: GenesisAccount(5),
        DELEGATE: GenesisAccount(code=b"\0"),
        DELEGATING: GenesisAccount(nonce=1, code=b"\xef\x01\x00" + DELEGATE),
        CONTRACT: GenesisAccount(1, 1, assemble(code, other=OTHER, empty=EMPTY_ACCOUNT, delegating=DELEGATING), {7: 8}),
        CALLER: GenesisAccount(1, 1, assemble(CALL_WITH[kind], target=CONTRACT, gas=gas), {1: 2}),
    }
    genesis = replace(sample_genesis(), accounts=accounts)
    call = call or Call(CALLER)
    transaction = wallet.sign(SET_CODE if call.authorizations else ACCESS_LIST if call.access_list else LEGACY, call)
    plan = BlockPlan(PRAGUE_TIME, [transaction], [(0, 0, address_of("withdrawal"), 0)], address_of("coinbase"))
    with ChainBuilder(directory, genesis, MemorySink()) as builder:
        _, outcome = builder.add(plan)
    return Sections(outcome)


def test_what_every_block_touches_is_there(tmp_path: Path) -> None:
    block = run(tmp_path)
    named = {SYSTEM_ADDRESS, address_of("coinbase"), address_of("withdrawal"), CALLER, CONTRACT}
    named |= {number.to_bytes(20, "big") for number in range(1, 18)}  # precompiles
    assert named <= block.before.keys()
    assert block.before[SYSTEM_ADDRESS] is None
    window = PRAGUE_TIME % 8191
    assert {slot(window), slot(window + 8191)} <= block.account(BEACON_ROOTS).slots.keys()
    assert OTHER not in block.before
    assert EMPTY_ACCOUNT not in block.before


@pytest.mark.parametrize(
    "code", ["other BALANCE", "other EXTCODESIZE", "other EXTCODEHASH", "0 0 0 other EXTCODECOPY", "other SELFDESTRUCT"]
)
@pytest.mark.parametrize("gas", [50, 100_000])
def test_an_account_is_there_whether_or_not_its_instruction_is_paid(code: str, gas: int, tmp_path: Path) -> None:
    block = run(tmp_path, code, gas=gas)
    assert block.account(OTHER).balance == 5
    assert (OTHER in block.after) == (gas > 50 and code.endswith("SELFDESTRUCT"))


@pytest.mark.parametrize("instruction", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_a_callee_is_there_though_nothing_is_left_to_call_it(instruction: str, tmp_path: Path) -> None:
    value = "0 " if instruction in ("CALL", "CALLCODE") else ""
    assert run(tmp_path, f"0 0 0 0 {value}other 0 {instruction}").account(OTHER).balance == 5


@pytest.mark.parametrize(("code", "kind"), [("7 SLOAD", "call"), ("1 7 SSTORE", "call"), ("1 7 SSTORE", "static")])
def test_a_slot_is_there_though_its_instruction_fails(code: str, kind: str, tmp_path: Path) -> None:
    block = run(tmp_path, code, kind=kind, gas=50 if kind == "call" else 100_000)
    assert block.account(CONTRACT).slots == {slot(7): 8}
    assert CONTRACT not in block.after


def test_a_slot_belongs_to_the_account_whose_storage_it_is(tmp_path: Path) -> None:
    block = run(tmp_path, "1 SLOAD 9 SLOAD", kind="delegate", gas=100_000)
    assert block.account(CALLER).slots == {slot(1): 2, slot(9): 0}
    assert block.account(CONTRACT).slots == {}


@pytest.mark.parametrize(
    ("code", "created"),
    [
        ("0 0 2 CREATE", keccak256(encode_item([CONTRACT, b"\x01"]))[12:]),  # more wei than it has
        ("0x42 1 0 2 CREATE2", keccak256(b"\xff" + CONTRACT + slot(0x42) + keccak256(b"\0"))[12:]),
    ],
)
def test_the_address_of_a_creation_that_fails_is_there(code: str, created: bytes, tmp_path: Path) -> None:
    assert run(tmp_path, code, gas=100_000).before[created] is None


@pytest.mark.parametrize("instruction", ["CREATE", "CREATE2", "SLOAD", "BALANCE", "CALL", "SSTORE"])
def test_an_instruction_without_its_words_names_nothing(instruction: str, tmp_path: Path) -> None:
    assert CONTRACT not in run(tmp_path, instruction).after


def test_a_code_with_more_memory_than_there_is_names_nothing(tmp_path: Path) -> None:
    run(tmp_path, f"1 {2**256 - 1} {2**256 - 1} 0 CREATE2", gas=100_000)


def test_the_access_list_is_there_though_nobody_reads_it(tmp_path: Path) -> None:
    call = Call(CALLER, access_list=((OTHER, (1,)), (CONTRACT, (7, 9)), (address_of("nobody"), (3,))))
    block = run(tmp_path, call=call)
    assert block.account(OTHER).slots == {}  # its storage is empty: every slot is known to be zero
    assert block.account(CONTRACT).slots == {slot(7): 8, slot(9): 0}
    assert block.before[address_of("nobody")] is None


def test_authorities_are_there_and_what_they_delegate_to(tmp_path: Path) -> None:
    chain = sample_genesis().config.chain_id
    valid, stale, foreign = Wallet(b"\x02" * 32, chain), Wallet(b"\x03" * 32, chain), Wallet(b"\x04" * 32, chain + 1)
    broken = [*Wallet(b"\x05" * 32, chain).authorize(OTHER, 0)[:4], 0, 0]
    call = Call(
        CALLER,
        authorizations=(
            valid.authorize(OTHER, 0),
            stale.authorize(address_of("stale target"), 9),
            foreign.authorize(address_of("foreign target"), 0),
            broken,
        ),
    )
    block = run(tmp_path, call=call)
    for address in (valid.address, stale.address, foreign.address):
        assert block.before[address] is None
    assert {OTHER, address_of("stale target"), address_of("foreign target")} <= block.before.keys()
    code = keccak256(b"\xef\x01\x00" + OTHER)
    assert block.after[valid.address] == PostAccount(1, 0, code)
    assert stale.address not in block.after
    assert foreign.address not in block.after


def test_the_delegate_of_a_code_that_was_read_is_there(tmp_path: Path) -> None:
    block = run(tmp_path, "1 0 0 delegating EXTCODECOPY", gas=100_000)
    assert block.account(DELEGATE).code_hash == keccak256(b"\0")


def test_an_empty_account_that_is_touched_is_deleted(tmp_path: Path) -> None:
    block = run(tmp_path, "0 0 0 0 0 empty 0 CALL", gas=100_000)
    assert block.account(EMPTY_ACCOUNT).nonce == block.account(EMPTY_ACCOUNT).balance == 0
    assert block.after[EMPTY_ACCOUNT] is None
