"""The sections prestate and poststate of recorded blocks, against the whole state before and after each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.database import Reader
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink
from verifier.services.conformance.loaders.fixtures import load_tests
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.contract.reborn_accounts import make_reborn_accounts
from verifier.services.recording import record_test
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import PostState, PreAccount, PreState
from witness.prestate import decode_poststate, decode_prestate
from witness.proven_state import decode_account, decode_slot
from witness.trie import EMPTY_ROOT
from witness.trie_node import Branch, Leaf, Node, decode_node

from .chains import real_data, reexecute, sample_blocks, sample_genesis

Slots = dict[bytes, int]
Accounts = dict[bytes, tuple[PreAccount, Slots]]
"""By keccak-256 of the address: the account, and its slots by keccak-256 of the key."""


def leaves(reader: Reader, root: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key (hashed, 32 bytes) with its value, of the trie with this root."""
    pending: list[tuple[bytes, bytes | Node]] = [] if root == EMPTY_ROOT else [(b"", root)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, bytes):
            encoded = reader.state(node)
            assert encoded is not None
            node = decode_node(encoded)
        if isinstance(node, Leaf):
            nibbles = path + node.path
            yield (
                bytes(16 * high + low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True)),
                bytes(node.value),
            )
        elif isinstance(node, Branch):
            for index, child in enumerate(node.children):
                if child is not None:
                    below = node.hash_at(child) if isinstance(child, int) else child
                    pending.append((path + bytes([index]), below))
        else:
            pending.append((path + node.path, node.child))


def whole_state(reader: Reader, root: bytes) -> Accounts:
    accounts: Accounts = {}
    for key, value in leaves(reader, root):
        account = decode_account(value)
        accounts[key] = account, {slot: decode_slot(each) for slot, each in leaves(reader, account.storage_root)}
    return accounts


def check_prestate(prestate: PreState, before: Accounts) -> None:
    """Every entry is what the state holds."""
    for address, account in prestate.items():
        held = before.get(keccak256(address))
        if account is None:
            assert held is None
            continue
        assert held is not None
        assert (fields(account), account.storage_root) == (fields(held[0]), held[0].storage_root)
        assert account.slots == {key: held[1].get(keccak256(key), 0) for key in account.slots}


def check_poststate(poststate: PostState, prestate: PreState, before: Accounts, after: Accounts) -> set[str]:
    """The section is the difference of the states; what it cannot tell is told. Returns what occurred."""
    assert poststate.keys() <= prestate.keys()
    occurred = set()
    told = {keccak256(address): account for address, account in poststate.items()}
    listed = {
        keccak256(address): set() if account is None else {keccak256(key) for key in account.slots}
        for address, account in prestate.items()
    }
    for hashed in before.keys() | after.keys():
        old, new = before.get(hashed), after.get(hashed)
        if new is None:
            assert hashed in told
            assert told[hashed] is None
            occurred.add("deleted")
            continue
        old_slots: Slots = {} if old is None else old[1]
        changed = {
            slot: new[1].get(slot, 0)
            for slot in old_slots.keys() | new[1].keys()
            if old_slots.get(slot) != new[1].get(slot)
        }
        # Of an account that was destroyed and made again nobody knows the slots that nobody asked for.
        unknown = {slot for slot in changed if slot not in new[1] and slot not in listed.get(hashed, ())}
        if unknown:
            occurred.add("slots of an account destroyed and made again")
        changed = {slot: value for slot, value in changed.items() if slot not in unknown}
        same = old is not None and fields(old[0]) == fields(new[0])
        if same and not changed:
            assert hashed not in told
            continue
        account = told[hashed]
        assert account is not None
        assert (account.nonce, account.balance, account.code_hash) == fields(new[0])
        assert {keccak256(key): value for key, value in account.slots.items()} == changed
        if old is None:
            occurred.add("made")
        elif old[0].code_hash != new[0].code_hash:
            occurred.add("another code")
        if 0 in changed.values():
            occurred.add("cleared slot")
    return occurred


def fields(account: PreAccount) -> tuple[int, int, bytes]:
    return account.nonce, account.balance, account.code_hash


class ComparedExecutor(EmbeddedExecutor):
    """Compares both sections of every block with the whole states, and with those of the block's own witness."""

    blocks = 0
    occurred: frozenset[str] = frozenset()

    def import_block(self, encoded: bytes) -> ImportOutcome:
        outcome = super().import_block(encoded)
        if outcome.known or outcome.witness is None:
            return outcome
        assert outcome.witness.prestate is not None
        prestate = decode_prestate(outcome.witness.prestate)
        header = decode_block_header(encoded)
        with self.reading() as reader:
            parent = reader.get("headers", header.parent_hash)
            assert parent is not None
            before = whole_state(reader, decode_header(parent).state_root)
            check_prestate(prestate, before)
            if outcome.invalid is not None:
                assert outcome.witness.poststate is None
                return outcome
            assert outcome.witness.poststate is not None
            after = whole_state(reader, header.state_root)
        poststate = decode_poststate(outcome.witness.poststate)
        self.blocks += 1
        self.occurred |= check_poststate(poststate, prestate, before, after)
        again = reexecute(outcome.witness, outcome.fork)
        assert again.poststate == outcome.witness.poststate
        check_subset(decode_prestate(again.prestate or b""), prestate)
        return outcome


