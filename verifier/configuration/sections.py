"""Everything that can be configured: one dataclass a section, one field a key. Defaults and their reasons stand here.

docs/verifier.example.toml says the same to people; a test holds the two equal. Durations in seconds, sizes in bytes.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from verifier.domain.dispute import DISPUTE_SECONDS
from verifier.domain.gate import GateMode, HoldAnswer
from verifier.domain.result import Mode

from .kinds import (
    CHECKPOINT,
    COUNT,
    FILE,
    LISTEN,
    NAMES,
    SECONDS,
    SWITCH,
    TEXT,
    WEB_ADDRESS,
    Checkpoint,
    Kind,
    ListenAddress,
    choice,
    optional,
)

STATE_DIRECTORY = Path("/var/lib/execution-verifier")
MEMORY_DIRECTORY = Path("/run/execution-verifier")  # tmpfs on every system with systemd


class WitnessSource(StrEnum):
    """Where witnesses come from. auto: engine where the execution client has it, else debug, else embedded.

    engine: `engine_newPayloadWithWitness`. debug: `debug_executionWitness`. embedded: our own executor, which needs the
    chain's genesis and every block since.
    """

    AUTO = "auto"
    ENGINE = "engine"
    DEBUG = "debug"
    EMBEDDED = "embedded"


class LogFormat(StrEnum):
    """How log lines are written: key=value for people and grep, or one JSON object a line."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def key(kind: Kind, default: Any, about: str) -> Any:
    """A field of a section. about: one line for people, shown as the flag's help."""
    return field(default=default, metadata={"kind": kind, "about": about})


@dataclass(frozen=True, slots=True)
class ExecutionSection:
    """The execution client behind the engine gate."""

    url: str = key(WEB_ADDRESS, "http://127.0.0.1:8551", "its Engine API")
    jwt_secret_file: Path | None = key(optional(FILE), None, "the secret that it was started with (32 bytes, hex)")
    rpc_url: str | None = key(optional(WEB_ADDRESS), None, "its plain JSON-RPC, for debug_executionWitness and eth_*")
    name: str = key(TEXT, "execution-client", "what it is called in votes, logs and metrics")
    lineage: str | None = key(
        optional(TEXT), None, "the engine lineage that its vote counts for (geth, revm for reth, …)"
    )
    witness: WitnessSource = key(choice(WitnessSource), WitnessSource.AUTO, "where witnesses come from")


@dataclass(frozen=True, slots=True)
class EngineSection:
    """The engine gate: what the consensus client connects to."""

    enabled: bool = key(SWITCH, True, "whether this gate runs")
    listen: ListenAddress = key(LISTEN, ListenAddress("127.0.0.1", 9551), "where it listens")
    jwt_secret_file: Path | None = key(optional(FILE), None, "the secret that the consensus client is given")
    allow_remote: bool = key(SWITCH, False, "permit an address that other machines can reach")
    # Consensus clients give newPayload up after 8 s (6 s for V5; Engine API), and the rest of the slot needs time too.
    hold_seconds: float = key(SECONDS, 5.0, "how long an answer waits for the verdict")
    hold_answer: HoldAnswer = key(choice(HoldAnswer), HoldAnswer.SYNCING, "what is answered when that is over")


@dataclass(frozen=True, slots=True)
class BeaconSection:
    """The attestation gate: what the validator client connects to."""

    enabled: bool = key(SWITCH, True, "whether this gate runs")
    url: str = key(WEB_ADDRESS, "http://127.0.0.1:5052", "the beacon node's Beacon API")
    listen: ListenAddress = key(LISTEN, ListenAddress("127.0.0.1", 9552), "where it listens")
    allow_remote: bool = key(SWITCH, False, "permit an address that other machines can reach")
    # A common validator client gives attestation_data up after a quarter of a slot.
    hold_seconds: float = key(SECONDS, 2.5, "how long a request waits for the verdict, then 503")


@dataclass(frozen=True, slots=True)
class AdaptersSection:
    """Who executes without state."""

    live: tuple[str, ...] = key(NAMES, ("geth", "revm", "ethrex"), "adapters that count before the deadline (in m)")
    late: tuple[str, ...] = key(NAMES, ("ethereumjs", "eels", "pyevm"), "slow ones: only their INVALID counts, late")
    remotes: Path | None = key(optional(FILE), None, "TOML file of adapters on other machines (docs/remote.md)")
    # Attestations are due a third of a slot after its start, and the payload has come in by then.
    verdict_seconds: float = key(SECONDS, 4.0, "when the verdict on a block is overdue: it is held")
    # Later than any gate waits: a vote that comes then still decides, and a late INVALID still closes the gates.
    deadline_seconds: float = key(SECONDS, 60.0, "when an adapter's answer on a block is given up")


@dataclass(frozen=True, slots=True)
class QuorumSection:
    """n of m. m: the lineages of the live adapters and the execution client's own."""

    required: int | None = key(optional(COUNT), None, "n, lineages that must say VALID (default: more than half of m)")
    rejecting: int | None = key(optional(COUNT), None, "lineages whose INVALID rejects (default: m - n + 1)")


