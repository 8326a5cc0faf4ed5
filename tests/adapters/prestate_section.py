"""Prestate sections for the blocks of the tests: what a client asks for, read from the nodes of the same witness."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import rlp

from tests.adapters.real_block import trusted_root
from verifier.rpc.host.client import Client
from verifier.rpc.host.task import open_task
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.header import keccak256
from witness.model import BlockWitness, Octets, PreAccount
from witness.prestate import encode_prestate
from witness.trie import EMPTY_ROOT, PartialTrie, nodes_by_hash


class ProvenSlots(Mapping[bytes, int]):
    """One account's slots, each proven when it is asked for; iterates over those that were."""

    def __init__(self, root: bytes, nodes: Mapping[bytes, Octets]) -> None:
        self._root = root
        self._trie = PartialTrie(root, nodes)
        self._known: dict[bytes, int] = {}

    def __getitem__(self, key: bytes) -> int:
        if self._root == EMPTY_ROOT:
            raise KeyError(key)
        key = bytes(key)
        if key not in self._known:
            leaf = self._trie.get(keccak256(key))
            self._known[key] = 0 if leaf is None else int.from_bytes(rlp.decode(leaf), "big")
        return self._known[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class ProvenAccounts(Mapping[bytes, PreAccount | None]):
    """Accounts before a block, each proven when it is asked for; iterates over those that were."""

    def __init__(self, root: bytes, nodes: Mapping[bytes, Octets]) -> None:
        self._trie = PartialTrie(root, nodes)
        self._nodes = nodes
        self._known: dict[bytes, PreAccount | None] = {}

    def __getitem__(self, address: bytes) -> PreAccount | None:
        address = bytes(address)
        if address not in self._known:
            leaf = self._trie.get(keccak256(address))
            account = None
            if leaf is not None:
                nonce, balance, root, code_hash = rlp.decode(leaf)
                numbers = int.from_bytes(nonce, "big"), int.from_bytes(balance, "big")
                account = PreAccount(*numbers, root, code_hash, ProvenSlots(root, self._nodes))
            self._known[address] = account
        return self._known[address]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass
class Section:
    """The accounts of a section, to be changed by a test. slots: key → value."""

    accounts: dict[bytes, PreAccount | None]

    def of(self, content: BlockWitness) -> BlockWitness:
        """The file with this section, and without the nodes."""
        witness = replace(content.witness, state=[])
        return replace(content, prestate=encode_prestate(self.accounts), witness=witness)

    def without(self, address: bytes, key: bytes | None = None) -> "Section":
        """The section with one account or slot less."""
        accounts = dict(self.accounts)
        account = accounts.pop(address)
        if key is not None:
            assert account is not None
            slots = {each: value for each, value in account.slots.items() if each != key}
            accounts[address] = replace(account, slots=slots)
        return Section(accounts)


def derive(content: BlockWitness, forks: tuple[str, ...], *clients: Client) -> Section:
    """What these clients ask for when they execute the block over its section."""
    root = trusted_root(content)
    request = pb.ExecuteRequest(
        content=encode_witness_file(content), block_hash=content.hash, pre_state_root=root, parent_header_optional=True
    )
    task = open_task(request, forks)
    proven = ProvenAccounts(root, nodes_by_hash(task.nodes))
    for client in clients:
        response = client.execute(replace(task, prestate=proven))
        assert response.WhichOneof("outcome") == "computed", response
    return Section(
        {
            address: None if account is None else replace(account, slots=dict(account.slots))
            for address, account in proven.items()
        }
    )
