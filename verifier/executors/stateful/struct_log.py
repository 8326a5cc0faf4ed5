"""The structLogs of debug_traceTransaction and debug_traceBlockByHash, read as they come, never all in memory.

geth's default tracer, which others have too (execution-apis has none). It tells neither accounts nor where codes end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ijson

from verifier.domain.opcode import OPCODES
from verifier.domain.trace import WORD

from .errors import ExecutionClientError

MAX_DEPTH = 1025  # the outermost call is 1, and 1024 may be nested in it (yellow paper 8, C_D)
MAX_STACK = 1024  # words (yellow paper 9.1)
MAX_GAS = (1 << 64) - 1
MAX_PC = 1 << 32
# Bytes of an answer without anything in it: what a transaction returns is one text, and costs gas for its memory.
MAX_TEXT = 1 << 25
MAX_ERROR = 200  # characters of a client's free text that are kept
NAMES = {name: op for op, name in OPCODES.items()} | {"SHA3": 0x20, "SUICIDE": 0xFF, "DIFFICULTY": 0x44, "RANDOM": 0x44}
UNDEFINED = re.compile(r"0x([0-9a-f]{1,2})\b")  # "opcode 0xc not defined"
# What is asked of the tracer: the stack, and nothing that is not compared. The names are geth's, old and new.
TRACER_OPTIONS = {
    "enableMemory": False,
    "disableMemory": True,
    "disableStorage": True,
    "enableReturnData": False,
    "disableReturnData": True,
}


class MalformedTraceError(ExecutionClientError):
    """The answer is not what these methods answer."""


class RefusedTraceError(ExecutionClientError):
    """The client answers with an error: to the call, or for a transaction."""


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """One entry of structLogs. stack: 32 bytes a word, the bottom first. The rest as in `Step`."""

    depth: int
    pc: int
    op: int
    gas: int
    stack: bytes
    gas_cost: int
    error: str


@dataclass(frozen=True, slots=True)
class LoggedEnd:
    """A transaction has no more steps."""


LoggedItem = LoggedStep | LoggedEnd


class StructLogReader:
    """Reads one answer. block: of debug_traceBlockByHash, else of debug_traceTransaction."""

    def __init__(self, *, block: bool) -> None:
        self._events = ijson.sendable_list()
        self._parser = ijson.parse_coro(self._events)
        transaction = "result.item" if block else "result"
        trace = f"{transaction}.result" if block else transaction
        self._transaction = transaction
        self._step = f"{trace}.structLogs.item"
        self._word = f"{self._step}.stack.item"
        self._fields = {f"{self._step}.{name}": name for name in ("pc", "op", "gas", "gasCost", "depth", "error")}
        self._errors = ("error.message", f"{transaction}.error")
        self._result = False
        self._silent = 0
        self._values: dict[str, Any] | None = None
        self._words: list[bytes] = []

    def read(self, part: bytes) -> Iterator[LoggedItem]:
        """What is complete with these bytes. Raises MalformedTraceError, RefusedTraceError."""
        self._send(part)
        self._silent = 0 if self._events else self._silent + len(part)
        if self._silent > MAX_TEXT:
            raise MalformedTraceError(f"more than {MAX_TEXT} bytes without anything in them")
        yield from self._take()

    def close(self) -> Iterator[LoggedItem]:
        """The end of the answer. Raises as `read`: also where it is not complete."""
        try:
            self._parser.close()
        except (ijson.JSONError, ValueError) as error:
            raise MalformedTraceError(f"not a whole answer: {_line(error)}") from None
        yield from self._take()
        if not self._result:
            raise MalformedTraceError("the answer has no result")

    def _send(self, part: bytes) -> None:
        try:
            self._parser.send(part)
        except (ijson.JSONError, ValueError, StopIteration) as error:
            raise MalformedTraceError(f"not JSON: {_line(error)}") from None

    def _take(self) -> Iterator[LoggedItem]:
        events = list(self._events)
        del self._events[:]
        for prefix, event, value in events:
            if prefix == self._word:
                self._take_word(value)
            elif prefix in self._fields:
                if self._values is not None:
                    self._values[self._fields[prefix]] = value
            elif prefix == self._step:
                if event == "start_map":
                    self._values, self._words = {}, []
                elif event == "end_map":
                    yield self._entry()
                    self._values = None
                elif event != "map_key":
                    raise MalformedTraceError("an entry of structLogs is no object")
            elif prefix in self._errors and event == "string" and value:
                raise RefusedTraceError(_line(value))
            elif prefix == "result" and event in ("start_map", "start_array"):
                self._result = True
            if prefix == self._transaction and event == "end_map":
                yield LoggedEnd()

    def _take_word(self, value: object) -> None:
        digits = value.removeprefix("0x") if isinstance(value, str) else None
        if digits is None or len(digits) > 2 * WORD or len(self._words) == MAX_STACK:
            raise MalformedTraceError(f"no stack of words: {_line(value)}")
        try:
            self._words.append(bytes.fromhex(digits.zfill(2 * WORD)))
        except ValueError:
            raise MalformedTraceError(f"no word: {_line(value)}") from None
        if len(self._words[-1]) != WORD:  # fromhex skips white space
            raise MalformedTraceError(f"no word: {_line(value)}")

    def _entry(self) -> LoggedStep:
        values = self._values or {}
        error = values.get("error")
        return LoggedStep(
            depth=_number(values, "depth", 1, MAX_DEPTH),
            pc=_number(values, "pc", 0, MAX_PC),
            op=_opcode(values.get("op")),
            gas=_number(values, "gas", 0, MAX_GAS),
            stack=b"".join(self._words),
            gas_cost=_number(values, "gasCost", 0, MAX_GAS) if values.get("gasCost") is not None else 0,
            error=_line(error) if isinstance(error, str) else "",
        )


def _number(values: dict[str, Any], name: str, least: int, most: int) -> int:
    """A number, as such or as geth writes large ones, "0x…"."""
    value = values.get(name)
    if isinstance(value, str) and value.startswith("0x"):
        try:
            value = int(value, 16)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise MalformedTraceError(f"a step whose {name} is {_line(value)}")
    return value


def _opcode(name: object) -> int:
    if isinstance(name, str):
        if name in NAMES:
            return NAMES[name]
        number = UNDEFINED.search(name)
        if number is not None:
            return int(number[1], 16)
    raise MalformedTraceError(f"a step whose op is {_line(name)}")


def _line(value: object) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return " ".join(text.split())[:MAX_ERROR]
