"""PayloadStatusV1 of the Engine API, out of an answer of the execution client and back (execution-apis, paris.md)."""

from typing import Any

from verifier.domain.gate import PayloadStatus
from verifier.domain.status import ExecutorStatus
from witness.errors import WitnessFormatError
from witness.formats.json_field import as_octets, hex_octets

HASH_LENGTH = 32
# A word of earlier clients for a payload whose blockHash is not its own; it was removed from the specification.
INVALID_BLOCK_HASH = "INVALID_BLOCK_HASH"


def parse_payload_status(value: Any) -> PayloadStatus | None:
    """The status that `value` says; None if it is no PayloadStatusV1, and so says nothing about a block."""
    if not isinstance(value, dict):
        return None
    word, latest, error = value.get("status"), value.get("latestValidHash"), value.get("validationError")
    if word == INVALID_BLOCK_HASH:
        word = ExecutorStatus.INVALID.value
    if not isinstance(word, str) or word not in list(ExecutorStatus):
        return None
    hash_ = hash_field(value, "latestValidHash")
    if latest is not None and hash_ is None:
        return None
    return PayloadStatus(ExecutorStatus(word), hash_, None if error is None else str(error))


def payload_status_object(status: PayloadStatus) -> dict[str, Any]:
    """The JSON object of a status."""
    latest = status.latest_valid_hash
    return {
        "status": status.status.value,
        "latestValidHash": None if latest is None else hex_octets(latest),
        "validationError": status.validation_error,
    }


def hash_field(value: dict[str, Any], name: str) -> bytes | None:
    """The 32 bytes in a field of a JSON object; None if they are not there."""
    try:
        return as_octets(value.get(name), name, HASH_LENGTH)
    except WitnessFormatError:
        return None
