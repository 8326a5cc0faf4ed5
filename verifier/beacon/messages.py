"""Which beacon blocks a message of a validator votes for, whatever it is encoded in. Nothing is guessed.

Source: beacon-APIs, `validator` and `beacon/pool`; consensus-specs, the containers of the same names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import UnsupportedMessageError

JSON, SSZ = "application/json", "application/octet-stream"
BEFORE_ELECTRA = ("phase0", "altair", "bellatrix", "capella", "deneb")
FROM_ELECTRA = ("electra", "fulu", "gloas")


class MessageKind(StrEnum):
    """The containers from which votes are read."""

    ATTESTATION_DATA = "AttestationData"
    AGGREGATE = "Attestation, aggregated"
    ATTESTATION = "Attestation or SingleAttestation"
    AGGREGATE_AND_PROOF = "SignedAggregateAndProof"
    SYNC_MESSAGE = "SyncCommitteeMessage"
    CONTRIBUTION = "SyncCommitteeContribution"
    CONTRIBUTION_AND_PROOF = "SignedContributionAndProof"
    PAYLOAD_DATA = "PayloadAttestationData"
    PAYLOAD_MESSAGE = "PayloadAttestationMessage"


@dataclass(frozen=True, slots=True)
class VotedBlocks:
    """The beacon blocks that a message vouches for, by root (32 bytes). target: None where it names only a head.

    index: `AttestationData.index`, or `payload_present` as a number. From Gloas on it says whether the head's payload
    is vouched for too (1) or not (0); before, it is a committee's and says nothing about blocks.
    """

    head: bytes
    target: bytes | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class MessageList:
    """The messages of one request, in order, and the means to put some of them together again."""

    voted: tuple[VotedBlocks, ...]
    parts: tuple[Any, ...]
    join: Callable[[Sequence[Any]], bytes]

    def only(self, indices: Sequence[int]) -> bytes:
        """The body of a request with the messages at these places alone."""
        return self.join([self.parts[index] for index in indices])


def check_fork(fork: str | None) -> None:
    """Raises UnsupportedMessageError for a fork whose containers are not known here. None: nobody named one."""
    if fork is not None and fork not in BEFORE_ELECTRA + FROM_ELECTRA:
        raise UnsupportedMessageError(f"messages of the fork {fork[:32]!r} are not known to this verifier")
