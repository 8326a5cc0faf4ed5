"""Transactions of every type that do what clients can get wrong, different in every block."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import rlp

from verifier.executors.stateful.embedded.building import GWEI, address_of
from verifier.executors.stateful.embedded.sample_contracts import (
    ADDRESSES,
    EPHEMERAL,
    INFINITY_G1,
    LEADING_ZEROS_INIT,
    MORTAL_INIT,
    P256_SIGNATURE,
    WRITER_INIT,
    call_of,
    deposit_event,
    modexp_input,
    point_evaluation,
    precompile_input,
    words,
)
from verifier.executors.stateful.embedded.signing import (
    ACCESS_LIST,
    BLOB,
    DYNAMIC_FEE,
    LEGACY,
    SET_CODE,
    Call,
    Wallet,
    created_address,
)
from verifier.executors.stateful.embedded.system_contracts import SYSTEM_CONTRACTS
from witness.chain_config import FORKS

from .genesis import wallets

BLOB_SIZE = 131072  # bytes (EIP-4844)
CELLS = 128  # of an extended blob (EIP-7594)
CELL_PROOFS = b"\x01"  # version of a blob transaction's wrapper with a proof a cell (EIP-7594)
MODEXP, POINT_EVALUATION, P256VERIFY = bytes([5]), bytes([10]), bytes([1, 0])
BEACON_ROOTS, HISTORY, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS = SYSTEM_CONTRACTS
# The zero polynomial's commitment and proofs are all the point at infinity.
BLOB_HASH = b"\x01" + sha256(INFINITY_G1).digest()[1:]


class Traffic:
    """The transactions of a private chain at one fork. Wallets count nonces, so what it gives has to be sent."""

    def __init__(self, fork: str) -> None:
        self._reached = FORKS.index(fork)
        self._wallets = wallets()
        self._mortal = self._zeros = b""
        kinds = (
            ("paris", self._writes),
            ("paris", self._clears),
            ("paris", self._ancestors),
            ("paris", self._creations),
            ("paris", self._destruction),
            ("paris", self._logs_and_failures),
            ("paris", self._precompiles),
            ("cancun", self._transient),
            ("cancun", self._system_contracts),
            ("prague", self._deposits),
            ("prague", self._requests),
            ("prague", self._curves),
            ("prague", self._floor),
            ("osaka", self._leading_zeros),
            ("osaka", self._signatures),
            ("osaka", self._exponentiations),
        )
        self._kinds: list[Callable[[int], Iterator[bytes]]] = [kind for fork, kind in kinds if self._has(fork)]

    @property
    def period(self) -> int:
        """After how many numbers every kind has come."""
        return len(self._kinds)

    def transactions(self, number: int) -> list[bytes]:
        """Transactions for block `number`, as a pool takes them: those with blobs bring them along (EIP-4844)."""
        return [*self._every_type(number), *self._kinds[number % len(self._kinds)](number)]

    def _has(self, fork: str) -> bool:
        return self._reached >= FORKS.index(fork)

    def _call(self, name: str, data: bytes = b"", kind: int = DYNAMIC_FEE, **rest: Any) -> bytes:
        return self._calls.sign(kind, Call(to=ADDRESSES[name], data=data, **rest))

    def _send(self, to: bytes, data: bytes = b"", **rest: Any) -> bytes:
        return self._calls.sign(DYNAMIC_FEE, Call(to=to, data=data, **rest))

    @property
    def _calls(self) -> Wallet:
        return self._wallets["calls"]

    def _every_type(self, number: int) -> Iterator[bytes]:
        transfers = self._wallets["transfers"]
        payee = address_of(f"payee {number % 7}")
        # With and without EIP-155.
        yield transfers.sign(LEGACY, Call(to=payee, value=number, gas=300_000), protected=number % 2 == 0)
        slots = (number, number + 1)
        access_list = ((ADDRESSES["writer"], slots),)
        yield self._call("writer", words(number, 1, number + 1, 0), ACCESS_LIST, access_list=access_list)
        yield transfers.sign(DYNAMIC_FEE, Call(to=ADDRESSES["context"], value=1, gas=2_000_000))
        # Before Osaka recent pools take no blobs that they would then put into a block.
        if self._has("osaka"):
            yield self._blobs(1 + number % 3)
        if self._has("prague"):
            yield self._delegation(number)

    def _blobs(self, count: int) -> bytes:
        call = Call(to=ADDRESSES["blobs"], blob_hashes=(BLOB_HASH,) * count)
        body = rlp.decode(self._wallets["blobs"].sign(BLOB, call)[1:])
        wrapper = [
            body,
            CELL_PROOFS,
            [bytes(BLOB_SIZE)] * count,
            [INFINITY_G1] * count,
            [INFINITY_G1] * (count * CELLS),
        ]
        return bytes([BLOB]) + bytes(rlp.encode(wrapper))

    def _delegation(self, number: int) -> bytes:
        # Turn by turn: delegate to the writer, then take it back. The authority pays for nothing itself.
        authority = self._wallets["authority"]
        target = ADDRESSES["writer"] if number % 3 else bytes(20)
        authorization = authority.authorize(target, authority.nonce)
        authority.nonce += 1
        call = Call(to=authority.address, data=words(number, number), authorizations=(authorization,))
        return self._wallets["delegations"].sign(SET_CODE, call)

    def _writes(self, number: int) -> Iterator[bytes]:
        first = number * 64
        yield self._call(
            "writer", words(*(item for slot in range(first, first + 24) for item in (slot, slot + 1))), gas=4_000_000
        )
        yield self._call("writer", words(2**255 + number, 1, 2**256 - 1 - number, 2**256 - 1))

    def _clears(self, number: int) -> Iterator[bytes]:
        # What the number before wrote, but for one slot: branches collapse.
        first = (number - 1) * 64
        yield self._call("writer", words(*(item for slot in range(first, first + 23) for item in (slot, 0))))
        if number < len(self._kinds):  # leaves one slot of the genesis block's sixteen
            yield self._call("writer", words(*(item for slot in range(0x1000, 0x100F) for item in (slot, 0))))

    def _ancestors(self, number: int) -> Iterator[bytes]:
        yield self._call("ancestors", words(min(number - 1, 20)), gas=4_000_000)

    def _creations(self, number: int) -> Iterator[bytes]:
        yield self._call("factory", MORTAL_INIT, value=number, gas=3_000_000)
        yield self._call("factory", EPHEMERAL, gas=3_000_000)
        yield self._wallets["transfers"].sign(LEGACY, Call(data=WRITER_INIT, gas=2_000_000))
        self._mortal = created_address(self._calls.address, self._calls.nonce)
        yield self._send(b"", MORTAL_INIT, value=number, gas=2_000_000)

    def _destruction(self, number: int) -> Iterator[bytes]:
        if self._mortal:
            yield self._send(self._mortal, value=number)
        yield self._call("factory", EPHEMERAL, gas=3_000_000)

    def _logs_and_failures(self, number: int) -> Iterator[bytes]:
        yield self._call("logger", b"several topics %d" % number)
        yield self._call("reverting", words(number))
        yield self._call("endless", gas=100_000)

    def _precompiles(self, number: int) -> Iterator[bytes]:
        for precompile in range(1, 10):
            yield self._call("caller", call_of(bytes([precompile]), precompile_input(precompile)), value=number % 2)
        if self._has("cancun"):
            yield self._call("caller", call_of(POINT_EVALUATION, point_evaluation()))

    def _transient(self, number: int) -> Iterator[bytes]:
        yield self._call("transient", words(number))

    def _system_contracts(self, number: int) -> Iterator[bytes]:
        yield self._call("caller", call_of(BEACON_ROOTS, words(number)))
        if self._has("prague"):
            yield self._call("caller", call_of(HISTORY, words(number - 2)))

    def _deposits(self, number: int) -> Iterator[bytes]:
        for index in range(1 + number % 2):
            yield self._call("deposits", deposit_event(1 + (number + index) % 200))

    def _requests(self, number: int) -> Iterator[bytes]:
        for index in range(3):  # two consolidations a block are dequeued, so the next block has one too
            key = bytes([index, number % 256]) * 24
            yield self._send(CONSOLIDATION_REQUESTS, key + key, value=GWEI)
            yield self._send(WITHDRAWAL_REQUESTS, key + GWEI.to_bytes(8, "big"), value=GWEI)

    def _curves(self, number: int) -> Iterator[bytes]:
        for precompile, length in ((11, 256), (12, 160), (13, 512), (14, 288), (15, 384), (16, 64), (17, 128)):
            yield self._call("caller", call_of(bytes([precompile]), bytes(length)), value=number % 2)

    def _floor(self, number: int) -> Iterator[bytes]:
        # More calldata than gas spent on it: the floor of EIP-7623 decides.
        yield self._send(address_of("payee 0"), b"\x01" * (2000 + number))
        yield self._call("caller", call_of(self._wallets["authority"].address, words(number, 1)))

    def _leading_zeros(self, number: int) -> Iterator[bytes]:
        if not self._zeros:
            self._zeros = created_address(self._calls.address, self._calls.nonce)
            yield self._send(b"", LEADING_ZEROS_INIT, gas=2_000_000)
        yield self._send(self._zeros, words(0, 1, number, 2**127, 2**255 - 1, 2**255, 2**256 - 1), gas=2_000_000)

    def _signatures(self, number: int) -> Iterator[bytes]:
        # Valid, another hash, too long by a byte, no key.
        other = words(number) + P256_SIGNATURE[32:]
        for data in (P256_SIGNATURE, other, P256_SIGNATURE + bytes(1), P256_SIGNATURE[:96] + bytes(64)):
            yield self._call("caller", call_of(P256VERIFY, data))

    def _exponentiations(self, number: int) -> Iterator[bytes]:
        for base, exponent, modulus in ((32, 32, 32), (33, 1, 33), (8, 40, 8), (1024, 4, 1024), (1, 1, 1025)):
            data = modexp_input(bytes([number % 256]) * base, b"\5" * exponent, b"\7" * modulus)
            yield self._call("caller", call_of(MODEXP, data), gas=6_000_000)


def in_block(transaction: bytes) -> bytes:
    """A transaction as a block has it: without the blobs that it brought along to the pool."""
    if transaction[0] != BLOB:
        return transaction
    body, *_ = rlp.decode(transaction[1:])
    return bytes([BLOB]) + bytes(rlp.encode(body))
