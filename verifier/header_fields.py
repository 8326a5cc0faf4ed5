"""Which header fields a proxy passes on, and which concern one connection alone (RFC 9110, section 7.6.1)."""

from collections.abc import Collection, Iterable

from multidict import CIMultiDict

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


def end_to_end(fields: Iterable[tuple[str, str]], without: Collection[str] = ()) -> CIMultiDict[str]:
    """The fields that go on, in order, repeated ones too. without: lowercase names of others that do not."""
    given = CIMultiDict(fields)
    named = {name.strip().lower() for value in given.getall("Connection", []) for name in value.split(",")}
    left_out = HOP_BY_HOP | named | set(without)
    return CIMultiDict((name, value) for name, value in given.items() if name.lower() not in left_out)
