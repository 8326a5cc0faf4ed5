"""The seam to whoever has the state after a block and tells values of it: the execution client, with proofs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from verifier.domain.whole_state import Keys
from witness.errors import WitnessError
from witness.formats.json_field import as_list, as_object, as_octets, as_quantity, hex_octets
from witness.header import HASH_LENGTH, keccak256
from witness.model import PostAccount, PostState

from .engine_api import ExecutionRpc
from .errors import ExecutionClientError

METHOD = "eth_getProof"  # EIP-1186; of a block by its hash (EIP-1898)
AT_ONCE = 8  # requests: a block touches hundreds of accounts, and the client follows the chain as well
NO_CODE = keccak256(b"")


class StateReader(Protocol):
    """Whoever has the state after a block."""

    @property
    def name(self) -> str:
        """As in its votes."""

    async def read(self, block_hash: bytes, keys: Keys) -> PostState:
        """The accounts and slots after the block; None: there is no such account. Raises ExecutionClientError."""


@dataclass
class FakeStateReader:
    """A reader that has one state."""

    name: str
    state: PostState
    asked: list[bytes] = field(default_factory=list)

    async def read(self, block_hash: bytes, keys: Keys) -> PostState:
        """What was given of each account; the slots that it has besides are zero."""
        self.asked.append(block_hash)
        read: dict[bytes, PostAccount | None] = {}
        for address, slots in keys.items():
            held = self.state.get(address)
            values = {key: held.slots.get(key, 0) for key in slots} if held is not None else {}
            read[address] = None if held is None else PostAccount(held.nonce, held.balance, held.code_hash, values)
        return read


class RpcStateReader:
    """The execution client's state, over JSON-RPC. name: of its vote."""

    def __init__(self, client: ExecutionRpc, name: str) -> None:
        self.name = name
        self._client = client
        self._places = asyncio.Semaphore(AT_ONCE)

    async def read(self, block_hash: bytes, keys: Keys) -> PostState:
        """As StateReader.read. Its values are taken as they are: what the client says, not what is so."""
        addresses = sorted(keys)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._account(block_hash, each, keys[each])) for each in addresses]
        accounts: dict[bytes, PostAccount | None] = {}
        for address, task in zip(addresses, tasks, strict=True):
            found = task.result()
            if isinstance(found, ExecutionClientError):
                raise found
            accounts[address] = found
        return accounts

    async def _account(
        self, block_hash: bytes, address: bytes, slots: frozenset[bytes]
    ) -> PostAccount | ExecutionClientError | None:
        """An error is given back: a group of tasks would wrap it."""
        keys = [hex_octets(each) for each in sorted(slots)]
        try:
            async with self._places:
                answer = await self._client.call(
                    METHOD, hex_octets(address), keys, {"blockHash": hex_octets(block_hash)}
                )
            return _decode(answer, slots)
        except ExecutionClientError as error:
            return error
        except WitnessError as error:
            return ExecutionClientError(f"{METHOD}: {error!s:.300}")


def _decode(answer: Any, slots: frozenset[bytes]) -> PostAccount | None:
    document = as_object(answer, "result")
    nonce, balance = as_quantity(document.get("nonce"), "nonce"), as_quantity(document.get("balance"), "balance")
    code_hash = as_octets(document.get("codeHash"), "codeHash", HASH_LENGTH)
    # There are no empty accounts (EIP-161): geth tells an absent one with zeros, others with the hash of no code.
    if not nonce and not balance and code_hash in (NO_CODE, bytes(HASH_LENGTH)):
        return None
    values: Mapping[bytes, int] = dict(map(_slot, as_list(document.get("storageProof"), "storageProof")))
    if values.keys() != slots:
        raise ExecutionClientError(f"{METHOD}: {len(values)} slots, asked for {len(slots)}")
    return PostAccount(nonce, balance, code_hash, values)


def _slot(value: Any) -> tuple[bytes, int]:
    document = as_object(value, "storageProof[]")
    # geth gives a key back as it was asked for, others without its leading zeros.
    return as_quantity(document.get("key"), "key").to_bytes(HASH_LENGTH, "big"), as_quantity(
        document.get("value"), "value"
    )
