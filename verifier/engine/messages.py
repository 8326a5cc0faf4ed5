"""JSON-RPC requests as they come, taken apart only as far as the gate needs, and the answers that the gate makes.

What the gate does not judge keeps its bytes. A body that is not JSON is answered by us (-32700) and not passed on: two
parsers that disagree about it could disagree about a newPayload in it.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from witness.json_document import load_json

PAYLOAD, FORKCHOICE = "engine_newPayload", "engine_forkchoiceUpdated"  # also of versions that are not known yet
CAPABILITIES = "engine_exchangeCapabilities"
VERSION = re.compile(r"V([0-9]{1,4})$", re.IGNORECASE)
WITH_WITNESS = "WithWitness"
WHITE_SPACE = b" \t\n\r"
MAX_BATCH = 1000  # calls, where any of them is judged; geth's own limit
MEMBERS = frozenset(("jsonrpc", "id", "method", "params"))  # of a call (JSON-RPC 2.0, section 4)
# JSON-RPC 2.0, section 5.1, and Engine API common.md, "Errors".
PARSE_ERROR, INTERNAL_ERROR, METHOD_NOT_FOUND = -32700, -32603, -32601
SERVER_ERROR, INVALID_FORKCHOICE_STATE = -32000, -38002


Finish = Callable[[], Awaitable[bytes]]
"""Gives the answer to a call that has been forwarded: holds it where it must."""


class MalformedRequestError(ValueError):
    """A body that is not JSON."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the gate judges. raw: its JSON as it came. answered: it has an id; else nothing is answered."""

    method: str
    params: Any
    id: Any
    answered: bool
    raw: bytes

    @property
    def version(self) -> int | None:
        """The number behind the method's V."""
        found = VERSION.search(self.method)
        return int(found[1]) if found else None

    @property
    def is_payload(self) -> bool:
        """Whether it is a newPayload; else it is a forkchoiceUpdated."""
        return _begins(self.method, PAYLOAD)

    @property
    def wants_witness(self) -> bool:
        """Whether the caller itself asks for the witness."""
        return WITH_WITNESS.lower() in self.method.lower()


@dataclass(frozen=True, slots=True)
class Request:
    """A body. parts: what it consists of, in order, bytes for what is passed on untouched; one part if no batch.

    capabilities: the parameters of an engine_exchangeCapabilities in it, None if there is none.
    """

    parts: tuple[Call | bytes, ...]
    batch: bool
    capabilities: Any = None

    @property
    def gated(self) -> bool:
        """Whether there is anything to judge in it; if not, it is passed on as it came."""
        return any(isinstance(part, Call) for part in self.parts)


def parse_request(body: bytes) -> Request:
    """A body taken apart. Raises MalformedRequestError; what is JSON but no JSON-RPC is for the client behind us."""
    if not body.strip(WHITE_SPACE):
        return Request((body,), batch=False)
    value = _parse(body, _members)
    elements = value if isinstance(value, list) else [value]
    if any(isinstance(each, _Ambiguous) for each in elements):
        raise MalformedRequestError(
            "a call can be read in more than one way: its names repeat, or differ in their case"
        )
    asked = next((each["params"] for each in elements if _method(each) == CAPABILITIES and "params" in each), None)
    if not any(_is_gated(each) for each in elements):
        return Request((body,), batch=isinstance(value, list), capabilities=asked)
    if not isinstance(value, list):
        return Request((_call(value, body),), batch=False)
    if len(value) > MAX_BATCH:
        raise MalformedRequestError(f"more than {MAX_BATCH} calls in a batch")
    parts = (_call(each, raw) if _is_gated(each) else raw for each, raw in _elements(body))
    return Request(tuple(parts), batch=True, capabilities=asked)


def encode_result(call: Call, result: Any) -> bytes:
    """The answer to a call."""
    return _encode({"jsonrpc": "2.0", "id": call.id, "result": result})


