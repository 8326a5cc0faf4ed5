import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.beacon.errors import UnreadableMessageError, UnsupportedMessageError
from verifier.beacon.json_message import event_block, read_answer, read_list
from verifier.beacon.messages import MessageKind, VotedBlocks

from .messages import (
    aggregate_and_proof_json,
    attestation_json,
    contribution_and_proof_json,
    contribution_json,
    data_json,
    hexadecimal,
    root,
    single_json,
    sync_message_json,
)

BOTH, HEAD = VotedBlocks(root(1), root(2)), VotedBlocks(root(1))


@pytest.mark.parametrize(
    ("kind", "data", "voted"),
    [
        (MessageKind.ATTESTATION_DATA, data_json(root(1), root(2), index=7), VotedBlocks(root(1), root(2), 7)),
        (MessageKind.AGGREGATE, attestation_json(root(1), root(2)), BOTH),
        (MessageKind.CONTRIBUTION, contribution_json(root(1)), HEAD),
        (
            MessageKind.PAYLOAD_DATA,
            {"beacon_block_root": hexadecimal(root(1)), "slot": "3", "payload_present": True},
            VotedBlocks(root(1), index=1),
        ),
    ],
)
@pytest.mark.parametrize("version", [{}, {"version": "fulu", "execution_optimistic": False}])
def test_answers_of_every_shape(kind: MessageKind, data: Any, voted: VotedBlocks, version: dict[str, Any]) -> None:
    assert read_answer(kind, json.dumps({**version, "data": data}).encode()) == voted


@pytest.mark.parametrize(
    ("kind", "message", "voted"),
    [
        (MessageKind.ATTESTATION, attestation_json(root(1), root(2)), BOTH),
        (MessageKind.ATTESTATION, single_json(root(1), root(2)), BOTH),
        (MessageKind.AGGREGATE_AND_PROOF, aggregate_and_proof_json(root(1), root(2)), BOTH),
        (MessageKind.SYNC_MESSAGE, sync_message_json(root(1)), HEAD),
        (MessageKind.CONTRIBUTION_AND_PROOF, contribution_and_proof_json(root(1)), HEAD),
        (
            MessageKind.PAYLOAD_MESSAGE,
            {"data": {"beacon_block_root": hexadecimal(root(1)), "payload_present": False}},
            HEAD,
        ),
    ],
)
def test_lists_of_every_shape(kind: MessageKind, message: Any, voted: VotedBlocks) -> None:
    messages = read_list(kind, json.dumps([message, message]).encode())
    assert messages.voted == (voted, voted)
    assert json.loads(messages.only([1])) == [message]
    assert read_list(kind, b"[]").voted == ()


@pytest.mark.parametrize("name", ["data", "Data", "DATA"])
def test_a_name_that_occurs_twice_is_refused(name: str) -> None:
    good, bad = json.dumps(data_json(root(1), root(2))), json.dumps(data_json(root(3), root(4)))
    with pytest.raises(UnreadableMessageError, match="twice"):
        read_answer(MessageKind.ATTESTATION_DATA, f'{{"data": {good}, "{name}": {bad}}}'.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"beacon_block_root": None},
        {"beacon_block_root": "0x12"},
        {"beacon_block_root": "0x" + "g" * 64},
        {"beacon_block_root": 12},
        {"target": None},
        {"target": []},
        {"target": {"epoch": "2"}},
        {"index": 0},
        {"index": "-1"},
        {"index": "1" * 5000},
    ],
)
def test_what_is_not_as_it_should_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        read_list(MessageKind.ATTESTATION, json.dumps([{"data": data_json(root(1), root(2)) | change}]).encode())


def test_unknown_forks_are_refused() -> None:
    body = json.dumps({"version": "heze", "data": attestation_json(root(1), root(2))}).encode()
    with pytest.raises(UnsupportedMessageError, match="heze"):
        read_answer(MessageKind.AGGREGATE, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[",
        b"\xff",
        b"[" * 100_000,
        b'{"data": NaN}',
        b"\xef\xbb\xbf{}",
        json.dumps({"data": data_json(root(1), root(2))}).encode("utf-16"),
    ],
    ids=["empty", "null", "object", "cut", "utf-8", "deep", "NaN", "byte order mark", "utf-16"],
)
def test_garbage(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        read_answer(MessageKind.ATTESTATION_DATA, body)
    with pytest.raises(UnreadableMessageError):
        read_list(MessageKind.ATTESTATION, body)
    with pytest.raises(UnreadableMessageError):
        event_block(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(hexadecimal(root(1))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "message", "aggregate", "target", "root", "index"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(VALUES)
@settings(deadline=None)  # the machine may be busy
def test_any_json_is_a_vote_or_an_error_of_its_own(value: Any) -> None:
    for kind in MessageKind:
        for read in (read_answer, read_list):
            with contextlib.suppress(UnreadableMessageError):
                read(kind, json.dumps(value).encode())
