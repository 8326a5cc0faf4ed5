"""Errors of the attestation gate.

VerifierError
├── BeaconNodeError        the beacon node does not answer, or not as the Beacon API says
└── ServingError           the gate's own address cannot be listened on
"""

from verifier.errors import VerifierError


class BeaconNodeError(VerifierError):
    """The beacon node cannot be reached, gives up in the middle, or answers what cannot be used."""


class ServingError(VerifierError):
    """The address that validator clients are to ask is in use or is not this machine's."""


class UnreadableMessageError(ValueError):
    """A gated message that is not what the Beacon API says of its kind: nobody can tell which blocks it votes for."""


class UnsupportedMessageError(UnreadableMessageError):
    """A gated message in a fork, a version or an encoding that this verifier does not know."""
