"""What is being watched: the mode, the quorum and who votes, as configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from verifier.domain.gate import GateMode, HoldAnswer
from verifier.domain.quorum import QuorumPolicy
from verifier.domain.result import Mode

DISTRIBUTION = "execution-verifier"


def installed_version() -> str:
    """This package's version, "unknown" where it runs without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Profile:
    """policy: the live quorum, the execution client among its adapters under the name `executor`.

    late: adapter → lineage of those that judge, and do not count. hold_seconds: how long the engine gate holds an
    answer. input: what adapters execute on, proof or prestate.
    """

    mode: GateMode
    policy: QuorumPolicy
    executor: str = ""
    late: Mapping[str, str] = field(default_factory=dict)
    hold: HoldAnswer = HoldAnswer.SYNCING
    hold_seconds: float = 0.0
    input: Mode = Mode.PROOF
    version: str = field(default_factory=installed_version)

    @property
    def roles(self) -> Mapping[str, tuple[str, str]]:
        """adapter → (lineage, role), the execution client first, the live adapters, the late ones."""
        live = self.policy.adapters
        executor = {self.executor: (live[self.executor], "executor")} if self.executor in live else {}
        return (
            executor
            | {name: (lineage, "live") for name, lineage in live.items() if name != self.executor}
            | {name: (lineage, "late") for name, lineage in self.late.items() if name not in live}
        )
