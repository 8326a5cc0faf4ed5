"""Errors of the ledger, below verifier.errors.VerifierError.

LedgerError
├── LedgerInUseError      another process writes to it
├── ForeignLedgerError    a ledger of another chain, or a file that is none
├── LedgerVersionError    a newer version of this program wrote it
├── LedgerDamagedError    its content is not what was written
└── LedgerFullError       the disk, or a quota, has no room; also whatever else keeps it from being written
"""

from verifier.errors import VerifierError


class LedgerError(VerifierError):
    """The ledger cannot be used. What it holds is as it was."""


class LedgerInUseError(LedgerError):
    """A ledger that another process has open for writing."""


class ForeignLedgerError(LedgerError):
    """A ledger of another chain, or a file that is no ledger."""


class LedgerVersionError(LedgerError):
    """A ledger that a newer version of this program wrote."""


class LedgerDamagedError(LedgerError):
    """A ledger whose content is damaged. Nothing of it is believed."""


class LedgerFullError(LedgerError):
    """No room to write, or no right to. The last change was dropped as a whole."""
