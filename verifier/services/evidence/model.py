"""What is in an evidence bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from verifier.domain.dispute import Dispute
from verifier.domain.localization import Localization
from verifier.domain.result import Result
from verifier.domain.trace import TraceItem
from verifier.executors.stateless.base import ExecutionRequest


@dataclass(frozen=True, slots=True)
class ClientVersion:
    """What an adapter said of itself. client, version: the client's; adapter_version: the adapter's; "" if unknown."""

    adapter: str
    lineage: str
    client: str
    version: str
    adapter_version: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """Who took part. verifier: this program's version."""

    verifier: str
    adapters: tuple[ClientVersion, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that is known of a dispute.

    dispute: with its statements; what it says of its evidence is not kept. request: how the block was executed, with
    the path of its witness file; its deadline is not kept. results: each adapter's outcome, in any order.
    configuration: TOML without secrets. traces: adapter → steps around the divergence; where empty, those that the
    localization has.
    """

    dispute: Dispute
    request: ExecutionRequest
    results: tuple[Result, ...]
    versions: Versions
    configuration: str = ""
    localization: Localization | None = None
    traces: Mapping[str, tuple[TraceItem, ...]] = field(default_factory=dict)

    @property
    def witness(self) -> Path:
        """The block's witness file."""
        return self.request.witness
