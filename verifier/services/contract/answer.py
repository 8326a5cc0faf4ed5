"""One answer of an adapter, and how the verifier reads it."""

from dataclasses import dataclass

import grpc

from verifier.domain.result import Abstention, AbstentionReason, Outcome, Result
from verifier.domain.vote import Vote, cast_vote
from verifier.executors.stateless.messages import MalformedAnswerError, decode_outcome
from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import Header

NEARLY = 0.9  # of a deadline: the two sides count it from different moments


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request: a response, or a gRPC status other than OK. elapsed: seconds."""

    status: grpc.StatusCode
    response: pb.ExecuteResponse | None = None
    detail: str = ""
    elapsed: float = 0.0

    @property
    def kind(self) -> str:
        """ "computed", "broken_rule", "abstention", or "" where there is none of them."""
        return (self.response.WhichOneof("outcome") or "") if self.response is not None else ""

    @property
    def reason(self) -> str:
        """Why it abstained, in lower case ("refused"); "" if it did not."""
        if self.response is None or self.kind != "abstention":
            return ""
        value = self.response.abstention.reason
        known = value in pb.AbstentionReason.values()
        return pb.AbstentionReason.Name(value).removeprefix("ABSTENTION_REASON_").lower() if known else str(value)

    def over(self, deadline: float) -> bool:
        """Whether it says no more than that the deadline (seconds) has passed.

        DEADLINE_EXCEEDED, which the caller's side may say first; or CANCELLED at the deadline: gRPC in Go then resets
        the stream, and the caller may see that before its own timer.
        """
        if self.status is grpc.StatusCode.CANCELLED:
            return self.elapsed >= deadline * NEARLY
        return self.status is grpc.StatusCode.DEADLINE_EXCEEDED or self.reason == "timeout"

    @property
    def missing(self) -> list[pb.Missing]:
        """What it names as missing."""
        return list(self.response.abstention.missing) if self.response is not None else []

    def names(self, hash_: bytes) -> bool:
        """Whether it abstained because the witness lacks what has this hash."""
        return self.reason == "witness_insufficient" and any(item.hash == hash_ for item in self.missing)

    def vote(self, header: Header) -> Vote:
        """The verifier's own reading of it for the block with this header. What is no answer is an abstention."""
        outcome: Outcome
        try:
            if self.response is None:
                raise MalformedAnswerError(f"gRPC status {self.status.name}: {self.detail}")
            outcome = decode_outcome(self.response)
        except MalformedAnswerError as error:
            outcome = Abstention(AbstentionReason.CRASHED, str(error))
        return cast_vote(header, Result("", "", outcome))

    def __str__(self) -> str:
        response = self.response
        if response is None:
            return f"gRPC status {self.status.name} ({self.detail[:120]})"
        match self.kind:
            case "computed":
                computed = response.computed
                return f"Computed (state root 0x{computed.state_root.hex()[:8]}…, gas used {computed.gas_used})"
            case "broken_rule":
                value = response.broken_rule.rule
                name = pb.Rule.Name(value) if value in pb.Rule.values() else str(value)
                return f"BrokenRule {name}: {response.broken_rule.detail[:120]}"
            case "abstention":
                return f"Abstention {self.reason}: {response.abstention.detail[:120]}"
            case _:
                return "an answer without an outcome"
