"""Between the adapter protocol's messages and the core's values. What an adapter sends is never believed unchecked."""

from verifier.domain.result import (
    Abstention,
    AbstentionReason,
    BrokenRule,
    Computed,
    Missing,
    Outcome,
    Receipt,
)
from verifier.rpc.v1 import executor_pb2 as pb

from .base import ExecutionRequest

HASH_LENGTH = 32
BLOOM_LENGTH = 256
MAX_DETAIL = 500  # characters of an adapter's free text that are kept; it ends in logs and reports

ABSTENTION_REASONS = {
    pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT: AbstentionReason.WITNESS_INSUFFICIENT,
    pb.ABSTENTION_REASON_UNSUPPORTED_FORK: AbstentionReason.UNSUPPORTED_FORK,
    pb.ABSTENTION_REASON_TIMEOUT: AbstentionReason.TIMEOUT,
    pb.ABSTENTION_REASON_CRASHED: AbstentionReason.CRASHED,
    pb.ABSTENTION_REASON_REFUSED: AbstentionReason.REFUSED,
}
MISSING_KINDS = {pb.Missing.KIND_NODE: "node", pb.Missing.KIND_CODE: "code", pb.Missing.KIND_HEADER: "header"}


class MalformedAnswerError(ValueError):
    """An adapter's answer that breaks the contract: no outcome, a hash of the wrong length, an unknown enum value."""


def encode_request(request: ExecutionRequest) -> pb.ExecuteRequest:
    """The message that asks an adapter on this host for one block."""
    return pb.ExecuteRequest(
        path=str(request.witness.absolute()),
        block_hash=request.block_hash,
        pre_state_root=request.pre_state_root,
        mode=pb.MODE_PROOF,
        chain_config=request.chain_config,
        parent_header_optional=request.parent_header_optional,
        ancestor_hashes=[pb.AncestorHash(number=number, hash=each) for number, each in request.ancestor_hashes.items()],
    )


def decode_outcome(response: pb.ExecuteResponse) -> Outcome:
    """What the adapter said. Raises MalformedAnswerError."""
    match response.WhichOneof("outcome"):
        case "computed":
            return _computed(response.computed)
        case "broken_rule":
            rule = response.broken_rule.rule
            if rule in (pb.RULE_UNSPECIFIED, *_unknown(pb.Rule, rule)):
                raise MalformedAnswerError(f"broken rule {rule} is not in the contract")
            return BrokenRule(rule_name(rule), _line(response.broken_rule.detail))
        case "abstention":
            reason = ABSTENTION_REASONS.get(response.abstention.reason)
            if reason is None:
                raise MalformedAnswerError(f"abstention reason {response.abstention.reason} is not in the contract")
            missing = tuple(_missing(item) for item in response.abstention.missing[:10])
            return Abstention(reason, _line(response.abstention.detail), missing)
        case _:
            raise MalformedAnswerError("the answer has no outcome")


def rule_name(rule: int) -> str:
    """A rule's name in words: RULE_BASE_FEE → "base_fee"."""
    return pb.Rule.Name(rule).removeprefix("RULE_").lower()


def _unknown(enum: type[pb.Rule], value: int) -> tuple[int, ...]:
    return () if value in enum.values() else (value,)


def _computed(message: pb.Computed) -> Computed:
    return Computed(
        state_root=_octets(message.state_root, HASH_LENGTH, "state_root"),
        receipts_root=_octets(message.receipts_root, HASH_LENGTH, "receipts_root"),
        logs_bloom=_octets(message.logs_bloom, BLOOM_LENGTH, "logs_bloom"),
        gas_used=message.gas_used,
        transactions_root=_octets(message.transactions_root, HASH_LENGTH, "transactions_root"),
        blob_gas_used=message.blob_gas_used if message.HasField("blob_gas_used") else None,
        withdrawals_root=_optional(message, "withdrawals_root"),
        requests_hash=_optional(message, "requests_hash"),
        block_access_list_hash=_optional(message, "block_access_list_hash"),
        receipts=tuple(_receipt(receipt) for receipt in message.receipts),
        unchecked_rules=tuple(rule_name(rule) for rule in message.unchecked_rules if rule in pb.Rule.values()),
    )


def _receipt(message: pb.Receipt) -> Receipt:
    return Receipt(
        cumulative_gas_used=message.cumulative_gas_used,
        logs_hash=_octets(message.logs_hash, HASH_LENGTH, "logs_hash"),
        succeeded=message.succeeded if message.HasField("succeeded") else None,
        post_state=_octets(message.post_state, HASH_LENGTH, "post_state") if message.HasField("post_state") else None,
    )


def _missing(message: pb.Missing) -> Missing:
    kind = MISSING_KINDS.get(message.kind)
    if kind is None:
        raise MalformedAnswerError(f"missing item of unknown kind {message.kind}")
    hash_ = _octets(message.hash, HASH_LENGTH, "missing hash") if message.hash else b""
    return Missing(kind, hash_, message.number, _line(message.where))


def _optional(message: pb.Computed, field: str) -> bytes | None:
    if not message.HasField(field):
        return None
    return _octets(getattr(message, field), HASH_LENGTH, field)


def _octets(value: bytes, length: int, name: str) -> bytes:
    if len(value) != length:
        raise MalformedAnswerError(f"{name} has {len(value)} bytes, {length} expected")
    return value


def _line(text: str) -> str:
    """One printable line: what an adapter says ends in terminals, logs and pages."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_DETAIL].strip()
