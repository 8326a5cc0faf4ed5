"""What a check gathers while it runs: what was tried, what was wrong."""

from .obligation import Finding, Obligation, Standing

MAX_SHOWN = 3  # breaches that a finding names; the rest is counted, as they mostly have one cause
MAX_LENGTH = 300  # characters of one breach


class Evidence:
    """Collects breaches and notes about one obligation. Without a breach the obligation is met."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.notes: list[str] = []
        self._exempt = ""

    def expect(self, held: bool, breach: str) -> bool:
        """Records the breach unless it held; returns whether it held."""
        if not held:
            self.breaches.append(breach[:MAX_LENGTH])
        return held

    def note(self, text: str) -> None:
        """Says what was tried."""
        self.notes.append(text)

    def not_applicable(self, reason: str) -> None:
        """Says why the obligation cannot be asked of this adapter."""
        self._exempt = reason

    def finding(self, obligation: Obligation, elapsed: float) -> Finding:
        """What follows. A breach counts, whatever else was said."""
        if self.breaches:
            more = len(self.breaches) - MAX_SHOWN
            shown = "; ".join(self.breaches[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            return Finding(obligation, Standing.UNMET, shown, elapsed)
        if self._exempt:
            return Finding(obligation, Standing.NOT_APPLICABLE, self._exempt, elapsed)
        return Finding(obligation, Standing.MET, "; ".join(self.notes), elapsed)