@dataclass(frozen=True, slots=True)
class DisputesSection:
    """What happens where clients contradict one another. Statements are kept in any case."""

    # On: while a disputed block waits for a person, nothing above it is attested, and clients stay on its branch.
    enabled: bool = key(SWITCH, True, "whether disputes are opened, and end without a person where enough say the same")
    valid: int | None = key(optional(COUNT), None, "lineages, late ones too, that conclude VALID (default: n, or more)")
    invalid: int | None = key(optional(COUNT), None, "lineages that conclude INVALID (default: n, or more)")
    deadline_seconds: float = key(SECONDS, DISPUTE_SECONDS, "when a dispute is left to a person")
    # A week: longer than a block is live, also through a long weekend without finality.
    statements_hours: int = key(COUNT, 168, "hours for which every client's words on a block are kept")
    evidence: Path = key(FILE, STATE_DIRECTORY / "evidence", "directory of evidence bundles")


@dataclass(frozen=True, slots=True)
class ModeSection:
    """Which blocks are judged, and on what."""

    gate: GateMode = key(
        choice(GateMode), GateMode.EVERY_BLOCK, "which blocks are judged, and whether anything is gated"
    )
    execution: Mode = key(choice(Mode), Mode.PROOF, "trie nodes that prove every value, or bare values")


@dataclass(frozen=True, slots=True)
class ChainSection:
    """The chain, as far as the clients behind the gates are not asked."""

    checkpoint: Checkpoint | None = key(
        optional(CHECKPOINT), None, "trusted block: hash[:state root] (default: the client's finalized block)"
    )
    genesis: Path | None = key(optional(FILE), None, "geth-genesis JSON, for chains that are not well known")
    genesis_time: int | None = key(optional(COUNT), None, "seconds since 1970 (default: the beacon node is asked)")
    seconds_per_slot: int | None = key(optional(COUNT), None, "(default: the beacon node is asked)")
    slots_per_epoch: int | None = key(optional(COUNT), None, "(default: the beacon node is asked)")


@dataclass(frozen=True, slots=True)
class StorageSection:
    """What is kept, where, and for how long."""

    ledger: Path = key(FILE, STATE_DIRECTORY / "ledger.sqlite", "statuses, votes and decisions")
    witnesses: Path = key(FILE, MEMORY_DIRECTORY / "witnesses", "witness files, best in memory (tmpfs)")
    # Four epochs of mainnet blocks of up to 8 MB: twice what finality needs, and a bound for the memory they take.
    witnesses_count: int = key(COUNT, 128, "files kept there")
    witnesses_bytes: int = key(COUNT, 1_000_000_000, "bytes kept there")
    archive: Path | None = key(optional(FILE), None, "directory that takes what leaves it")
    archive_count: int | None = key(optional(COUNT), None, "files kept in the archive (default: all)")
    archive_bytes: int | None = key(optional(COUNT), None, "bytes kept in the archive (default: all)")
    embedded: Path = key(FILE, STATE_DIRECTORY / "embedded", "the embedded executor's state, where it is used")


@dataclass(frozen=True, slots=True)
class TelemetrySection:
    """How the verifier is watched."""

    listen: ListenAddress | None = key(
        optional(LISTEN), ListenAddress("127.0.0.1", 9553), "status page, /metrics, /healthz and /readyz"
    )
    allow_remote: bool = key(SWITCH, False, "permit an address that other machines can reach")
    otlp_endpoint: str | None = key(optional(WEB_ADDRESS), None, "OpenTelemetry collector (HTTP) for spans")
    log_format: LogFormat = key(choice(LogFormat), LogFormat.CONSOLE, "how log lines are written")
    log_level: LogLevel = key(choice(LogLevel), LogLevel.INFO, "the least severe lines that are written")


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it. The default value is what the defaults alone amount to, before any check."""

    execution: ExecutionSection = field(default_factory=ExecutionSection)
    engine: EngineSection = field(default_factory=EngineSection)
    beacon: BeaconSection = field(default_factory=BeaconSection)
    adapters: AdaptersSection = field(default_factory=AdaptersSection)
    quorum: QuorumSection = field(default_factory=QuorumSection)
    disputes: DisputesSection = field(default_factory=DisputesSection)
    mode: ModeSection = field(default_factory=ModeSection)
    chain: ChainSection = field(default_factory=ChainSection)
    storage: StorageSection = field(default_factory=StorageSection)
    telemetry: TelemetrySection = field(default_factory=TelemetrySection)


SECTIONS: dict[str, type] = {
    "execution": ExecutionSection,
    "engine": EngineSection,
    "beacon": BeaconSection,
    "adapters": AdaptersSection,
    "quorum": QuorumSection,
    "disputes": DisputesSection,
    "mode": ModeSection,
    "chain": ChainSection,
    "storage": StorageSection,
    "telemetry": TelemetrySection,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One configurable value: where it stands, its kind, its default and what it is about."""

    section: str
    name: str
    kind: Kind
    default: Any
    about: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"VERIFIER_{self.section}_{self.name}".upper()

    @property
    def flag(self) -> str:
        """The command-line flag that sets it."""
        return f"--{self.section}-{self.name}".replace("_", "-")

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}"


def _keys(section: str, of: type) -> list[Key]:
    return [Key(section, each.name, each.metadata["kind"], each.default, each.metadata["about"]) for each in fields(of)]


KEYS = tuple(each for section, of in SECTIONS.items() for each in _keys(section, of))
