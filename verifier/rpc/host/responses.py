"""The answers that do not depend on a client: abstentions and broken rules, each with one line of detail."""

from collections.abc import Iterable

from witness.errors import WitnessInsufficientError

from ..v1 import executor_pb2 as pb

MAX_DETAIL_LENGTH = 500  # characters; a detail is one line for a log, not a dump of the client's objects

MISSING_KINDS = {
    "node": pb.Missing.KIND_NODE,
    "code": pb.Missing.KIND_CODE,
    "header": pb.Missing.KIND_HEADER,
    "account": pb.Missing.KIND_ACCOUNT,
    "slot": pb.Missing.KIND_SLOT,
}


def one_line(text: object) -> str:
    """`text` on one line, printable, at most MAX_DETAIL_LENGTH characters."""
    line = " ".join(str(text).split())
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return printable if len(printable) <= MAX_DETAIL_LENGTH else printable[: MAX_DETAIL_LENGTH - 1] + "…"


def describe_error(error: BaseException) -> str:
    """An exception as `Type: message`, on one line."""
    message = str(error)
    return one_line(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def abstained(reason: pb.AbstentionReason, detail: str, missing: Iterable[pb.Missing] = ()) -> pb.ExecuteResponse:
    """The answer "cannot tell"."""
    return pb.ExecuteResponse(abstention=pb.Abstention(reason=reason, detail=one_line(detail), missing=list(missing)))


def refused(detail: str) -> pb.ExecuteResponse:
    """The file is damaged, of another block, or its pre-state root is not the trusted one."""
    return abstained(pb.ABSTENTION_REASON_REFUSED, detail)


def crashed(detail: str) -> pb.ExecuteResponse:
    """The client raised what it should not, or its process died; contained."""
    return abstained(pb.ABSTENTION_REASON_CRASHED, detail)


def unsupported_fork(fork: str) -> pb.ExecuteResponse:
    """The client lacks the block's fork."""
    return abstained(pb.ABSTENTION_REASON_UNSUPPORTED_FORK, f"fork {fork} is not supported")


def insufficient(missing: Iterable[pb.Missing]) -> pb.ExecuteResponse:
    """The witness lacks something, at least one, first the one that was asked for first. Repetitions are dropped."""
    unique: dict[tuple[object, ...], pb.Missing] = {}
    for item in missing:
        unique.setdefault(identity(item), item)
    first, *others = unique.values()
    more = f", and {len(others)} more" if others else ""
    return abstained(pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT, f"missing {_name(first)}{more}", unique.values())


def identity(item: pb.Missing) -> tuple[object, ...]:
    """What is missing, without where it was asked for: the same for the same thing."""
    return item.kind, item.hash, item.number, item.address, item.key


def _name(item: pb.Missing) -> str:
    kind = pb.Missing.Kind.Name(item.kind).removeprefix("KIND_").lower()
    parts = [f"0x{part.hex()}" for part in (item.hash, item.key, item.address) if part]
    return f"{kind} {' of '.join(parts) or item.number}" + (f" ({item.where})" if item.where else "")


def missing_of(error: WitnessInsufficientError) -> pb.Missing:
    """What a WitnessInsufficientError names, as a message."""
    return pb.Missing(
        kind=MISSING_KINDS[error.kind],
        hash=error.hash,
        where=one_line(error.where),
        address=error.address,
        key=error.key,
    )


def missing_header(hash_: bytes = b"", number: int = 0, where: str = "") -> pb.Missing:
    """A header that is not there: by hash where it is known, else by number."""
    return pb.Missing(kind=pb.Missing.KIND_HEADER, hash=hash_, number=number, where=where)


def broken_rule(rule: pb.Rule, detail: object) -> pb.ExecuteResponse:
    """The block breaks a rule of the protocol."""
    return pb.ExecuteResponse(broken_rule=pb.BrokenRule(rule=rule, detail=one_line(detail)))
