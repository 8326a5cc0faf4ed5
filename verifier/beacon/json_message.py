"""Votes out of JSON as the Beacon API has it: quantities as decimal strings, roots as 0x-hex."""

import json
import re
from collections.abc import Sequence
from typing import Any

from witness.json_document import load_json

from .errors import UnreadableMessageError
from .messages import MessageKind, MessageList, VotedBlocks, check_fork

ROOT = re.compile(r"0x[0-9a-fA-F]{64}")
QUANTITY = re.compile(r"[0-9]{1,20}")
# Where in a message the thing lies that names the blocks.
WAY: dict[MessageKind, tuple[str, ...]] = {
    MessageKind.ATTESTATION_DATA: (),
    MessageKind.AGGREGATE: ("data",),
    MessageKind.ATTESTATION: ("data",),
    MessageKind.AGGREGATE_AND_PROOF: ("message", "aggregate", "data"),
    MessageKind.SYNC_MESSAGE: (),
    MessageKind.CONTRIBUTION: (),
    MessageKind.CONTRIBUTION_AND_PROOF: ("message", "contribution"),
    MessageKind.PAYLOAD_DATA: (),
    MessageKind.PAYLOAD_MESSAGE: ("data",),
}
WITH_TARGET = (
    MessageKind.ATTESTATION_DATA,
    MessageKind.AGGREGATE,
    MessageKind.ATTESTATION,
    MessageKind.AGGREGATE_AND_PROOF,
)
WITH_PRESENCE = (MessageKind.PAYLOAD_DATA, MessageKind.PAYLOAD_MESSAGE)


def read_answer(kind: MessageKind, body: bytes) -> VotedBlocks:
    """The vote in `{"version"?, "data": …}`. Raises UnreadableMessageError."""
    answer = _member_names(_load(body))
    fork = answer.get("version")
    if fork is not None and not isinstance(fork, str):
        raise UnreadableMessageError("its version is not a string")
    check_fork(fork)
    return _voted(kind, answer.get("data"))


def read_list(kind: MessageKind, body: bytes) -> MessageList:
    """The votes in a list of messages. Raises UnreadableMessageError."""
    messages = _load(body)
    if not isinstance(messages, list):
        raise UnreadableMessageError("it is not a list")
    return MessageList(tuple(_voted(kind, message) for message in messages), tuple(messages), _join)


def event_block(data: bytes) -> bytes:
    """The block root in the data of a `head` event. Raises UnreadableMessageError."""
    return _root(_load(data), "block")


def load_object(body: bytes) -> dict[str, Any]:
    """A JSON object, each of its names only once. Raises UnreadableMessageError."""
    return _member_names(_load(body))


def _load(body: bytes) -> Any:
    """The value, read in such a way that no other JSON parser can read another one out of the same bytes."""
    try:
        text = body.decode()
        load_json(b"" if text.startswith("\ufeff") else body)  # measures the nesting before anything recurses
        return json.loads(text, object_pairs_hook=_unambiguous, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError(f"it is not JSON: {error}") from error


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two equal names counts differs between parsers, and one in Go takes names in any case.
    if len({name.casefold() for name, _ in pairs}) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _join(messages: Sequence[Any]) -> bytes:
    return json.dumps(messages, separators=(",", ":")).encode()


def _member_names(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableMessageError("an object is missing")
    return value


def _voted(kind: MessageKind, message: Any) -> VotedBlocks:
    for name in WAY[kind]:
        message = _member_names(message).get(name)
    head = _root(message, "beacon_block_root")
    if kind in WITH_TARGET:
        return VotedBlocks(head, _root(message.get("target"), "root"), _quantity(message, "index"))
    if kind in WITH_PRESENCE:
        present = message.get("payload_present")
        if not isinstance(present, bool):
            raise UnreadableMessageError("payload_present is not a boolean")
        return VotedBlocks(head, index=int(present))
    return VotedBlocks(head)


def _root(message: Any, name: str) -> bytes:
    value = _member_names(message).get(name)
    if not isinstance(value, str) or not ROOT.fullmatch(value):
        raise UnreadableMessageError(f"{name} is not a root")
    return bytes.fromhex(value[2:])


def _quantity(message: Any, name: str) -> int:
    value = _member_names(message).get(name)
    if not isinstance(value, str) or not QUANTITY.fullmatch(value):
        raise UnreadableMessageError(f"{name} is not a decimal string")
    return int(value)
