"""What a client is sent over its Engine API, and what its answers amount to."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import block_witness, chain
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.engine_messages import NotAskedError, decode_answer, encode_call
from witness.file import write_witness_file
from witness.formats.geth_rlp import decode_witness_rlp
from witness.header import decode_header
from witness.model import BlockWitness, Witness

METHOD = "engine_executeStatelessPayloadV2"
ROOT, RECEIPTS = b"\x31" * 32, b"\x32" * 32
ZEROS = "0x" + "00" * 32


def request_for(content: BlockWitness, directory: Path) -> ExecutionRequest:
    root = decode_header(content.witness.headers[-1]).state_root if content.witness.headers else bytes(32)
    return ExecutionRequest(write_witness_file(content, directory, sync=False), content.hash, root, deadline=5.0)


def test_the_call(tmp_path: Path) -> None:
    content = block_witness()
    call = encode_call(request_for(content, tmp_path))
    document = json.loads(call.body)
    payload, witness = document["params"]
    assert (call.method, call.chain_id) == (document["method"], 7) == (METHOD, 7)
    assert payload["blockHash"] == "0x" + content.hash.hex()
    assert decode_witness_rlp(bytes.fromhex(witness[2:])) == content.witness


def test_the_client_is_not_told_what_it_has_to_compute(tmp_path: Path) -> None:
    content = block_witness(root_after=ROOT)
    call = encode_call(request_for(content, tmp_path))
    payload = json.loads(call.body)["params"][0]
    assert (payload["stateRoot"], payload["receiptsRoot"]) == (ZEROS, ZEROS)
    assert ROOT.hex().encode() not in call.body


def with_headers(content: BlockWitness, headers: list[bytes]) -> BlockWitness:
    return replace(content, witness=Witness(content.witness.state, content.witness.codes, headers))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ("above", "do not form the chain"),  # the client would take the pre-state root from it
        ("gap", "do not form the chain"),
        ("none", "parent's header is missing"),
    ],
)
def test_headers_that_the_client_would_believe_are_refused(tmp_path: Path, headers: str, reason: str) -> None:
    content = block_witness()
    older, parent = (bytes(each) for each in content.witness.headers)
    given_ones = {"above": [older, parent, chain(1, 99)[0]], "gap": [chain(1, 5)[0], parent], "none": []}[headers]
    with pytest.raises(NotAskedError, match=reason):
        encode_call(request_for(with_headers(content, given_ones), tmp_path))


def test_another_pre_state_root_another_block_and_another_mode_are_refused(tmp_path: Path) -> None:
    request = request_for(block_witness(), tmp_path)
    for changed, reason in (
        (replace(request, pre_state_root=bytes(32)), "not the trusted one"),
        (replace(request, block_hash=bytes(32)), "another block"),
        (replace(request, mode=Mode.PRESTATE), "prestate mode"),
        (replace(request, chain_config=b"{"), "."),
        (replace(request, witness=tmp_path / "absent"), "No such file"),
    ):
        with pytest.raises(NotAskedError, match=reason) as caught:
            encode_call(changed)
        assert caught.value.reason is AbstentionReason.REFUSED


def answered(**result: Any) -> Any:
    return decode_answer({"jsonrpc": "2.0", "id": 1, "result": result}, METHOD)


def test_two_roots_and_nothing_else() -> None:
    outcome = answered(status="VALID", stateRoot="0x" + ROOT.hex(), receiptsRoot="0x" + RECEIPTS.hex())
    assert outcome == Computed(ROOT, RECEIPTS, None, None, None)


@pytest.mark.parametrize(
    "result",
    [
        {"status": "VALID"},
        {"status": "VALID", "stateRoot": ZEROS, "receiptsRoot": "0x" + RECEIPTS.hex()},
        {"status": "VALID", "stateRoot": "0x" + ROOT.hex(), "receiptsRoot": "0x32"},
        {"status": "VALID", "stateRoot": "0x" + ROOT.hex(), "receiptsRoot": "0x" + " 1" * 32},
        {"status": "VALID", "stateRoot": ROOT.hex(), "receiptsRoot": RECEIPTS.hex()},
        {"status": "valid", "stateRoot": "0x" + ROOT.hex(), "receiptsRoot": "0x" + RECEIPTS.hex()},
        {},
    ],
)
def test_valid_without_roots_is_no_answer(result: Any) -> None:
    outcome = answered(**result)
    assert isinstance(outcome, Abstention)
    assert outcome.reason is AbstentionReason.CRASHED


def test_invalid_is_a_broken_rule_or_something_missing() -> None:
    assert answered(status="INVALID", validationError="invalid gas\nused") == BrokenRule("other", "invalid gas used")
    assert answered(status="INVALID") == BrokenRule("other", "the client says INVALID, and not why")
    missing = answered(status="INVALID", validationError="missing trie node 0x12 (path )")
    assert missing == Abstention(AbstentionReason.WITNESS_INSUFFICIENT, "missing trie node 0x12 (path )")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-32601, AbstentionReason.REFUSED),
        (-32602, AbstentionReason.REFUSED),
        (-38005, AbstentionReason.UNSUPPORTED_FORK),
        (-32000, AbstentionReason.CRASHED),
        (None, AbstentionReason.CRASHED),
    ],
)
def test_errors(code: int | None, reason: AbstentionReason) -> None:
    outcome = decode_answer({"error": {"code": code, "message": "no\x1b[2J such\nmethod"}}, METHOD)
    assert outcome == Abstention(reason, f"{METHOD}: no [2J such method")


def test_syncing_is_an_abstention() -> None:
    assert answered(status="SYNCING") == Abstention(AbstentionReason.REFUSED, "it answers SYNCING")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["VALID", "INVALID", ZEROS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "error", "status", "stateRoot", "receiptsRoot", "validationError", "code"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_answer_is_some_outcome(answer: Any) -> None:
    assert not isinstance(decode_answer(answer, METHOD), Computed)
