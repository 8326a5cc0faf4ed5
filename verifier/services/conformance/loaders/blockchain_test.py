"""BlockchainTests of ethereum/tests, and `blockchain_tests` of execution-spec-tests: several tests a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verifier.domain.conformance import CaseName, Expected
from verifier.executors.stateful.genesis import Genesis
from witness.errors import EncodingError
from witness.header import decode_header, keccak256
from witness.rlp_encoding import encode_item
from witness.rlp_item import list_items

from ..case import Case, CaseBlock
from .accounts import parse_accounts
from .broken_rules import classes_besides
from .document import integer_octets, mapping, octets, quantity, sequence, text
from .errors import FixtureError
from .networks import network_config

EXCEPTION_KEY = "expectException"
UNSPECIFIED = "unspecified"  # an invalid block of which the fixture does not say why
# A genesis header's JSON keys in the order of its encoding, with the length in bytes; 0 is a quantity, -1 any length.
HEADER_KEYS = (
    ("parentHash", 32),
    ("uncleHash", 32),
    ("coinbase", 20),
    ("stateRoot", 32),
    ("transactionsTrie", 32),
    ("receiptTrie", 32),
    ("bloom", 256),
    ("difficulty", 0),
    ("number", 0),
    ("gasLimit", 0),
    ("gasUsed", 0),
    ("timestamp", 0),
    ("extraData", -1),
    ("mixHash", 32),
    ("nonce", 8),
    ("baseFeePerGas", 0),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", 0),
    ("excessBlobGas", 0),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
    ("blockAccessListHash", 32),
    ("slotNumber", 0),
)
REQUIRED_KEYS = 15


@dataclass(frozen=True, slots=True)
class FixtureBlock:
    """One block of a test. encoded: its RLP, which may be anything where the block is invalid.

    exception: why it is invalid, in the fixture's words (alternatives separated by |); None for a valid block.
    stated_hash: the hash that the fixture gives, if it does. misfit: why what the fixture gives is no such block, "" if
    it is one.
    """

    encoded: bytes
    exception: str | None = None
    stated_hash: bytes | None = None
    misfit: str = ""


@dataclass(frozen=True, slots=True)
class BlockchainTest:
    """One test: a chain of its own. last_block_hash: the head it should end with."""

    name: str
    network: str
    genesis: Genesis
    blocks: tuple[FixtureBlock, ...]
    last_block_hash: bytes | None

    def genesis_rlp(self) -> bytes:
        """The RLP of the genesis block's header, which a fixture states in full."""
        return encode_item([each or b"" for each in self.genesis.header_fields])


def case_of(test: BlockchainTest, name: CaseName) -> Case:
    """The test as a run takes it."""
    return Case(name, tuple(map(_case_block, test.blocks)), test.genesis, test.last_block_hash)


def _case_block(block: FixtureBlock) -> CaseBlock:
    expected = Expected.VALID if block.exception is None else Expected.INVALID
    exception = "" if block.exception in (None, UNSPECIFIED) else str(block.exception)
    besides = frozenset() if block.exception is None else classes_besides(block.encoded)
    return CaseBlock(block.encoded, expected, exception, besides, block.stated_hash, block.misfit)


def genesis_of(test: dict[str, Any], network: str) -> Genesis:
    """The genesis of a fixture. Raises FixtureError, also if the header has not the hash stated for it."""
    config = network_config(network, test.get("config"))
    header = mapping(test.get("genesisBlockHeader"), "genesisBlockHeader")
    fields = tuple(_header_items(header))
    if "hash" in header:
        stated = octets(header["hash"], "genesisBlockHeader.hash", 32)
        encoded = encode_item(list(fields))
        if keccak256(encoded) != stated:
            raise FixtureError(f"genesisBlockHeader: its hash is 0x{keccak256(encoded).hex()}, not 0x{stated.hex()}")
    return Genesis(config, fields, parse_accounts(test.get("pre"), "pre"))


def _header_items(header: dict[str, Any]) -> Iterator[bytes]:
    for index, (key, length) in enumerate(HEADER_KEYS):
        if index >= REQUIRED_KEYS and key not in header:
            return
        if length == 0:
            yield integer_octets(quantity(header.get(key), key))
        else:
            yield octets(header.get(key), key, None if length < 0 else length)


def parse_blockchain_test(name: str, value: Any) -> BlockchainTest:
    """One test out of a parsed file. Raises FixtureError."""
    test = mapping(value, "test")
    network = text(test.get("network"), "network")
    blocks = tuple(_block(entry, index) for index, entry in enumerate(sequence(test.get("blocks"), "blocks")))
    last = test.get("lastblockhash")
    return BlockchainTest(
        name=name,
        network=network,
        genesis=genesis_of(test, network),
        blocks=blocks,
        last_block_hash=None if last is None else octets(last, "lastblockhash", 32),
    )


def _block(value: Any, index: int) -> FixtureBlock:
    where = f"blocks[{index}]"
    entry = mapping(value, where)
    exception = entry.get(EXCEPTION_KEY)
    # Older fixtures: one key a network, and only the header tells a valid block from an invalid one.
    if exception is None:
        exception = next((entry[key] for key in entry if key.startswith(EXCEPTION_KEY)), None)
    header = entry.get("blockHeader")
    if exception is None and header is None:
        exception = UNSPECIFIED
    stated = mapping(header, f"{where}.blockHeader").get("hash") if header is not None else None
    return FixtureBlock(
        encoded=octets(entry.get("rlp"), f"{where}.rlp"),
        exception=None if exception is None else text(exception, f"{where}.{EXCEPTION_KEY}"),
        stated_hash=None if stated is None else octets(stated, f"{where}.blockHeader.hash", 32),
    )


def block_hash(encoded: bytes) -> bytes | None:
    """The hash of a block, if its header can be told from the rest."""
    try:
        items = list_items(encoded)
        if not items or not items[0][0]:
            return None
        _, start, _, end = items[0]
        return decode_header(encoded[start:end]).hash
    except EncodingError:
        return None
