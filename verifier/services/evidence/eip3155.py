"""Traces as lines of JSON (EIP-3155), and back: each line with the account, each summary with its transaction."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from verifier.domain.localization import Localization
from verifier.domain.opcode import opcode_name
from verifier.domain.trace import WORD, Step, TraceItem, TransactionEnd, TransactionStart

from .document import DocumentError, one_line, parse

MAX_NUMBER = 1 << 64  # gas, sizes and indices fit 64 bits
MAX_WORDS = 1024  # of a stack (yellow paper, section 9.1)


def step_members(step: Step) -> dict[str, Any]:
    """A step in the words of EIP-3155, without the fields that adapters do not tell (returnData, refund)."""
    line: dict[str, Any] = {
        "pc": step.pc,
        "op": step.op,
        "gas": hex(step.gas),
        "gasCost": hex(step.gas_cost),
        "memSize": step.memory_size,
        "stack": [hex(int.from_bytes(word, "big")) for word in reversed(step.words)],
        "depth": step.depth,
        "opName": opcode_name(step.op),
    }
    if step.error:
        line["error"] = step.error
    return line


def write_lines(items: Sequence[TraceItem]) -> bytes:
    """The items, a line each, ended by a newline each. The same items give the same bytes."""
    return b"".join(json.dumps(_line(item), separators=(",", ":")).encode() + b"\n" for item in items)


def read_lines(encoded: bytes) -> tuple[TraceItem, ...]:
    """The items of `write_lines`. Raises DocumentError."""
    if encoded and not encoded.endswith(b"\n"):
        raise DocumentError("the last line is cut off")
    return tuple(_read_line(line, number) for number, line in enumerate(encoded.split(b"\n")[:-1], 1))


def traces_of(localization: Localization | None) -> Iterator[tuple[str, tuple[TraceItem, ...]]]:
    """What each adapter did up to where the traces part, and there: as far as the localization has it."""
    divergence = localization.divergence if localization is not None else None
    if localization is None or divergence is None:
        return
    start: tuple[TraceItem, ...] = ()
    if divergence.transaction is not None and divergence.transaction == localization.transaction:
        start = (TransactionStart(divergence.transaction, localization.transaction_hash),)
    for group in divergence.groups:
        here = (group.event,) if isinstance(group.event, TraceItem) else ()
        for adapter in group.adapters:
            yield adapter, (*start, *divergence.before, *here)


def _line(item: TraceItem) -> dict[str, Any]:
    match item:
        case Step():
            line = {**step_members(item), "account": f"0x{item.account.hex()}"}
            if item.error:
                line["error"] = one_line(item.error)
            return line
        case TransactionStart():
            return {"transaction": item.index, "hash": f"0x{item.hash.hex()}"}
        case TransactionEnd():
            summary = {"gasUsed": hex(item.gas_used), "pass": item.succeeded}
            return {**summary, "transaction": item.index, "steps": item.steps}


def _read_line(line: bytes, number: int) -> TraceItem:
    members = parse(line)
    if not isinstance(members, dict):
        raise DocumentError(f"line {number}: is no object")
    try:
        if "pc" in members:
            return _read_step(members)
        if "pass" in members:
            succeeded = members["pass"]
            if not isinstance(succeeded, bool):
                raise DocumentError("pass is neither true nor false")
            gas_used = _quantity(members, "gasUsed")
            return TransactionEnd(_integer(members, "transaction"), succeeded, gas_used, _integer(members, "steps"))
        return TransactionStart(_integer(members, "transaction"), _octets(members, "hash"))
    except DocumentError as error:
        raise DocumentError(f"line {number}: {error}") from None
    except KeyError as error:
        raise DocumentError(f"line {number}: {error.args[0]} is missing") from None


def _read_step(members: dict[str, Any]) -> Step:
    words, error = members["stack"], members.get("error", "")
    if not isinstance(words, list) or len(words) > MAX_WORDS:
        raise DocumentError(f"stack is no list of at most {MAX_WORDS} words")
    if not isinstance(error, str) or not error.isprintable():
        raise DocumentError("error is not one printable line")
    return Step(
        depth=_integer(members, "depth"),
        account=_octets(members, "account"),
        pc=_integer(members, "pc"),
        op=_integer(members, "op"),
        gas=_quantity(members, "gas"),
        stack=b"".join(_hexadecimal(each, "stack", 1 << 8 * WORD).to_bytes(WORD, "big") for each in words),
        gas_cost=_quantity(members, "gasCost"),
        memory_size=_integer(members, "memSize"),
        error=error,
    )


def _integer(members: dict[str, Any], name: str) -> int:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise DocumentError(f"{name} is no integer of 64 bits")
    return value


def _quantity(members: dict[str, Any], name: str) -> int:
    return _hexadecimal(members[name], name, MAX_NUMBER)


def _hexadecimal(value: Any, name: str, limit: int) -> int:
    if isinstance(value, str) and len(value) <= 2 + 2 * WORD and value[:2] == "0x" and value[2:].isalnum():
        try:
            number = int(value[2:], 16)
        except ValueError:
            number = limit
        if number < limit and hex(number) == value:
            return number
    raise DocumentError(f"{name} is no quantity (0x…)")


def _octets(members: dict[str, Any], name: str) -> bytes:
    value = members[name]
    try:
        octets = bytes.fromhex(value.removeprefix("0x"))
    except (ValueError, AttributeError):
        octets = None
    if octets is None or value != f"0x{octets.hex()}":
        raise DocumentError(f"{name} is not 0x and pairs of hexadecimal digits")
    return octets
