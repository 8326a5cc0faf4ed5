"""Genesis documents: geth's genesis.json, and those of hive, whose fork schedule may be HIVE_* variables instead.

    {"config": {...}, "alloc": {address: {"balance", "nonce", "code", "storage"}}, "difficulty", "gasLimit", ...}

What the header contains follows from the forks active at block 0 (EIP-1559, 4895, 4844, 4788, 7685, 7928), as in
geth's `core.Genesis.ToBlock`, with the same defaults. The state root is computed from `alloc`.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

from verifier.executors.stateful.genesis import Genesis
from witness.chain_config import FORKS, ChainConfig, encode_chain_config, parse_chain_config
from witness.errors import ChainConfigError
from witness.header import keccak256

from .accounts import parse_accounts
from .document import integer_octets, mapping, octets, parse_json, quantity, read_document
from .errors import FixtureError

EMPTY_TRIE_ROOT = keccak256(b"\x80")
EMPTY_LIST_HASH = keccak256(b"\xc0")
EMPTY_REQUESTS_HASH = sha256(b"").digest()
DEFAULT_GAS_LIMIT = 4712388  # geth, params.GenesisGasLimit
DEFAULT_DIFFICULTY = 131072  # geth, params.GenesisDifficulty
DEFAULT_BASE_FEE = 10**9  # wei, EIP-1559
NONCE_LENGTH, BLOOM_LENGTH, ADDRESS_LENGTH, HASH_LENGTH = 8, 256, 20, 32

HIVE_BLOCKS = {
    "HIVE_FORK_HOMESTEAD": ("homesteadBlock",),
    "HIVE_FORK_DAO_BLOCK": ("daoForkBlock",),
    "HIVE_FORK_TANGERINE": ("eip150Block",),
    "HIVE_FORK_SPURIOUS": ("eip155Block", "eip158Block"),
    "HIVE_FORK_BYZANTIUM": ("byzantiumBlock",),
    "HIVE_FORK_CONSTANTINOPLE": ("constantinopleBlock",),
    "HIVE_FORK_PETERSBURG": ("petersburgBlock",),
    "HIVE_FORK_ISTANBUL": ("istanbulBlock",),
    "HIVE_FORK_MUIR_GLACIER": ("muirGlacierBlock",),
    "HIVE_FORK_BERLIN": ("berlinBlock",),
    "HIVE_FORK_LONDON": ("londonBlock",),
    "HIVE_FORK_ARROW_GLACIER": ("arrowGlacierBlock",),
    "HIVE_FORK_GRAY_GLACIER": ("grayGlacierBlock",),
    "HIVE_MERGE_BLOCK_ID": ("mergeNetsplitBlock",),
    "HIVE_CHAIN_ID": ("chainId",),
    "HIVE_TERMINAL_TOTAL_DIFFICULTY": ("terminalTotalDifficulty",),
}
TIMED = ("shanghai", "cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5", "amsterdam")


def hive_config(environment: dict[str, Any]) -> dict[str, Any]:
    """A geth-style config from hive's HIVE_* variables. Raises FixtureError."""
    config: dict[str, Any] = {}
    for variable, keys in HIVE_BLOCKS.items():
        if variable in environment:
            config.update(dict.fromkeys(keys, quantity(environment[variable], variable)))
    if "daoForkBlock" in config:
        config["daoForkSupport"] = True
    schedule: dict[str, dict[str, int]] = {}
    for fork in TIMED:
        prefix = f"HIVE_{fork.upper()}"
        if f"{prefix}_TIMESTAMP" in environment:
            config[f"{fork}Time"] = quantity(environment[f"{prefix}_TIMESTAMP"], f"{prefix}_TIMESTAMP")
        if f"{prefix}_BLOB_TARGET" in environment:
            names = {"target": "TARGET", "max": "MAX", "baseFeeUpdateFraction": "BASE_FEE_UPDATE_FRACTION"}
            schedule[fork] = {
                key: quantity(environment.get(f"{prefix}_BLOB_{name}"), f"{prefix}_BLOB_{name}")
                for key, name in names.items()
            }
    if schedule:
        config["blobSchedule"] = schedule
    if "HIVE_DEPOSIT_CONTRACT_ADDRESS" in environment:
        config["depositContractAddress"] = environment["HIVE_DEPOSIT_CONTRACT_ADDRESS"]
    return config


