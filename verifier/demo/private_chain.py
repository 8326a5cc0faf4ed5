"""A chain behind the Engine API: the embedded executor, a fork choice, and a pool of transactions to build from.

For chains of our own. Not for several threads, as the executor.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from machine.configuration import Parts
from verifier.domain.block import BlockReference
from verifier.errors import UnknownBlockError
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.building import BlockPlan, build_with_requests
from verifier.executors.stateful.embedded.database import StateNodes
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.machine import PARTS
from verifier.executors.stateful.embedded.retelling import Told, retell
from verifier.executors.stateful.errors import UnbuildableBlockError
from verifier.executors.stateful.genesis import Genesis
from witness.header import decode_header
from witness.model import BlockWitness, Header, PreAccount
from witness.proven_state import ProvenState
from witness.rlp_item import list_items
from witness.store import Retention, WitnessStore

WITNESSES = 1024  # kept, by number: more than a demonstration has blocks
MOST_POOLED = 4096  # transactions; what comes then is refused
FORK_CHOICE_FILE = "fork-choice.json"
TAGS = ("latest", "safe", "finalized")


@dataclass
class PrivateChain:
    """One chain in a directory. Raises what EmbeddedExecutor raises.

    directory: the executor's database, the witnesses and the fork choice lie below it. parts: what its machine is made
    of, beside py-evm.
    """

    directory: Path
    genesis: Genesis
    parts: Parts = PARTS
    pool: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._store = WitnessStore(self.directory / "witnesses", Retention(count=WITNESSES), sync=False)
        # A demonstration need not survive a power failure; a crash of this process it does. No prestate sections: no
        # client sends them.
        self._executor = EmbeddedExecutor(
            self.directory / "state", self.genesis, self._store, sync=False, sections=False, parts=self.parts
        )
        self._tags = self._read_fork_choice()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes database and store."""
        self._executor.close()
        self._store.close()

    @property
    def chain_id(self) -> int:
        """The chain's id (EIP-155)."""
        return self.genesis.config.chain_id

    def import_block(self, encoded: bytes) -> ImportOutcome:
        """Executes a block on its parent; its witness is kept. Raises what StatefulExecutor.import_block raises."""
        return self._executor.import_block(encoded)

    def choose(self, head: bytes, safe: bytes, finalized: bytes) -> Header:
        """Makes a known block the head; the zero hash stands for none yet. Raises UnknownBlockError.

        The transactions of blocks that are left by that come back into the pool.
        """
        header = self.header(head)
        if header is None:
            raise UnknownBlockError(f"block 0x{head.hex()} is not known")
        chosen = dict(zip(TAGS, (head, safe, finalized), strict=True))
        chosen = {tag: hash_ for tag, hash_ in chosen.items() if any(hash_)}
        for tag, hash_ in chosen.items():
            if self.header(hash_) is None:
                raise UnknownBlockError(f"{tag} block 0x{hash_.hex()} is not known")
        left, joined = self._between(self.head(), header)
        if chosen != self._tags:
            self._tags = chosen
            self._write_fork_choice()
        included = {each for block in joined or [header] for each in self.transactions(block)}
        again = [each for block in left for each in self.transactions(block)]
        self.pool = [each for each in dict.fromkeys([*again, *self.pool]) if each not in included]
        return header

    def _between(self, before: Header, after: Header) -> tuple[list[Header], list[Header]]:
        """The blocks from their common ancestor up to either, oldest first."""
        left: list[Header] = []
        joined: list[Header] = []
        while before.hash != after.hash:
            if before.number >= after.number:
                left.insert(0, before)
                before = self._known(before.parent_hash)
            else:
                joined.insert(0, after)
                after = self._known(after.parent_hash)
        return left, joined

    def transactions(self, header: Header) -> list[bytes]:
        """A known block's, as a pool takes them (EIP-2718: a typed one is a string of its own bytes)."""
        encoded = self.block(header.hash)
        if encoded is None:
            return []
        _, at, _, stop = list_items(encoded)[1]
        body = encoded[at:stop]
        return [body[first if nested else start : end] for nested, first, start, end in list_items(body)]

    def build(self, parent: bytes, plan: BlockPlan) -> tuple[bytes, tuple[bytes, ...]]:
        """A block on a parent from the pool's transactions, those of them that may be included; and its requests."""
        included: list[bytes] = []
        if self.pool:
            try:
                return self._build(parent, plan, self.pool)
            except UnbuildableBlockError:
                pass  # one of them may not be included, or they are too many: each is tried
        for each in self.pool:
            try:
                self._build(parent, plan, [*included, each])
            except UnbuildableBlockError:
                continue
            included.append(each)
        return self._build(parent, plan, included)

    def _build(self, parent: bytes, plan: BlockPlan, transactions: Sequence[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
        whole = BlockPlan(
            plan.timestamp,
            tuple(transactions),
            plan.withdrawals,
            plan.coinbase,
            plan.extra_data,
            plan.random,
            plan.parent_beacon_block_root,
        )
        with self._executor.reading() as reader:
            return build_with_requests(self.genesis.config, reader, parent, whole, self.parts)

    def add_transaction(self, encoded: bytes) -> bool:
        """Takes a transaction for blocks to come; whether there was room."""
        if len(self.pool) >= MOST_POOLED:
            return False
        if encoded not in self.pool:
            self.pool.append(encoded)
        return True

    def head(self) -> Header:
        """The head of the fork choice; at first the executor's."""
        return self._known(self._tags.get("latest") or self._executor.head().hash)

    def tagged(self, tag: str) -> Header | None:
        """The "latest", "safe" or "finalized" block; None where there is none yet."""
        if tag == "latest":
            return self.head()
        return self._known(self._tags[tag]) if tag in self._tags else None

    def numbered(self, number: int) -> Header | None:
        """The block of a number on the head's chain."""
        at = self.head()
        while at.number > number:
            at = self._known(at.parent_hash)
        return at if at.number == number else None

    def header(self, block_hash: bytes) -> Header | None:
        """The header of any known valid block."""
        encoded = self.header_rlp(block_hash)
        return None if encoded is None else decode_header(encoded)

    def header_rlp(self, block_hash: bytes) -> bytes | None:
        """The RLP of a known valid block's header."""
        return self._read("headers", block_hash)

    def block(self, block_hash: bytes) -> bytes | None:
        """The RLP of a known valid block; None for the genesis block."""
        return self._read("blocks", block_hash)

    def witness(self, block_hash: bytes) -> BlockWitness | None:
        """The witness of an executed block, valid or not."""
        return self._store.open(block_hash)

    def retell(self, block_hash: bytes) -> tuple[Told, ...]:
        """What a known block's transactions did, by executing it once more. Raises UnknownBlockError."""
        with self._executor.reading() as reader:
            return retell(self.genesis.config, reader, block_hash, self.parts)

    def account(self, block_hash: bytes, address: bytes, keys: Sequence[bytes]) -> tuple[PreAccount | None, list[int]]:
        """An account after a known block, without slots, and the values of some of these. Raises UnknownBlockError."""
        root = self._known(block_hash).state_root
        with self._executor.reading() as reader:
            state = ProvenState(root, StateNodes(reader))
            account = state.account(address)
            return account, [0 if account is None else state.slot(account.storage_root, key) for key in keys]

    def reference(self, header: Header) -> BlockReference:
        """The block of a header."""
        return BlockReference(self.chain_id, header.number, header.hash)

    def _known(self, block_hash: bytes) -> Header:
        header = self.header(block_hash)
        if header is None:
            raise UnknownBlockError(f"block 0x{block_hash.hex()} is not known")
        return header

    def _read(self, table: str, block_hash: bytes) -> bytes | None:
        with self._executor.reading() as reader:
            return reader.get(table, block_hash)

    def _read_fork_choice(self) -> dict[str, bytes]:
        path = self.directory / FORK_CHOICE_FILE
        if not path.exists():
            return {}
        document: dict[str, Any] = json.loads(path.read_text())
        return {tag: bytes.fromhex(text) for tag, text in document.items()}

    def _write_fork_choice(self) -> None:
        path = self.directory / FORK_CHOICE_FILE
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({tag: hash_.hex() for tag, hash_ in self._tags.items()}))
        temporary.replace(path)
