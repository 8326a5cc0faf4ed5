"""CLZ, MODEXP and P256VERIFY on extreme and random inputs, in blocks that every client executes.

The embedded executor makes the blocks: by its own Osaka (`machine`), which nobody else has. Each result goes into
storage, so one wrong bit in one client's answer, or one unit of gas, is another state root. The inputs are the same in
every run; VERIFIER_SEED takes others.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from machine.blob_gas import BLOB_BASE_COST, blob_base_fee
from machine.osaka import MODEXP_ADDRESS, P256VERIFY_ADDRESS
from machine.signature import FIELD, GENERATOR, ORDER
from machine.transaction_rules import BLOB_LIMIT
from tests.end_to_end.running import RunningAdapters
from tests.machine.signatures import encoded, first_point, forged, key_of, signed
from verifier.domain.vote import VoteKind
from verifier.executors.stateful.embedded.building import BlockPlan, ChainBuilder
from verifier.executors.stateful.embedded.sample_chain import GENESIS_TIME, SLOT, sample_genesis
from verifier.executors.stateful.embedded.sample_contracts import (
    ADDRESSES,
    LEADING_ZEROS,
    call_of,
    modexp_input,
    words,
)
from verifier.executors.stateful.embedded.signing import BLOB, DYNAMIC_FEE, Call, Wallet
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from witness.chain_config import ChainConfig
from witness.header import decode_block_header, keccak256
from witness.store import WitnessStore

SEED = int(os.environ.get("VERIFIER_SEED", "7951"))
BLOCKS = 18
FIRST_BASE_FEE = 22  # wei, falling; above 16 blobs are cheaper than execution, below they are not (EIP-7918)
BASE_FEE_FIELD = 15  # of a header
SHANGHAI_FIELDS = 17
GAS_PER_BLOB = 131_072
ZEROS = b"\x1e" * 20
# In bytes; the edges of EIP-7883 and EIP-7823.
LENGTHS = (0, 1, 2, 8, 31, 32, 33, 40, 64, 65, 127, 128, 256, 1023, 1024, 1025)
STATED_LENGTHS = (0, 1, 1024, 1025, 2**64, 2**255)  # with hardly any input behind them


@dataclass
class Inputs:
    """Inputs of the precompiles, one after the other."""

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def number(self, length: int) -> bytes:
        """A number of this many bytes: zero, one, the largest, small, or any."""
        small = self.chance.randbytes(min(length, 3)).rjust(length, b"\0")
        one = b"\1".rjust(length, b"\0")[:length]
        return self.chance.choice((bytes(length), one, b"\xff" * length, small, self.chance.randbytes(length)))

    def modexp(self) -> bytes:
        """Input of MODEXP, complete, cut short or too long."""
        if self.chance.random() < 0.2:
            return words(*(self.chance.choice(STATED_LENGTHS) for _ in range(3))) + self.chance.randbytes(40)
        base, exponent, modulus = (self.number(self.chance.choice(LENGTHS)) for _ in range(3))
        data = modexp_input(base, exponent[:300], modulus)
        if self.chance.random() < 0.2:
            return data[: self.chance.randrange(len(data) + 1)]
        return data + bytes(self.chance.choice((0, 0, 0, 7)))

    def signature(self) -> bytes:
        """Input of P256VERIFY: valid at some edge, or invalid by one thing."""
        chance = self.chance
        hash_ = chance.choice((0, 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1, chance.getrandbits(256)))
        secret = chance.choice((1, 2, ORDER - 1, ORDER - 2, chance.randrange(1, ORDER)))
        nonce = chance.choice((1, 2, ORDER - 1, chance.randrange(1, ORDER)))
        kind = chance.randrange(6)
        if kind == 0:
            return encoded(hash_, *signed(secret, hash_, nonce), *key_of(secret))
        if kind == 1:  # a key with an extreme x, and what is beyond the ranges
            key = first_point(chance.choice((0, 5, ORDER, FIELD - 2000, chance.getrandbits(255))))
            own, r, s = forged(key, chance.randrange(1, ORDER), chance.randrange(1, ORDER))
            x, y = int(key.x), int(key.y)
            changed = (
                (own, r, s, x, y),
                (own, r, ORDER - s, x, y),
                (own, r, s, (x + FIELD) % 2**256, y),
                (own, r, s, x, FIELD - y),
                (own, (r + ORDER) % 2**256, s, x, y),
            )
            return encoded(*chance.choice(changed))
        if kind == 2:  # a nonce whose x is above the order
            point = first_point(ORDER + chance.randrange(1000))
            r, s = int(point.x) - ORDER, chance.randrange(1, ORDER)
            key = (point * s + -(GENERATOR * (hash_ % ORDER or ORDER))) * pow(r, -1, ORDER)
            return encoded(hash_, r, s, int(key.x), int(key.y))
        if kind == 3:  # the sum is the point at infinity
            r, s = chance.randrange(1, ORDER), chance.randrange(1, ORDER)
            return encoded(-r * secret % ORDER, r, s, *key_of(secret))
        if kind == 4:  # the sum is a doubling
            own = int((GENERATOR * nonce).x) * secret % ORDER
            return encoded(own, *signed(secret, own, nonce), *key_of(secret))
        data = bytearray(encoded(hash_, *signed(secret, hash_, nonce), *key_of(secret)))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(data)[: chance.choice((160, 160, 159, 96))] + bytes(chance.choice((0, 0, 1, 64)))

    def transactions(self, sender: Wallet, blobs: int) -> Iterator[bytes]:
        """The transactions of one block, with this many blobs."""
        counted = (self.chance.getrandbits(self.chance.randrange(1, 257)) for _ in range(8))
        yield sender.sign(DYNAMIC_FEE, Call(to=ZEROS, data=words(0, *counted), gas=600_000))
        for _ in range(7):
            if self.chance.random() < 0.5:
                called = call_of(MODEXP_ADDRESS, self.modexp())
            else:
                called = call_of(P256VERIFY_ADDRESS, self.signature())
            yield sender.sign(DYNAMIC_FEE, Call(to=ADDRESSES["caller"], data=called, gas=3_000_000))
        while blobs:
            count = min(blobs, self.chance.randrange(1, BLOB_LIMIT + 1))
            hashes = tuple(b"\1" + self.chance.randbytes(31) for _ in range(count))
            yield sender.sign(BLOB, Call(to=ADDRESSES["blobs"], blob_hashes=hashes, blob_price=10**6))
            blobs -= count


def genesis() -> Genesis:
    """The chain of our own as one that starts with Osaka, with BPO1 and BPO2, and with next to no base fee."""
    own = sample_genesis()
    document: dict[str, Any] = {
        **own.config.document,
        **dict.fromkeys(("cancunTime", "pragueTime", "osakaTime"), 0),
        "bpo1Time": GENESIS_TIME + SLOT * BLOCKS // 3,
        "bpo2Time": GENESIS_TIME + SLOT * BLOCKS * 2 // 3,
    }
    document["blobSchedule"] = {
        **document["blobSchedule"],
        "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11684671},
    }
    shanghai = (*own.header_fields[:BASE_FEE_FIELD], bytes([FIRST_BASE_FEE]), *own.header_fields[BASE_FEE_FIELD + 1 :])
    assert len(shanghai) == SHANGHAI_FIELDS
    # What Cancun and Prague add: no blob gas, no beacon block before it, no requests.
    fields = (*shanghai, b"", b"", bytes(32), sha256().digest())
    accounts = {**own.accounts, ZEROS: GenesisAccount(nonce=1, code=LEADING_ZEROS)}
    return Genesis(ChainConfig(own.config.chain_id, document), fields, accounts)


@pytest.mark.timeout(900)
def test_every_client_computes_the_same(adapters: RunningAdapters, tmp_path: Path) -> None:
    inputs = Inputs()
    start = genesis()
    sender = Wallet(keccak256(b"sample chain sender"), start.config.chain_id)
    forks: set[str] = set()
    above_bound: set[bool] = set()
    with WitnessStore(tmp_path / "witnesses", sync=False) as store, ChainBuilder(tmp_path / "s", start, store) as chain:
        for number in range(1, BLOCKS + 1):
            timestamp = GENESIS_TIME + number * SLOT
            schedule = start.config.blob_schedule(start.config.fork(number, timestamp, paris=True))
            assert schedule is not None
            # Always above the target, so that there is an excess, and as many as there may be in every third block.
            blobs = schedule.maximum if number % 3 == 0 else schedule.target + 1
            encoded_block, outcome = chain.add(BlockPlan(timestamp, tuple(inputs.transactions(sender, blobs))))
            assert outcome.results is not None, outcome.invalid
            assert outcome.path is not None
            report = adapters.judge_file(outcome.path)
            for vote in report.votes:
                assert vote.kind is VoteKind.VALID, (SEED, number, outcome.fork, vote)
            forks.add(outcome.fork)
            header = decode_block_header(encoded_block)
            if header.excess_blob_gas and header.base_fee:
                price = GAS_PER_BLOB * blob_base_fee(schedule, header.excess_blob_gas)
                above_bound.add(BLOB_BASE_COST * header.base_fee <= price)
    assert forks == {"osaka", "bpo1", "bpo2"}
    assert above_bound == {True, False}
