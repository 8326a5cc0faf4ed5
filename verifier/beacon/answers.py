"""What the gate itself answers: errors as the Beacon API has them.

Source: beacon-APIs, `ErrorMessage` and `IndexedErrorMessage`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import UnreadableMessageError
from .json_message import load_object


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


def error_answer(status: int, message: str) -> ErrorAnswer:
    """`{"code", "message"}`."""
    return ErrorAnswer(status, json.dumps({"code": status, "message": message}).encode())


def indexed_error(failures: Mapping[int, str]) -> ErrorAnswer:
    """Some messages of a request failed, the others are published. failures: by place in the request."""
    listed = [{"index": index, "message": failures[index]} for index in sorted(failures)]
    text = f"{len(failures)} messages were not published"
    return ErrorAnswer(400, json.dumps({"code": 400, "message": text, "failures": listed}).encode())


def merged_failures(body: bytes, places: Sequence[int]) -> dict[int, str] | None:
    """The failures in the beacon node's own indexed error, by place in the client's request; None if it is none.

    places: where in the client's request each message that was forwarded stood.
    """
    try:
        listed: Any = load_object(body).get("failures")
    except UnreadableMessageError:
        return None
    if not isinstance(listed, list):
        return None
    failures: dict[int, str] = {}
    for failure in listed:
        if not isinstance(failure, dict):
            return None
        index = str(failure.get("index"))
        if not index.isdecimal() or int(index[-9:]) >= len(places):
            return None
        failures[places[int(index[-9:])]] = str(failure.get("message", ""))
    return failures
