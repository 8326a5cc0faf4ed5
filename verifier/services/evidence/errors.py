"""Errors of evidence bundles, below verifier.errors.VerifierError.

EvidenceError
├── NoEvidenceError        no bundle is there
├── EvidenceVersionError   a bundle of another version of the format
├── EvidenceDamagedError   its content is not what its manifest, or its name, says
└── EvidenceWriteError     it cannot be written; nothing of it is there, or all
"""

from verifier.errors import VerifierError


class EvidenceError(VerifierError):
    """An evidence bundle that cannot be used."""


class NoEvidenceError(EvidenceError):
    """A path at which there is no bundle."""


class EvidenceVersionError(EvidenceError):
    """A bundle of a version of the format that this program does not know."""


class EvidenceDamagedError(EvidenceError):
    """A bundle that holds something else than its manifest says, or is not of the format. Nothing of it is believed."""


class EvidenceWriteError(EvidenceError):
    """A bundle that cannot be written: no room, no right, or its witness file is gone. Never half of it is left."""