def encode_error(call: Call | None, code: int, message: str) -> bytes:
    """The answer to a call that failed; None: to a body in which no call was found."""
    return _encode({"jsonrpc": "2.0", "id": call.id if call else None, "error": {"code": code, "message": message}})


def encode_failure(call: Call, error: Any) -> bytes:
    """The answer to a call for which the client behind us answered the JSON-RPC error `error`."""
    return _encode({"jsonrpc": "2.0", "id": call.id, "error": error})


def encode_errors(requests: Sequence[bytes], code: int, message: str) -> list[bytes]:
    """Answers that say the same error to every call in `requests` that wants one."""
    calls = [_call(each, b"") for each in map(_parse, requests) if isinstance(each, dict)]
    return [encode_error(call, code, message) for call in calls if call.answered]


def join_batch(elements: Sequence[bytes]) -> bytes:
    """A batch of calls, or of answers."""
    return b"[" + b",".join(elements) + b"]"


def batch_elements(answer: bytes) -> bytes | None:
    """What stands between the brackets of a batch's answer, a single object as it is; None if it is not JSON."""
    try:
        value = _parse(answer)
    except MalformedRequestError:
        return None
    if isinstance(value, dict):
        return answer.strip(WHITE_SPACE)
    return answer.strip(WHITE_SPACE)[1:-1].strip(WHITE_SPACE) if isinstance(value, list) else None


def parse_answer(answer: bytes) -> dict[str, Any] | None:
    """An answer to one call: an object with a result or an error. None if it is no such thing."""
    try:
        value = _parse(answer)
    except MalformedRequestError:
        return None
    return value if isinstance(value, dict) and ("result" in value or isinstance(value.get("error"), dict)) else None


def error_code(answer: dict[str, Any]) -> Any:
    """The code of an answer that is an error."""
    error = answer.get("error")
    return error.get("code") if isinstance(error, dict) else None


def ready(answer: bytes) -> Finish:
    """An answer for which nothing is waited."""

    async def finish() -> bytes:
        return answer

    return finish


def with_method(call: Call, method: str) -> bytes:
    """The call with another method, its other bytes as they are where its method stands there only once."""
    before, after = json.dumps(call.method).encode(), json.dumps(method).encode()
    if call.raw.count(before) == 1:
        return call.raw.replace(before, after)
    return _encode({**_parse(call.raw), "method": method})


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class _Ambiguous(dict[str, Any]):
    """An object in which two parsers can find different calls."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of equal names the last counts for some parsers, the first for others; Go's takes names in any case.
    members = dict(pairs)
    doubtful = len(members) != len(pairs) or any(name not in MEMBERS and name.casefold() in MEMBERS for name in members)
    return _Ambiguous(members) if doubtful else members


def _parse(body: bytes, members: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    try:
        return load_json(body, members)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"not JSON: {error}") from None


def _method(value: Any) -> str:
    method = value.get("method") if isinstance(value, dict) else None
    return method if isinstance(method, str) else ""


def _is_gated(value: Any) -> bool:
    method = _method(value)
    return _begins(method, PAYLOAD) or _begins(method, FORKCHOICE)


def _begins(method: str, name: str) -> bool:
    """Whether it is a method of this name, whatever follows: some clients look methods up in any case."""
    return method.lower().startswith(name.lower())


def _call(value: Any, raw: bytes) -> Call:
    return Call(_method(value), value.get("params"), value.get("id"), "id" in value, raw)


def _elements(batch: bytes) -> list[tuple[Any, bytes]]:
    """The elements of a JSON list, each with its own bytes. The list has been parsed before."""
    text = batch.decode(json.detect_encoding(batch), "surrogatepass")
    decoder = json.JSONDecoder()
    space = re.compile(r"[ \t\n\r]*")
    elements = []
    at = text.index("[") + 1
    while True:
        match = space.match(text, at)
        value, end = decoder.raw_decode(text, match.end() if match else at)
        elements.append((value, text[match.end() if match else at : end].encode("utf-8", "surrogatepass")))
        match = space.match(text, end)
        at = (match.end() if match else end) + 1
        if text[at - 1] == "]":
            return elements
