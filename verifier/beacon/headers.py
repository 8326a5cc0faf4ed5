"""Header fields of the Beacon API: which go to the beacon node, and what they say of a message."""

from collections.abc import Mapping

from multidict import CIMultiDict

from verifier.header_fields import end_to_end

from .errors import UnsupportedMessageError
from .messages import JSON, SSZ

NOT_FORWARDED = frozenset(("host", "expect"))  # the node's own name is sent; we say ourselves that a body may come


def forwarded(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The fields of a request that are for the beacon node."""
    return end_to_end(headers.items(), NOT_FORWARDED)


def media_type(headers: Mapping[str, str]) -> str:
    """JSON or SSZ. Raises UnsupportedMessageError for anything else, for nothing, and for a compressed body."""
    if _single(headers, "Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMessageError("a compressed message")
    kind, _, parameters = _single(headers, "Content-Type", "").partition(";")
    media = kind.strip().lower()
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media not in (JSON, SSZ) or charset not in ("", "charset=utf-8"):
        raise UnsupportedMessageError("a message that is neither application/json nor application/octet-stream")
    return media


def consensus_version(headers: Mapping[str, str]) -> str | None:
    """The fork that a message says it is of, None if it does not say. Raises UnsupportedMessageError for two."""
    return _single(headers, "Eth-Consensus-Version", "").strip().lower() or None


def _single(headers: Mapping[str, str], name: str, default: str) -> str:
    values = [value for key, value in headers.items() if key.lower() == name.lower()]
    if len(values) > 1:
        raise UnsupportedMessageError(f"more than one header {name}")
    return values[0] if values else default