def check_subset(part: PreState, whole: PreState) -> None:
    """What a block's own witness proves is what the database held; only named and never read is left out."""
    for address, account in part.items():
        held = whole[address]
        if account is None or held is None:
            assert account is held
            continue
        assert account.slots.items() <= held.slots.items()
        assert fields(account) == fields(held)


def test_the_sample_chain(tmp_path: Path) -> None:
    with ComparedExecutor(tmp_path, sample_genesis(), MemorySink(), sync=False) as executor:
        for block in sample_blocks():
            assert executor.import_block(block).results is not None
        assert executor.blocks == len(sample_blocks()) == 37
        assert {"deleted", "made", "another code", "cleared slot"} <= executor.occurred


def test_the_hive_chain(tmp_path: Path) -> None:
    folder = real_data("hivechain")
    genesis = load_genesis(folder / "genesis.json")
    with ComparedExecutor(tmp_path, genesis, MemorySink(), sync=False) as executor:
        for block in load_blocks(folder / "chain.rlp"):
            executor.import_block(block)
        assert executor.blocks == executor.head().number == 54


def test_what_the_witness_does_not_list_of_an_account_made_again_was_zero(tmp_path: Path) -> None:
    reborn = make_reborn_accounts(tmp_path)
    again = reexecute(reborn.block.content, reborn.block.fork)
    prestate, poststate = decode_prestate(again.prestate or b""), decode_poststate(again.poststate or b"")
    for address in (reborn.writing, reborn.silent):
        account = prestate[address]
        assert account is not None
        listed = {int.from_bytes(key, "big"): value for key, value in account.slots.items()}
        assert 1 not in listed
        assert poststate.get(address) == reborn.after(listed).get(address)


PYSPECS = "BlockchainTests/GeneralStateTests/Pyspecs"


@pytest.mark.parametrize(
    ("pattern", "blocks", "occurring"),
    [
        (f"{PYSPECS}/constantinople/create2/recreate*", 20, {"slots of an account destroyed and made again"}),
        (f"{PYSPECS}/cancun/eip6780_selfdestruct/dynamic_create2_selfdestruct_collision*", 20, {"cleared slot"}),
        (f"{PYSPECS}/cancun/eip6780_selfdestruct/reentrancy_selfdestruct_revert*", 10, {"deleted"}),
        (f"{PYSPECS}/shanghai/eip4895_withdrawals/self_destructing_account*", 1, {"another code"}),
        ("BlockchainTests/GeneralStateTests/stEIP158Specific/*", 5, {"made"}),
        ("BlockchainTests/TransitionTests/**/*", 10, {"made"}),
    ],
)
def test_ethereum_tests(pattern: str, blocks: int, occurring: set[str], tmp_path: Path) -> None:
    """Among them accounts emptied (EIP-161), and destroyed and made again in one block."""
    paths = sorted(path for path in real_data("ethereum_tests").glob(pattern) if path.is_file())
    compared, occurred = compare_tests(paths, tmp_path)
    assert compared >= blocks
    assert occurring <= occurred


@pytest.mark.parametrize(
    ("pattern", "blocks", "occurring"),
    [
        ("prague/eip7702_set_code_tx/**/*set_code*.json*", 20, {"another code", "made"}),
        ("prague/eip7002*/**/*.json*", 1, {"made"}),
        ("shanghai/eip4895*/**/*.json*", 1, {"made"}),
    ],
)
def test_execution_spec_tests(pattern: str, blocks: int, occurring: set[str], tmp_path: Path) -> None:
    paths = sorted(real_data("eest").glob(f"blockchain_tests/{pattern}"))
    compared, occurred = compare_tests(paths, tmp_path)
    assert compared >= blocks
    assert occurring <= occurred


def compare_tests(paths: list[Path], directory: Path) -> tuple[int, set[str]]:
    """How many valid blocks the tests in the files have, and what occurred in them."""
    blocks, occurred = 0, set[str]()
    for path in paths:
        for index, test in enumerate(load_tests(path)):
            state = directory / f"{path.stem}-{index}"
            with ComparedExecutor(state, test.genesis, MemorySink(), sync=False) as executor:
                for event in record_test(test, executor):
                    assert not event.disagreement
                blocks += executor.blocks
                occurred |= executor.occurred
    return blocks, occurred