def checked_config(document: dict[str, Any]) -> ChainConfig:
    """The chain config in a geth-style config object. Raises FixtureError."""
    try:
        config = parse_chain_config(encode_chain_config(document))
        for fork in FORKS:
            config.blob_schedule(fork)
    except (ChainConfigError, TypeError, ValueError, AttributeError) as error:
        raise FixtureError(f"config: {error}") from None
    terminal = config.document.get("terminalTotalDifficulty")
    if terminal is not None:
        config.document["terminalTotalDifficulty"] = quantity(terminal, "config.terminalTotalDifficulty")
    return config


def _header_fields(document: dict[str, Any], config: ChainConfig) -> tuple[bytes | None, ...]:
    def number(key: str, default: int = 0) -> int:
        value = document.get(key)
        return default if value is None else quantity(value, key)

    def word(key: str, length: int) -> bytes:
        value = document.get(key)
        return bytes(length) if value is None else octets(value, key, length)

    terminal = config.document.get("terminalTotalDifficulty")
    difficulty = number("difficulty", DEFAULT_DIFFICULTY if "ethash" in config.document else 0)
    block, timestamp = number("number"), number("timestamp", 0)
    paris = terminal is not None and difficulty >= terminal
    reached = FORKS.index(config.fork(block, timestamp, paris=paris))

    def active(fork: str) -> bool:
        return reached >= FORKS.index(fork)

    nonce = number("nonce")
    if nonce >= 1 << 8 * NONCE_LENGTH:
        raise FixtureError("nonce: out of range")
    fields: list[bytes | None] = [
        word("parentHash", HASH_LENGTH),
        EMPTY_LIST_HASH,
        word("coinbase", ADDRESS_LENGTH),
        None,
        EMPTY_TRIE_ROOT,
        EMPTY_TRIE_ROOT,
        bytes(BLOOM_LENGTH),
        integer_octets(difficulty),
        integer_octets(block),
        integer_octets(number("gasLimit") or DEFAULT_GAS_LIMIT),
        integer_octets(number("gasUsed")),
        integer_octets(timestamp),
        octets(document.get("extraData") or "0x", "extraData"),
        word("mixHash", HASH_LENGTH),
        nonce.to_bytes(NONCE_LENGTH, "big"),
    ]
    # By block 0 alone, and not by the forks' order, as Paris may come with any of these.
    if active("london"):
        fields.append(integer_octets(number("baseFeePerGas", DEFAULT_BASE_FEE)))
    if active("shanghai"):
        fields.append(EMPTY_TRIE_ROOT)
    if active("cancun"):
        fields += [integer_octets(number("blobGasUsed")), integer_octets(number("excessBlobGas"))]
        fields.append(word("parentBeaconBlockRoot", HASH_LENGTH))
    if active("prague"):
        fields.append(EMPTY_REQUESTS_HASH)
    if active("amsterdam"):
        fields.append(EMPTY_LIST_HASH)
    return tuple(fields)


def parse_genesis(value: Any) -> Genesis:
    """The genesis in a parsed JSON document. Raises FixtureError."""
    document = mapping(value, "genesis")
    stated = mapping(document.get("config"), "config")
    hive = any(key.startswith("HIVE_") for key in stated)
    config = checked_config(hive_config(stated) if hive else stated)
    accounts = parse_accounts(document.get("alloc"), "alloc")
    return Genesis(config, _header_fields(document, config), accounts)


def load_genesis(path: Path) -> Genesis:
    """The genesis in a JSON file, which may be compressed by gzip. Raises FixtureError."""
    document = read_document(path, parse_json)  # a total difficulty may be a number of any size
    try:
        return parse_genesis(document)
    except FixtureError as error:
        raise FixtureError(f"{path}: {error}") from None
