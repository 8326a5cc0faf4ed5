"""What an adapter owes, and what was found about it: plain values."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing that the contract asks for, with a stable id ("missing.node").

    clause: where adapters/CONTRACT.md or executor.proto says so. statement: what has to hold, in one line.
    """

    id: str
    clause: str
    statement: str


class Standing(StrEnum):
    """Whether an obligation is met."""

    MET = "met"
    UNMET = "not met"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one obligation. detail: one line, what was tried or what was wrong; elapsed: seconds."""

    obligation: Obligation
    standing: Standing
    detail: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one adapter. adapter: its name or address. client: what it says it is."""

    adapter: str
    client: str
    findings: tuple[Finding, ...]

    def with_standing(self, standing: Standing) -> tuple[Finding, ...]:
        """The findings of one standing, in order."""
        return tuple(finding for finding in self.findings if finding.standing is standing)

    @property
    def kept(self) -> bool:
        """Whether no obligation is unmet."""
        return not self.with_standing(Standing.UNMET)

    @property
    def elapsed(self) -> float:
        """Seconds, all checks together."""
        return sum(finding.elapsed for finding in self.findings)
