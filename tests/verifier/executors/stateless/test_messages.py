"""Whatever bytes an adapter answers: an outcome, or MalformedAnswerError."""

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.executors.stateless.scripted_adapter import ANSWER
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Missing
from verifier.executors.stateless.messages import MalformedAnswerError, decode_outcome
from verifier.rpc.v1 import executor_pb2 as pb


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
