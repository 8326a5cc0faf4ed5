"""Whatever bytes an adapter answers: an outcome, or MalformedAnswerError."""

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.executors.stateless.scripted_adapter import ANSWER
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Missing, Mode
from verifier.executors.stateless.messages import MalformedAnswerError, decode_outcome
from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import PostAccount


def test_computed() -> None:
    outcome = decode_outcome(ANSWER)
    assert isinstance(outcome, Computed)
    assert (outcome.state_root, outcome.requests_hash, outcome.blob_gas_used) == (b"\x05" * 32, None, None)


def test_broken_rule() -> None:
    answer = pb.ExecuteResponse(broken_rule=pb.BrokenRule(rule=pb.RULE_BASE_FEE, detail="7\nis not\x1b[31m 8"))
    assert decode_outcome(answer) == BrokenRule("base_fee", "7 is not [31m 8")


def test_abstention() -> None:
    item = pb.Missing(kind=pb.Missing.KIND_NODE, hash=b"\1" * 32, where="account path 22c")
    reason = pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT
    answer = pb.ExecuteResponse(abstention=pb.Abstention(reason=reason, detail="no", missing=[item]))
    expected = Abstention(
        AbstentionReason.WITNESS_INSUFFICIENT, "no", (Missing("node", b"\1" * 32, where="account path 22c"),)
    )
    assert decode_outcome(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pb.ExecuteResponse(),
        pb.ExecuteResponse(computed=pb.Computed()),
        pb.ExecuteResponse(broken_rule=pb.BrokenRule()),
        pb.ExecuteResponse(broken_rule=pb.BrokenRule(rule=999)),  # type: ignore[arg-type]
        pb.ExecuteResponse(abstention=pb.Abstention()),
        pb.ExecuteResponse(abstention=pb.Abstention(reason=77)),  # type: ignore[arg-type]
        pb.ExecuteResponse(
            abstention=pb.Abstention(reason=pb.ABSTENTION_REASON_REFUSED, missing=[pb.Missing(hash=b"\1" * 32)])
        ),
    ],
)
def test_malformed_answers_are_refused(answer: pb.ExecuteResponse) -> None:
    with pytest.raises(MalformedAnswerError):
        decode_outcome(answer)


@given(st.data())
def test_mutated_answers(data: st.DataObject) -> None:
    encoded = bytearray(ANSWER.SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    answer = pb.ExecuteResponse()
    with contextlib.suppress(DecodeError, MalformedAnswerError):
        answer.ParseFromString(bytes(encoded))
        decode_outcome(answer)


def prestate_answer(**changes: object) -> pb.ExecuteResponse:
    answer = pb.ExecuteResponse()
    answer.CopyFrom(ANSWER)
    answer.computed.state_root = b""
    alice = {"address": b"\xaa" * 20, "nonce": 1, "balance": b"\x07", "code_hash": b"\xc5" * 32}
    slot = pb.PostSlot(key=b"\1" * 32, value=b"")
    fields: dict[str, object] = {**alice, "slots": [slot], **changes}
    entries = [pb.PostAccount(**fields), pb.PostAccount(address=b"\xbb" * 20, deleted=True)]  # type: ignore[arg-type]
    answer.computed.post_state.extend(entries)
    return answer


def test_a_post_state() -> None:
    outcome = decode_outcome(prestate_answer(), Mode.PRESTATE)
    assert isinstance(outcome, Computed)
    expected = {b"\xaa" * 20: PostAccount(1, 7, b"\xc5" * 32, {b"\1" * 32: 0}), b"\xbb" * 20: None}
    assert (outcome.state_root, outcome.post_state) == (None, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"address": b"\xcc" * 20},  # not ascending
        {"address": b"\xbb" * 20},  # twice
        {"address": b"\xaa" * 19},
        {"balance": b"\0\7"},
        {"balance": b"\1" * 33},
        {"code_hash": b""},
        {"slots": [pb.PostSlot(key=b"\1" * 31)]},
        {"slots": [pb.PostSlot(key=b"\1" * 32, value=b"\0")]},
        {"slots": [pb.PostSlot(key=b"\2" * 32), pb.PostSlot(key=b"\1" * 32)]},
    ],
)
def test_malformed_post_states_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswerError):
        decode_outcome(prestate_answer(**changes), Mode.PRESTATE)


def test_a_state_root_is_no_answer_in_prestate_mode() -> None:
    with pytest.raises(MalformedAnswerError, match="state root in prestate mode"):
        decode_outcome(ANSWER, Mode.PRESTATE)
    with pytest.raises(MalformedAnswerError, match="state_root has 0 bytes"):
        decode_outcome(prestate_answer(), Mode.PROOF)


def test_receipts_before_byzantium_have_no_root_in_prestate_mode() -> None:
    answer = prestate_answer()
    answer.computed.receipts_root = b""
    with pytest.raises(MalformedAnswerError, match="receipts_root"):
        decode_outcome(answer, Mode.PRESTATE)
    answer.computed.receipts.append(pb.Receipt(cumulative_gas_used=21_000, logs_hash=b"\x1d" * 32))
    outcome = decode_outcome(answer, Mode.PRESTATE)
    assert isinstance(outcome, Computed)
    assert outcome.receipts_root is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": pb.Missing.KIND_ACCOUNT, "address": b"\xaa" * 20}, f"account 0x{'aa' * 20}"),
        (
            {"kind": pb.Missing.KIND_SLOT, "address": b"\xaa" * 20, "key": bytes(32)},
            f"slot 0x{'aa' * 20} 0x{'00' * 32}",
        ),
        ({"kind": pb.Missing.KIND_ACCOUNT}, None),
        ({"kind": pb.Missing.KIND_ACCOUNT, "address": b"\xaa" * 20, "key": bytes(32)}, None),
        ({"kind": pb.Missing.KIND_SLOT, "address": b"\xaa" * 20}, None),
        ({"kind": pb.Missing.KIND_SLOT, "address": b"\xaa" * 19, "key": bytes(32)}, None),
    ],
)
def test_missing_accounts_and_slots_are_named(fields: dict[str, object], name: str | None) -> None:
    reason = pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT
    answer = pb.ExecuteResponse(
        abstention=pb.Abstention(reason=reason, missing=[pb.Missing(**fields)])  # type: ignore[arg-type]
    )
    if name is None:
        with pytest.raises(MalformedAnswerError):
            decode_outcome(answer, Mode.PRESTATE)
    else:
        outcome = decode_outcome(answer, Mode.PRESTATE)
        assert isinstance(outcome, Abstention)
        assert [str(item) for item in outcome.missing] == [name]
