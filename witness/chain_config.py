"""Which fork's rules hold for a block: geth-genesis `config` JSON, and the well-known chains.

Block-number forks up to Paris, timestamps from Shanghai on. Paris itself has no number in a geth config (it came with
total difficulty, EIP-3675): a block is Paris where its difficulty is 0.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .errors import ChainConfigError
from .json_document import load_json
from .model import Header, Octets

# Name in this project, key in a geth config, in activation order.
NUMBERED_FORKS = (
    ("homestead", "homesteadBlock"),
    ("dao", "daoForkBlock"),
    ("tangerine_whistle", "eip150Block"),
    ("spurious_dragon", "eip158Block"),
    ("byzantium", "byzantiumBlock"),
    ("constantinople", "constantinopleBlock"),
    ("petersburg", "petersburgBlock"),
    ("istanbul", "istanbulBlock"),
    ("muir_glacier", "muirGlacierBlock"),
    ("berlin", "berlinBlock"),
    ("london", "londonBlock"),
    ("arrow_glacier", "arrowGlacierBlock"),
    ("gray_glacier", "grayGlacierBlock"),
)
TIMED_FORKS = (
    ("shanghai", "shanghaiTime"),
    ("cancun", "cancunTime"),
    ("prague", "pragueTime"),
    ("osaka", "osakaTime"),
    ("bpo1", "bpo1Time"),
    ("bpo2", "bpo2Time"),
    ("bpo3", "bpo3Time"),
    ("bpo4", "bpo4Time"),
    ("bpo5", "bpo5Time"),
    ("amsterdam", "amsterdamTime"),
)
FORKS = ("frontier", *(name for name, _ in NUMBERED_FORKS), "paris", *(name for name, _ in TIMED_FORKS))
TIME_KEYS = dict(TIMED_FORKS)
KNOWN_CHAINS = {1: "mainnet", 17000: "holesky", 11155111: "sepolia", 560048: "hoodi"}


@dataclass(frozen=True, slots=True)
class BlobSchedule:
    """Blobs a block from one fork on (EIP-7840). update_fraction: denominator of the blob base fee's exponent."""

    target: int
    maximum: int
    update_fraction: int


FIXED_SCHEDULES = {"cancun": BlobSchedule(3, 6, 3338477), "prague": BlobSchedule(6, 9, 5007716)}


@dataclass(frozen=True)
class ChainConfig:
    """A geth-genesis `config`: `document` is the parsed JSON object, `chain_id` its chainId."""

    chain_id: int
    document: dict[str, Any]

    def fork_at(self, header: Header) -> str:
        """The fork whose rules hold for a block with this header, one of FORKS."""
        return self.fork(header.number, header.timestamp, paris=header.difficulty == 0 and header.number > 0)

    def fork(self, number: int, timestamp: int, *, paris: bool) -> str:
        """The fork at a block number and timestamp (seconds); paris: the block comes after the merge."""
        for name, key in reversed(TIMED_FORKS):
            activation = self._activation(key)
            if activation is not None and timestamp >= activation:
                return name
        if paris and "terminalTotalDifficulty" in self.document:
            return "paris"
        for name, key in reversed(NUMBERED_FORKS):
            activation = self._activation(key)
            if activation is not None and number >= activation and (name != "dao" or self._dao_support()):
                return name
        return "frontier"

    def blob_schedule(self, fork: str) -> BlobSchedule | None:
        """The blob schedule in force at `fork`, one of FORKS; None before Cancun.

        It is the fork's own entry in `blobSchedule`, or that of the latest fork before it which the config activates.
        Cancun and Prague without an entry have what EIP-4844 and EIP-7691 fix. A fork that only changes the schedule
        is nothing without its entry (EIP-7892). Raises ChainConfigError for such a fork, and for a wrong entry.
        """
        schedules = self.document.get("blobSchedule") or {}
        in_force = None
        for name in FORKS[FORKS.index("cancun") : FORKS.index(fork) + 1]:
            entry = schedules.get(name)
            own = None if entry is None else _schedule(name, entry)
            scheduled = self.document.get(TIME_KEYS[name]) is not None
            if own is None and scheduled and name.startswith("bpo"):
                raise ChainConfigError(f"blobSchedule has no entry for {name}")
            if own is None or not (scheduled or name == fork):
                own = FIXED_SCHEDULES.get(name)
            in_force = own or in_force
        return in_force

    def _activation(self, key: str) -> int | None:
        value = self.document.get(key)
        return None if value is None else _integer(value, key)

    def _dao_support(self) -> bool:
        return bool(self.document.get("daoForkSupport"))


def _schedule(fork: str, entry: Any) -> BlobSchedule:
    try:
        schedule = BlobSchedule(
            _integer(entry["target"], "target"),
            _integer(entry["max"], "max"),
            _integer(entry["baseFeeUpdateFraction"], "baseFeeUpdateFraction"),
        )
    except (KeyError, TypeError) as error:
        raise ChainConfigError(f"blobSchedule.{fork}: {error}") from None
    # EIP-7918 divides by the maximum and takes the target from it; EIP-4844 divides by the fraction.
    if not schedule.target <= schedule.maximum or not schedule.maximum or not schedule.update_fraction:
        raise ChainConfigError(f"blobSchedule.{fork}: {schedule} allows no blob, or fewer than it aims at")
    return schedule


def _integer(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ChainConfigError(f"{name}: {value!r} is not a number")
    try:
        number = value if isinstance(value, int) else int(value, 0)
    except ValueError:
        raise ChainConfigError(f"{name}: {value!r} is not a number") from None
    if number < 0:
        raise ChainConfigError(f"{name}: {value!r} is negative")
    return number


def parse_chain_config(encoded: Octets) -> ChainConfig:
    """The chain config in UTF-8 JSON. Raises ChainConfigError if it is no object, or a number in it is not one."""
    try:
        document = load_json(encoded)
    except (ValueError, RecursionError) as error:
        raise ChainConfigError(f"chain config is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ChainConfigError("chain config is not a JSON object")
    config = ChainConfig(_integer(document.get("chainId"), "chainId"), document)
    for _, key in (*NUMBERED_FORKS, *TIMED_FORKS):
        if document.get(key) is not None:
            _integer(document[key], key)
    if not isinstance(document.get("blobSchedule") or {}, dict):
        raise ChainConfigError("blobSchedule is not a JSON object")
    return config


def encode_chain_config(document: dict[str, Any]) -> bytes:
    """Canonical JSON of a config object: sorted keys, no white space."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@cache
def known_chain_config(chain_id: int) -> bytes:
    """The canonical config JSON of a well-known chain (mainnet, Holesky, Sepolia, Hoodi). Raises ChainConfigError."""
    name = KNOWN_CHAINS.get(chain_id)
    if name is None:
        known = ", ".join(f"{identifier} ({chain})" for identifier, chain in KNOWN_CHAINS.items())
        raise ChainConfigError(f"chain {chain_id} is not known; give its config. Known: {known}")
    return encode_chain_config(json.loads(files(__package__).joinpath("chains", f"{name}.json").read_text()))
