"""A chain of our own: Shanghai to Osaka and BPO1, every transaction type, and what clients can get wrong.

    python -m verifier.executors.stateful.embedded.sample_chain fixtures/chain

writes genesis.json and chain.rlp; the same bytes every time.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)

from machine.osaka import MODEXP_ADDRESS, P256VERIFY_ADDRESS
from machine.transaction_rules import BLOB_LIMIT, GAS_LIMIT_CAP
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from witness.chain_config import encode_chain_config, parse_chain_config
from witness.header import keccak256

from ..fake import MemorySink
from .building import GWEI, BlockPlan, ChainBuilder, address_of
from .sample_contracts import (
    ADDRESSES,
    CONTRACTS,
    EPHEMERAL,
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
from .signing import ACCESS_LIST, BLOB, DYNAMIC_FEE, LEGACY, SET_CODE, Call, Wallet, created_address
from .system_contracts import SYSTEM_CONTRACTS

CHAIN_ID = 7330001
GENESIS_TIME = 1_700_000_000
SLOT = 12  # seconds
CANCUN, PRAGUE, OSAKA, BPO1, LAST = 9, 18, 29, 34, 37  # the first block of each fork, and the last block of all
GAS_LIMIT = 30_000_000
BALANCE = 10**24  # wei
EMPTY_TRIE_ROOT = keccak256(b"\x80")
EMPTY_LIST_HASH = keccak256(b"\xc0")


def genesis_document() -> dict[str, Any]:
    """The chain's genesis.json, in geth's form."""
    alloc: dict[str, Any] = {}
    for address, code in (*SYSTEM_CONTRACTS.items(), *CONTRACTS.values()):
        alloc[address.hex()] = {"balance": "0x0", "nonce": "0x1", "code": f"0x{code.hex()}"}
    # A trie with branches, an extension and leaves from the start.
    alloc[ADDRESSES["writer"].hex()]["storage"] = {
        f"0x{slot:064x}": f"0x{slot + 1:064x}" for slot in range(0x1000, 0x1010)
    }
    for wallet in _wallets().values():
        alloc[wallet.address.hex()] = {"balance": hex(BALANCE)}
    return {
        "config": {
            "chainId": CHAIN_ID,
            "homesteadBlock": 0,
            "eip150Block": 0,
            "eip155Block": 0,
            "eip158Block": 0,
            "byzantiumBlock": 0,
            "constantinopleBlock": 0,
            "petersburgBlock": 0,
            "istanbulBlock": 0,
            "berlinBlock": 0,
            "londonBlock": 0,
            "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": True,
            "shanghaiTime": 0,
            "cancunTime": GENESIS_TIME + CANCUN * SLOT,
            "pragueTime": GENESIS_TIME + PRAGUE * SLOT,
            "osakaTime": GENESIS_TIME + OSAKA * SLOT,
            "bpo1Time": GENESIS_TIME + BPO1 * SLOT,
            "depositContractAddress": f"0x{ADDRESSES['deposits'].hex()}",
            "blobSchedule": {
                "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
                "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
                "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
                # Not mainnet's: its (max - target) / max is a third in every schedule, all alike to EIP-7918.
                "bpo1": {"target": 9, "max": 15, "baseFeeUpdateFraction": 8346193},
            },
        },
        "nonce": "0x0",
        "timestamp": hex(GENESIS_TIME),
        "extraData": "0x" + b"sample chain".hex(),
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": "0x0",
        "mixHash": f"0x{bytes(32).hex()}",
        "coinbase": f"0x{bytes(20).hex()}",
        "baseFeePerGas": hex(GWEI),
        "alloc": dict(sorted(alloc.items())),
    }


def _wallets() -> dict[str, Wallet]:
    names = ("sender", "second", "authority")
    return {name: Wallet(keccak256(f"sample chain {name}".encode()), CHAIN_ID) for name in names}


class Recipe:
    """The transactions of each block, in order. Wallets count their nonces, so a recipe is used once."""

    def __init__(self) -> None:
        wallets = _wallets()
        self._sender, self._second, self._authority = wallets["sender"], wallets["second"], wallets["authority"]
        self._mortal = self._zeros = b""

    def transactions(self, number: int) -> list[bytes]:
        """The block's transactions."""
        common = list(self._every_type(number))
        special: Callable[[], Iterator[bytes]] | None = getattr(self, f"_block_{number}", None)
        return common + (list(special()) if special is not None else [])

    def _send(self, name: str, data: bytes = b"", kind: int = DYNAMIC_FEE, **rest: Any) -> bytes:
        to = ADDRESSES.get(name) or bytes.fromhex(name)
        return self._sender.sign(kind, Call(to=to, data=data, **rest))

    def _every_type(self, number: int) -> Iterator[bytes]:
        payee = address_of(f"payee {number % 5}")
        yield self._second.sign(LEGACY, Call(to=payee, value=number, gas=21000), protected=number % 2 == 0)
        slots = (number, number + 1)
        yield self._send(
            "writer", words(number, 1, number + 1, 0), ACCESS_LIST, access_list=((ADDRESSES["writer"], slots),)
        )
        yield self._second.sign(DYNAMIC_FEE, Call(to=ADDRESSES["context"], value=1))
        if number >= CANCUN:
            yield self._blobs(number, 1 + number % 3)
        if number >= PRAGUE:
            yield self._delegation(number)

    def _blobs(self, number: int, count: int) -> bytes:
        hashes = tuple(bytes([1]) + sha256(bytes([number, index])).digest()[1:] for index in range(count))
        return self._send("blobs", kind=BLOB, blob_hashes=hashes)

    def _delegation(self, number: int) -> bytes:
        # Turn by turn: delegate to the writer, then take it back. The authority pays for nothing itself.
        target = ADDRESSES["writer"] if (number - PRAGUE) % 3 != 2 else bytes(20)
        authorization = self._authority.authorize(target, self._authority.nonce)
        self._authority.nonce += 1
        call = Call(to=self._authority.address, data=words(number, number), authorizations=(authorization,))
        return self._second.sign(SET_CODE, call)

    def _block_1(self) -> Iterator[bytes]:
        yield self._send("writer", words(*(item for slot in range(100, 164) for item in (slot, slot))), gas=3_000_000)
        yield self._send("ancestors", words(1))
        yield self._second.sign(LEGACY, Call(data=WRITER_INIT, gas=500_000))

    def _block_2(self) -> Iterator[bytes]:
        yield self._send("factory", MORTAL_INIT)
        yield self._send("logger", b"several topics")
        self._mortal = created_address(self._second.address, self._second.nonce)
        yield self._second.sign(DYNAMIC_FEE, Call(data=MORTAL_INIT, value=5, gas=500_000))

    def _block_3(self) -> Iterator[bytes]:
        # Before Cancun the account goes with its storage.
        yield self._send(self._mortal.hex())
        yield self._send("writer", words(*(item for slot in range(100, 163) for item in (slot, 0))), gas=3_000_000)

    def _block_4(self) -> Iterator[bytes]:
        yield self._send("reverting")
        yield self._send("endless", gas=100_000)
        yield self._send("transient", words(9), gas=100_000)
        yield self._send("factory", EPHEMERAL)

    def _block_5(self) -> Iterator[bytes]:
        for precompile in range(1, 10):
            yield self._send("caller", call_of(bytes([precompile]), precompile_input(precompile)))

    def _block_6(self) -> Iterator[bytes]:
        # Leaves one slot of the first sixteen: branches collapse into an extension, then into a leaf.
        yield self._send("writer", words(*(item for slot in range(0x1000, 0x100F) for item in (slot, 0))))
        yield self._send("ancestors", words(6))

    def _block_7(self) -> Iterator[bytes]:
        yield self._send("writer", words(163, 0, 0x100F, 0))
        yield self._send("writer", words(2**255, 1, 2**256 - 1, 2**256 - 1))

    def _block_9(self) -> Iterator[bytes]:
        yield self._send("transient", words(42))
        yield self._send("caller", call_of(BEACON_ROOTS_ADDRESS, words(GENESIS_TIME + CANCUN * SLOT)))

    def _block_11(self) -> Iterator[bytes]:
        # From Cancun on only what was created in the same transaction goes (EIP-6780).
        yield self._send("factory", EPHEMERAL)
        yield self._send("factory", MORTAL_INIT, value=3)
        self._mortal = created_address(self._second.address, self._second.nonce)
        yield self._second.sign(DYNAMIC_FEE, Call(data=MORTAL_INIT, value=5, gas=500_000))

    def _block_12(self) -> Iterator[bytes]:
        yield self._send(self._mortal.hex())
        yield self._send("ancestors", words(12))

    def _block_13(self) -> Iterator[bytes]:
        yield self._send("writer", words(*(item for slot in range(300, 340) for item in (slot, slot))), gas=2_000_000)

    def _block_14(self) -> Iterator[bytes]:
        yield self._send("writer", words(*(item for slot in range(300, 340) for item in (slot, 0))), gas=2_000_000)
        yield self._send("writer", words(*(item for slot in range(320, 325) for item in (slot, 7))), gas=2_000_000)

    def _block_18(self) -> Iterator[bytes]:
        yield self._send("deposits", deposit_event(1))
        yield self._send("deposits", deposit_event(2))

    def _block_19(self) -> Iterator[bytes]:
        for index in range(2):
            data = bytes([index]) * 48 + (10**9).to_bytes(8, "big")
            yield self._send(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS.hex(), data, value=GWEI)

    def _block_20(self) -> Iterator[bytes]:
        for index in range(3):  # two a block are dequeued, so the next block has one too
            data = bytes([index]) * 48 + bytes([index + 1]) * 48
            yield self._send(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS.hex(), data, value=GWEI)

    def _block_21(self) -> Iterator[bytes]:
        yield self._send("caller", call_of(HISTORY_STORAGE_ADDRESS, words(20)))
        yield self._send("caller", call_of(HISTORY_STORAGE_ADDRESS, words(3)))

    def _block_22(self) -> Iterator[bytes]:
        for precompile, length in ((11, 256), (12, 160), (13, 512), (14, 288), (15, 384), (16, 64), (17, 128)):
            yield self._send("caller", call_of(bytes([precompile]), bytes(length)))

    def _block_23(self) -> Iterator[bytes]:
        yield self._send("deposits", deposit_event(3))
        yield self._send(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS.hex(), bytes(56), value=GWEI)
        yield self._send(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS.hex(), bytes(96), value=GWEI)

    def _block_24(self) -> Iterator[bytes]:
        # More calldata than gas spent on it: the floor of EIP-7623 decides.
        yield self._second.sign(DYNAMIC_FEE, Call(to=address_of("payee 0"), data=b"\x01" * 2000, gas=200_000))
        yield self._send("caller", call_of(self._authority.address, words(1, 1)))

    def _block_25(self) -> Iterator[bytes]:
        yield self._send("caller", call_of(bytes([10]), point_evaluation()))
        yield self._send("caller", call_of(BEACON_ROOTS_ADDRESS, words(GENESIS_TIME + CANCUN * SLOT)))

    def _block_26(self) -> Iterator[bytes]:
        yield self._send("ancestors", words(26))

    def _block_28(self) -> Iterator[bytes]:
        yield self._send("ancestors", words(29))

    def _block_29(self) -> Iterator[bytes]:
        self._zeros = created_address(self._second.address, self._second.nonce)
        yield self._second.sign(DYNAMIC_FEE, Call(data=LEADING_ZEROS_INIT, gas=500_000))
        yield self._send(self._zeros.hex(), words(0, 1, 2, 2**127, 2**255 - 1, 2**255, 2**256 - 1))

    def _block_30(self) -> Iterator[bytes]:
        # Valid, another hash, too long by a byte, no key.
        other = bytes(32) + P256_SIGNATURE[32:]
        for data in (P256_SIGNATURE, other, P256_SIGNATURE + bytes(1), P256_SIGNATURE[:96] + bytes(64)):
            yield self._send("caller", call_of(P256VERIFY_ADDRESS, data))

    def _block_31(self) -> Iterator[bytes]:
        for base, exponent, modulus in ((32, 32, 32), (33, 1, 33), (8, 40, 8), (1024, 4, 1024), (1, 1, 1025)):
            data = modexp_input(b"\3" * base, b"\5" * exponent, b"\7" * modulus)
            yield self._send("caller", call_of(MODEXP_ADDRESS, data), gas=6_000_000)

    def _block_32(self) -> Iterator[bytes]:
        # The largest gas limit (EIP-7825), the most blobs (EIP-7594), and with them the most of the block.
        yield self._second.sign(DYNAMIC_FEE, Call(to=address_of("payee 2"), gas=GAS_LIMIT_CAP))
        yield self._blobs(132, BLOB_LIMIT)

    def _block_33(self) -> Iterator[bytes]:
        # The first block of BPO1 starts from an excess that its own schedule is applied to.
        yield self._blobs(133, BLOB_LIMIT)

    def _block_34(self) -> Iterator[bytes]:
        # More blobs than Osaka allows; every one counts to the excess, as blobs are cheaper than execution (EIP-7918).
        yield self._blobs(134, BLOB_LIMIT)
        yield self._blobs(234, BLOB_LIMIT)

    def _block_35(self) -> Iterator[bytes]:
        yield self._send(self._zeros.hex(), words(2**200))
        yield self._send("caller", call_of(P256VERIFY_ADDRESS, P256_SIGNATURE))

    def _block_37(self) -> Iterator[bytes]:
        yield self._send("ancestors", words(12))


