"""What a run was: its suites, who took part, how it was run, from when to when, on which machine."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Participant:
    """A client in the run. stateful: the recorder, which imports blocks with full state."""

    client: str
    version: str = ""
    lineage: str = ""
    stateful: bool = False


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. suites: files, directories or URLs, as given to the command; selection: its --filter and --fork.

    started, ended: with their time zone. version: the verifier's. resumed: tests taken over from an interrupted run,
    not run in this time. kept: the directory with the witness files of blocks that differ, "" where none are kept.
    recorder: as given to the command, "" for its default; deadline: seconds a block, None for the default.
    """

    suites: tuple[str, ...]
    participants: tuple[Participant, ...]
    mode: str
    started: datetime
    ended: datetime
    machine: str = ""
    version: str = ""
    workers: int = 1
    selection: str = ""
    resumed: int = 0
    kept: str = ""
    recorder: str = ""
    deadline: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, (self.ended - self.started).total_seconds())
