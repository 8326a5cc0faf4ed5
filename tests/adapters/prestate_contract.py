"""What every Python client has to keep in prestate mode, as tests to inherit beside `ClientContract`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.asking import abstention, ask, differences, insufficient
from tests.adapters.client_contract import BLOCKS, CLAIMED_HASHES, PRAGUE
from tests.adapters.prestate_section import Section, derive
from tests.adapters.real_block import MAINNET, decoded_block, load_block, needs_real_data, trusted_root
from tests.adapters.synthetic_block import (
    COINBASE,
    RICH,
    SENDER,
    TARGET,
    Account,
    pre_state_root,
    state_trie,
    synthetic_block,
    transaction,
)
from verifier.rpc.host.client import Client
from verifier.rpc.host.task import has_status
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import parse_chain_config
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness, PreAccount
from witness.rlp_encoding import encode_item, encode_string
from witness.trie import EMPTY_ROOT, PartialTrie, nodes_by_hash

EMPTY_CODE = keccak256(b"")
OTHER = b"\xbb" * 20


def key(slot: int) -> bytes:
    return slot.to_bytes(32, "big")


def listed(accounts: dict[bytes, Account | None]) -> Section:
    """A section with these accounts; each storage root is one that is not empty where there are slots."""
    section: dict[bytes, PreAccount | None] = {}
    for address, account in accounts.items():
        if account is None:
            section[address] = None
            continue
        root = b"\x99" * 32 if account.storage else EMPTY_ROOT
        slots = {key(slot): value for slot, value in account.storage.items()}
        section[address] = PreAccount(account.nonce, account.balance, root, keccak256(account.code), slots)
    return Section(section)


def root_after(content: BlockWitness, changed: Sequence[pb.PostAccount]) -> bytes:
    """The state root that follows from the nodes of a witness and the accounts that a block changed."""
    nodes = nodes_by_hash(content.witness.state)
    state = PartialTrie(trusted_root(content), nodes)
    leaves: dict[bytes, bytes | None] = {}
    for account in changed:
        before = state.get(keccak256(account.address))
        if account.deleted:
            leaves[keccak256(account.address)] = None
            continue
        root = EMPTY_ROOT if before is None else before[-65:-33]  # the last items: storage root, 0xa0, code hash
        storage = PartialTrie(root, nodes)
        storage.update(
            {keccak256(slot.key): encode_string(slot.value) if slot.value else None for slot in account.slots}
        )
        nonce = account.nonce.to_bytes((account.nonce.bit_length() + 7) // 8, "big")
        leaves[keccak256(account.address)] = encode_item([nonce, account.balance, storage.root(), account.code_hash])
    state.update(leaves)
    return state.root()


destroys = pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")  # py-evm warns of the instruction


class PrestateContract:
    """Inherit, and give `forks`, `stride` and a `client` fixture."""

    forks: tuple[str, ...]
    stride: int

    def ask_prestate(self, client: Client, content: BlockWitness, root: bytes, **keywords: Any) -> pb.ExecuteResponse:
        """One request in prestate mode."""
        return ask(client, self.forks, content, root, mode=pb.MODE_PRESTATE, **keywords)

    def ask_section(
        self, client: Client, section: Section, transactions: Sequence[list[bytes]], codes: Sequence[bytes] = ()
    ) -> pb.ExecuteResponse:
        """A block of these transactions on this section, which need not have a trie."""
        content = section.of(synthetic_block({}, transactions))
        content = replace(content, witness=replace(content.witness, codes=list(codes)))
        return self.ask_prestate(client, content, pre_state_root(content))

    @needs_real_data
    @pytest.mark.parametrize("name", [name for name in BLOCKS if name != CLAIMED_HASHES])
    def test_prestate_of_a_real_block(self, client: Client, name: str) -> None:
        content = load_block(MAINNET / f"{name}.json.gz")
        header = decode_block_header(content.block)
        section = derive(content, self.forks, client)
        response = self.ask_prestate(client, section.of(content), trusted_root(content), optional=True)
        computed = response.computed
        assert response.WhichOneof("outcome") == "computed", response
        assert root_after(content, computed.post_state) == header.state_root
        addresses = [account.address for account in computed.post_state]
        assert addresses == sorted(set(addresses))
        assert computed.state_root == b""
        expected = ["state_root"]
        if computed.receipts and not has_status(parse_chain_config(content.chain_config).fork_at(header)):
            expected.append("receipts_root")
            assert computed.receipts_root == b""
        assert differences(response, content) == expected
        assert not any(receipt.HasField("post_state") for receipt in computed.receipts)
        assert len(computed.receipts) == len(decoded_block(content)[1])

    @needs_real_data
    def test_prestate_drops(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        root, section = trusted_root(content), derive(content, self.forks, client)
        whole = self.ask_prestate(client, section.of(content), root)
        parts: list[tuple[bytes, bytes | None]] = [(address, None) for address in section.accounts]
        parts += [(address, each) for address, account in section.accounts.items() if account for each in account.slots]
        needed = 0
        for address, slot in parts[:: max(1, self.stride // 5)]:
            response = self.ask_prestate(client, section.without(address, slot).of(content), root)
            if response.WhichOneof("outcome") == "computed":
                assert response.computed == whole.computed
                continue
            needed += 1
            kind = pb.Missing.KIND_ACCOUNT if slot is None else pb.Missing.KIND_SLOT
            assert (kind, address, slot or b"") in [
                (missing.kind, missing.address, missing.key) for missing in insufficient(response)
            ]
        assert needed > len(parts) // max(1, self.stride // 5) // 2

    def test_prestate_section_is_missing_or_malformed(self, client: Client) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction()])
        for section in (None, b"", b"\xc1\x80", b"no section"):
            response = self.ask_prestate(client, replace(content, prestate=section), pre_state_root(content))
            assert abstention(response) == "refused"

    def test_prestate_changes(self, client: Client) -> None:
        # SLOAD 3; SSTORE 1 ← 0, 2 ← 7, 4 ← what it is.
        code = bytes.fromhex("60035450 5f600155 6007600255 6004546004550000".replace(" ", ""))
        storage = {1: 5, 2: 0, 3: 9, 4: 4}
        section = listed({SENDER: Account(balance=RICH), TARGET: Account(code=code, storage=storage), COINBASE: None})
        response = self.ask_section(client, section, [transaction()], [code])
        assert response.computed.receipts[0].succeeded, response
        gas = response.computed.gas_used
        sender, target, coinbase = sorted(response.computed.post_state, key=lambda account: account.address != SENDER)
        if target.address != TARGET:
            target, coinbase = coinbase, target
        assert sender.nonce == 1
        assert int.from_bytes(sender.balance, "big") == RICH - 10 * gas
        assert sender.code_hash == EMPTY_CODE
        assert (coinbase.address, int.from_bytes(coinbase.balance, "big")) == (COINBASE, 3 * gas)
        assert target.code_hash == keccak256(code)
        assert list(target.slots) == [pb.PostSlot(key=key(1)), pb.PostSlot(key=key(2), value=b"\7")]
        assert response.computed.state_root == b""

    def test_prestate_unlisted_account(self, client: Client) -> None:
        code = bytes.fromhex(f"73{OTHER.hex()}3150")  # BALANCE
        section = listed({SENDER: Account(balance=RICH), TARGET: Account(code=code), COINBASE: None})
        (missing,) = insufficient(self.ask_section(client, section, [transaction()], [code]))
        assert (missing.kind, missing.address) == (pb.Missing.KIND_ACCOUNT, OTHER)
        section.accounts[OTHER] = None
        assert self.ask_section(client, section, [transaction()], [code]).computed.receipts[0].succeeded

    @pytest.mark.parametrize("address", [SENDER, TARGET, COINBASE])
    def test_prestate_unlisted_party(self, client: Client, address: bytes) -> None:
        section = listed({SENDER: Account(balance=RICH), TARGET: None, COINBASE: None}).without(address)
        missing = insufficient(self.ask_section(client, section, [transaction(value=1)]))
        assert (pb.Missing.KIND_ACCOUNT, address) in [(each.kind, each.address) for each in missing]

    @pytest.mark.parametrize("code", ["60075450", "6001600755", "5f600755"], ids=["read", "write", "write zero"])
    def test_prestate_unlisted_slot(self, client: Client, code: str) -> None:
        octets = bytes.fromhex(code)
        accounts: dict[bytes, Account | None] = {
            SENDER: Account(balance=RICH),
            TARGET: Account(code=octets, storage={1: 1}),
            COINBASE: None,
        }
        (missing,) = insufficient(self.ask_section(client, listed(accounts), [transaction()], [octets]))
        assert (missing.kind, missing.address, missing.key) == (pb.Missing.KIND_SLOT, TARGET, key(7))
        accounts[TARGET] = Account(code=octets)  # an empty storage lists nothing
        assert self.ask_section(client, listed(accounts), [transaction()], [octets]).computed.receipts[0].succeeded

    def test_prestate_missing_code(self, client: Client) -> None:
        section = listed({SENDER: Account(balance=RICH), TARGET: Account(code=b"\x5f"), COINBASE: None})
        (missing,) = insufficient(self.ask_section(client, section, [transaction()]))
        assert (missing.kind, missing.hash) == (pb.Missing.KIND_CODE, keccak256(b"\x5f"))

    def test_prestate_miss_in_a_call_that_reverts(self, client: Client) -> None:
        inner = bytes.fromhex("600754505f5ffd")
        outer = bytes.fromhex(f"5f5f5f5f5f73{OTHER.hex()}5af15000")
        section = listed(
            {
                SENDER: Account(balance=RICH),
                TARGET: Account(code=outer),
                OTHER: Account(code=inner, storage={1: 1}),
                COINBASE: None,
            }
        )
        (missing,) = insufficient(self.ask_section(client, section, [transaction()], [inner, outer]))
        assert (missing.kind, missing.address, missing.key) == (pb.Missing.KIND_SLOT, OTHER, key(7))

    @destroys
    def test_prestate_destroyed(self, client: Client) -> None:
        code = bytes.fromhex(f"73{OTHER.hex()}ff")  # SELFDESTRUCT, before Cancun
        section = listed(
            {
                SENDER: Account(balance=RICH),
                TARGET: Account(code=code, balance=9, storage={1: 1}),
                OTHER: None,
                COINBASE: None,
            }
        )
        post = self.ask_section(client, section, [transaction()], [code]).computed.post_state
        found = {account.address: account for account in post}
        assert found[TARGET] == pb.PostAccount(address=TARGET, deleted=True)
        assert found[OTHER].balance == b"\x09"
        # … and back, by a transfer in the same block: its slots are gone.
        again = self.ask_section(client, section, [transaction(), transaction(nonce=1, value=4)], [code]).computed
        found = {account.address: account for account in again.post_state}
        assert found[TARGET] == pb.PostAccount(
            address=TARGET, balance=b"\x04", code_hash=EMPTY_CODE, slots=[pb.PostSlot(key=key(1))]
        )

    @destroys
    def test_prestate_created_and_gone_is_not_changed(self, client: Client) -> None:
        init = bytes.fromhex("30ff")  # destroys itself, to itself
        created = keccak256(encode_item([SENDER, b""]))[12:]
        section = listed({SENDER: Account(balance=RICH), created: None, COINBASE: None})
        response = self.ask_section(client, section, [transaction(to=b"", data=init)])
        assert [account.address for account in response.computed.post_state] == sorted([SENDER, COINBASE])

    def test_prestate_created_with_storage(self, client: Client) -> None:
        init = bytes.fromhex("6007600155600254506001600360003960016000f300")  # SSTORE 1 ← 7, SLOAD 2; one byte of code
        created = keccak256(encode_item([SENDER, b""]))[12:]
        section = listed({SENDER: Account(balance=RICH), created: None, COINBASE: None})
        response = self.ask_section(client, section, [transaction(to=b"", data=init)])
        (account,) = [each for each in response.computed.post_state if each.address == created]
        assert response.computed.receipts[0].succeeded
        assert account.nonce == 1
        assert account.slots == [pb.PostSlot(key=key(1), value=b"\7")]

    def test_prestate_touched_is_not_changed(self, client: Client) -> None:
        code = bytes.fromhex(f"5f5f5f5f5f73{OTHER.hex()}5af150")
        section = listed(
            {SENDER: Account(balance=RICH), TARGET: Account(code=code), OTHER: Account(balance=1), COINBASE: None}
        )
        response = self.ask_section(client, section, [transaction()], [code])
        assert [account.address for account in response.computed.post_state] == sorted([SENDER, COINBASE])

    def test_prestate_leaves_nothing_for_proof_mode(self, client: Client) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        section = listed({SENDER: Account(balance=1), TARGET: None, COINBASE: None})
        first = ask(client, self.forks, content, pre_state_root(content))
        broken = self.ask_prestate(client, section.of(content), pre_state_root(content))
        assert broken.broken_rule.rule == pb.RULE_TRANSACTION  # what the section says counts
        assert ask(client, self.forks, content, pre_state_root(content)).computed == first.computed
        assert first.computed.state_root != state_trie({})[0]