def sample_genesis() -> Genesis:
    """The genesis that `genesis_document` describes."""
    document = genesis_document()
    config = parse_chain_config(encode_chain_config(document["config"]))
    accounts = {
        bytes.fromhex(address): GenesisAccount(
            balance=int(entry["balance"], 16),
            nonce=int(entry.get("nonce", "0x0"), 16),
            code=bytes.fromhex(entry.get("code", "0x")[2:]),
            storage={int(slot, 16): int(value, 16) for slot, value in entry.get("storage", {}).items()},
        )
        for address, entry in document["alloc"].items()
    }

    def quantity(value: int) -> bytes:
        return value.to_bytes((value.bit_length() + 7) // 8, "big")

    fields = (
        bytes(32),
        EMPTY_LIST_HASH,
        bytes(20),
        None,
        EMPTY_TRIE_ROOT,
        EMPTY_TRIE_ROOT,
        bytes(256),
        b"",
        b"",
        quantity(GAS_LIMIT),
        b"",
        quantity(GENESIS_TIME),
        b"sample chain",
        bytes(32),
        bytes(8),
        quantity(GWEI),
        EMPTY_TRIE_ROOT,
    )
    return Genesis(config, fields, accounts)


def sample_blocks() -> Iterator[bytes]:
    """The RLP of each block, from 1 on."""
    recipe = Recipe()
    with (
        tempfile.TemporaryDirectory(prefix="sample-chain-") as directory,
        ChainBuilder(Path(directory), sample_genesis(), MemorySink()) as builder,
    ):
        for number in range(1, LAST + 1):
            withdrawals = [
                (10 * number + index, index, address_of(f"payee {index}"), index * number)
                for index in range(number % 4)
            ]
            plan = BlockPlan(
                timestamp=GENESIS_TIME + number * SLOT,
                transactions=recipe.transactions(number),
                withdrawals=withdrawals,
                coinbase=address_of(f"coinbase {number % 3}"),
                extra_data=f"block {number}".encode(),
                random=keccak256(f"random {number}".encode()),
                parent_beacon_block_root=keccak256(f"beacon {number - 1}".encode()),
            )
            encoded, outcome = builder.add(plan)
            assert outcome.results is not None, f"block {number}: {outcome.invalid}"
            yield encoded


def write_sample_chain(directory: Path) -> None:
    """Writes genesis.json and chain.rlp. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    document = json.dumps(genesis_document(), indent=1)
    (directory / "genesis.json").write_text(document + "\n")
    (directory / "chain.rlp").write_bytes(b"".join(sample_blocks()))


if __name__ == "__main__":
    write_sample_chain(Path(sys.argv[1]))
