"""Chain configs for the network names of fixtures: a fork, or a transition such as `ShanghaiToCancunAtTime15k`."""

import json
import re
from typing import Any

from witness.chain_config import NUMBERED_FORKS, TIMED_FORKS, ChainConfig, known_chain_config

from .document import mapping, quantity
from .errors import FixtureError
from .genesis import checked_config

# Fixture name → fork of ours.
NETWORKS = {
    "frontier": "frontier",
    "homestead": "homestead",
    "dao": "dao",
    "eip150": "tangerine_whistle",
    "tangerinewhistle": "tangerine_whistle",
    "eip158": "spurious_dragon",
    "spuriousdragon": "spurious_dragon",
    "byzantium": "byzantium",
    "constantinople": "constantinople",
    "constantinoplefix": "petersburg",
    "petersburg": "petersburg",
    "istanbul": "istanbul",
    "muirglacier": "muir_glacier",
    "berlin": "berlin",
    "london": "london",
    "arrowglacier": "arrow_glacier",
    "grayglacier": "gray_glacier",
    "merge": "paris",
    "paris": "paris",
    "shanghai": "shanghai",
    "cancun": "cancun",
    "prague": "prague",
    "osaka": "osaka",
    "bpo1": "bpo1",
    "bpo2": "bpo2",
    "bpo3": "bpo3",
    "bpo4": "bpo4",
    "bpo5": "bpo5",
    "amsterdam": "amsterdam",
}
# Fork of ours → its name in today's fixtures.
FIXTURE_NAMES = {
    "frontier": "Frontier",
    "homestead": "Homestead",
    "dao": "Dao",
    "tangerine_whistle": "EIP150",
    "spurious_dragon": "EIP158",
    "byzantium": "Byzantium",
    "constantinople": "Constantinople",
    "petersburg": "ConstantinopleFix",
    "istanbul": "Istanbul",
    "muir_glacier": "MuirGlacier",
    "berlin": "Berlin",
    "london": "London",
    "arrow_glacier": "ArrowGlacier",
    "gray_glacier": "GrayGlacier",
    "paris": "Paris",
    "shanghai": "Shanghai",
    "cancun": "Cancun",
    "prague": "Prague",
    "osaka": "Osaka",
    **{f"bpo{number}": f"BPO{number}" for number in range(1, 6)},
    "amsterdam": "Amsterdam",
}
SCHEDULE = tuple(
    [("frontier", None)]
    + [(fork, key) for fork, key in NUMBERED_FORKS]
    + [("paris", "terminalTotalDifficulty")]
    + [(fork, key) for fork, key in TIMED_FORKS]
)
ORDER = [fork for fork, _ in SCHEDULE]
MAINNET_DEPOSIT_CONTRACT = "0x00000000219ab540356cbb839cbe05303d7705fa"
NEVER = (1 << 53) - 1  # a block number that JavaScript's numbers hold exactly
TRANSITION = re.compile(r"(\w+?)To(\w+?)At(?:(Time|Diff)([0-9A-Fa-f]+k?)|(\d+))")


def network_of(fork: str) -> str:
    """The name that fixtures have for a fork of ours."""
    return FIXTURE_NAMES[fork]


def newest_network(config: ChainConfig) -> str:
    """The name of the last fork that a chain's config activates."""
    active = [fork for fork, key in SCHEDULE if key is None or config.document.get(key) is not None]
    return network_of(active[-1])


def forks_of(network: str) -> tuple[str, str | None]:
    """Our names of a network's fork, and of the one that it goes over to, or None. Raises FixtureError."""
    before, after, _ = _transition(network)
    return before, after


def _fork(name: str, network: str) -> str:
    fork = NETWORKS.get(name.lower())
    if fork is None:
        raise FixtureError(f"network {network!r} is not known")
    return fork


def _activate(document: dict[str, Any], first: int, last: int, at: int) -> None:
    for fork, key in SCHEDULE[first:last]:
        # The DAO fork is no step on the way: fixtures of later forks were made without it.
        if key is not None and (fork != "dao" or fork == SCHEDULE[last - 1][0]):
            document[key] = at
            if fork == "dao":
                document["daoForkSupport"] = True
            if fork == "spurious_dragon":
                document["eip155Block"] = at


def _transition(network: str) -> tuple[str, str | None, int]:
    """The fork at the start, the one after the transition (or None), and at which block, time or difficulty."""
    match = TRANSITION.fullmatch(network)
    if match is None:
        return _fork(network, network), None, 0
    before, after, unit, amount, block = match.groups()
    if unit == "Time":
        thousands = amount.endswith("k")
        digits = amount.removesuffix("k")
        if not digits.isdecimal():
            raise FixtureError(f"network {network!r} is not known")
        at = int(digits) * (1000 if thousands else 1)
    else:
        try:
            at = int(amount, 16) if unit == "Diff" else int(block)
        except ValueError:
            raise FixtureError(f"network {network!r} is not known") from None
    return _fork(before, network), _fork(after, network), at


def network_config(network: str, stated: Any = None) -> ChainConfig:
    """The config of a fixture's network. Raises FixtureError.

    stated: the fixture's own `config` object, if it has one: its chain id (else 1) and its blob schedule count. Without
    a schedule, a fork that only changes it (EIP-7892) has mainnet's; those that mainnet does not have are an error.
    """
    before, after, at = _transition(network)
    start = ORDER.index(before) + 1
    document: dict[str, Any] = {"chainId": 1}
    _activate(document, 0, start, 0)
    if after is not None:
        end = ORDER.index(after) + 1
        if end <= start:
            raise FixtureError(f"network {network!r}: {after} does not come after {before}")
        _activate(document, start, end, at)
    if "constantinopleBlock" in document:
        # To geth a config without it has Petersburg with Constantinople, whose gas for SSTORE (EIP-1283) that repeals.
        document.setdefault("petersburgBlock", NEVER)
    if "cancunTime" in document:
        document["depositContractAddress"] = MAINNET_DEPOSIT_CONTRACT
    if stated is not None:
        config = mapping(stated, "config")
        if "chainid" in config:
            document["chainId"] = quantity(config["chainid"], "config.chainid", 1 << 64)
        if config.get("blobSchedule"):
            document["blobSchedule"] = _blob_schedule(config["blobSchedule"], network)
    if "blobSchedule" not in document and "bpo1Time" in document:
        document["blobSchedule"] = json.loads(known_chain_config(1))["blobSchedule"]
    for fork, key in TIMED_FORKS:
        # On the way to a later fork there are only those changes of the schedule that the chain made.
        if fork.startswith("bpo") and fork not in (before, after, *document.get("blobSchedule", ())):
            document.pop(key, None)
    return checked_config(document)


def _blob_schedule(value: Any, network: str) -> dict[str, dict[str, int]]:
    schedule: dict[str, dict[str, int]] = {}
    for name, entry in mapping(value, "config.blobSchedule").items():
        fields = mapping(entry, f"config.blobSchedule.{name}")
        schedule[_fork(name, network)] = {
            key: quantity(fields.get(key), f"config.blobSchedule.{name}.{key}", 1 << 64)
            for key in ("target", "max", "baseFeeUpdateFraction")
        }
    return schedule
