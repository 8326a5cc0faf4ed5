"""What py-evm leaves behind while it builds a block."""

import pytest

from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.genesis import GenesisAccount
from verifier.services.fuzzing.construction import Constructor
from verifier.services.fuzzing.draft import Draft, TransactionDraft
from verifier.services.fuzzing.wallets import CONTRACTS

CALL = assemble("0 0 32 0 0 address 50000 CALL", address=bytes([4]).rjust(20, b"\0"))


def features(code: bytes, fork: str = "osaka", gas: int = 100_000) -> frozenset[str]:
    account = {CONTRACTS[0]: GenesisAccount(nonce=1, code=code)}
    transaction = TransactionDraft(to=CONTRACTS[0], gas=gas)
    return Constructor().build(Draft(fork, account, (transaction,)), "name").features


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("600160020100", {"op:60", "op:01", "pair:6060", "pair:6001", "pair:0100", "in:01:8:8"}),
        ("01", {"op:01", "halt:01:InsufficientStack"}),
        ("600056", {"halt:56:InvalidJumpDestination"}),
        ("5f5f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5220", {"in:52:256:0"}),
        (CALL.hex(), {"op:F1", "precompile:04:ok"}),
        ("5f5ffd", {"op:FD"}),
    ],
)
def test_what_is_executed_leaves_its_features(code: str, left: set[str]) -> None:
    assert left <= features(bytes.fromhex(code))


def test_an_instruction_that_the_fork_lacks_does_not() -> None:
    code = bytes.fromhex("60011e00")
    assert "op:1E" in features(code)
    assert "op:1E" not in features(code, "prague")


def test_one_block_leaves_nothing_for_the_next() -> None:
    constructor = Constructor()
    account = {CONTRACTS[0]: GenesisAccount(nonce=1, code=b"\x30\x00")}
    transactions = (TransactionDraft(to=CONTRACTS[0]),)
    assert "op:30" in constructor.build(Draft("cancun", account, transactions), "one").features
    assert "op:30" not in constructor.build(Draft("cancun", {}, transactions), "two").features
