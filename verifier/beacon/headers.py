"""Which header fields go through a proxy, and which concern one connection alone (RFC 9110, section 7.6.1)."""

from collections.abc import Mapping

from multidict import CIMultiDict

from .errors import UnsupportedMessageError
from .messages import JSON, SSZ

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
NOT_FORWARDED = frozenset(("host", "expect"))  # the node's own name is sent; we say ourselves that a body may come


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The fields of an answer that are for the client, in order, repeated ones too."""
    named = {
        name.strip().lower()
        for key, value in headers.items()
        if key.lower() == "connection"
        for name in value.split(",")
    }
    kept = ((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP | named)
    return CIMultiDict(kept)


def forwarded(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The fields of a request that are for the beacon node."""
    return CIMultiDict(
        (name, value) for name, value in end_to_end(headers).items() if name.lower() not in NOT_FORWARDED
    )


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
