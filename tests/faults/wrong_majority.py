"""Holesky at Pectra (2025-02-24): clients with another deposit contract, and what a quorum makes of them."""

from dataclasses import dataclass

from verifier.domain.quorum import Verdict

WRONG_CONTRACT = "0x" + "42" * 20
LINEAGES = ("geth", "ethrex", "ethereumjs", "revm", "pyevm")
WRONG = LINEAGES[:3]  # those with the wrong contract
FIELD = "requests_hash"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is configured, and the verdicts on the wrong majority's block and on the right one.

    required: VALID that attest. rejecting: INVALID that reject, by default as many as make `required` impossible.
    """

    required: int
    rejecting: int
    theirs: Verdict
    right: Verdict
    by_default: bool = True

    @property
    def heading(self) -> str:
        """As in the document."""
        return f"n = {self.required}, {self.rejecting} INVALID reject"

    @property
    def cells(self) -> tuple[str, str]:
        """The verdict on their block and on the right one, as in the document."""
        return _told(self.theirs, Verdict.REJECT), _told(self.right, Verdict.ATTEST)


def _told(verdict: Verdict, right: Verdict) -> str:
    name = str(verdict).upper()
    if verdict is Verdict.HOLD:
        return name
    return f"{name}: right" if verdict is right else f"**{name}**: wrong"


POLICIES = (
    Policy(3, 3, Verdict.ATTEST, Verdict.REJECT),
    Policy(3, 4, Verdict.ATTEST, Verdict.HOLD, by_default=False),
    Policy(4, 2, Verdict.REJECT, Verdict.REJECT),
    Policy(4, 4, Verdict.HOLD, Verdict.HOLD, by_default=False),
    Policy(5, 1, Verdict.REJECT, Verdict.REJECT),
)
