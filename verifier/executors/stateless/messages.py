"""Between the adapter protocol's messages and the core's values. What an adapter sends is never believed unchecked."""

from verifier.domain.result import (
    Abstention,
    AbstentionReason,
    BrokenRule,
    Computed,
    Missing,
    Mode,
    Outcome,
    Receipt,
)
from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import PostAccount

from .base import ExecutionRequest

HASH_LENGTH = 32
ADDRESS_LENGTH = 20
BLOOM_LENGTH = 256
MAX_DETAIL = 500  # characters of an adapter's free text that are kept; it ends in logs and reports

ABSTENTION_REASONS = {
    pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT: AbstentionReason.WITNESS_INSUFFICIENT,
    pb.ABSTENTION_REASON_UNSUPPORTED_FORK: AbstentionReason.UNSUPPORTED_FORK,
    pb.ABSTENTION_REASON_TIMEOUT: AbstentionReason.TIMEOUT,
    pb.ABSTENTION_REASON_CRASHED: AbstentionReason.CRASHED,
    pb.ABSTENTION_REASON_REFUSED: AbstentionReason.REFUSED,
}
MISSING_KINDS = {
    pb.Missing.KIND_NODE: "node",
    pb.Missing.KIND_CODE: "code",
    pb.Missing.KIND_HEADER: "header",
    pb.Missing.KIND_ACCOUNT: "account",
    pb.Missing.KIND_SLOT: "slot",
}
MODES = {Mode.PROOF: pb.MODE_PROOF, Mode.PRESTATE: pb.MODE_PRESTATE}


class MalformedAnswerError(ValueError):
    """An adapter's answer that breaks the contract: no outcome, a hash of the wrong length, an unknown enum value."""


def encode_request(request: ExecutionRequest) -> pb.ExecuteRequest:
    """The message that asks an adapter on this host for one block."""
    return pb.ExecuteRequest(
        path=str(request.witness.absolute()),
        block_hash=request.block_hash,
        pre_state_root=request.pre_state_root,
        mode=MODES[request.mode],
        chain_config=request.chain_config,
        parent_header_optional=request.parent_header_optional,
        ancestor_hashes=[pb.AncestorHash(number=number, hash=each) for number, each in request.ancestor_hashes.items()],
    )


def decode_outcome(response: pb.ExecuteResponse, mode: Mode = Mode.PROOF) -> Outcome:
    """What the adapter said, asked in this mode. Raises MalformedAnswerError."""
    match response.WhichOneof("outcome"):
        case "computed":
            return _computed(response.computed, mode)
        case "broken_rule":
            rule = response.broken_rule.rule
            if rule in (pb.RULE_UNSPECIFIED, *_unknown(pb.Rule, rule)):
                raise MalformedAnswerError(f"broken rule {rule} is not in the contract")
            return BrokenRule(rule_name(rule), one_line(response.broken_rule.detail))
        case "abstention":
            reason = ABSTENTION_REASONS.get(response.abstention.reason)
            if reason is None:
                raise MalformedAnswerError(f"abstention reason {response.abstention.reason} is not in the contract")
            missing = tuple(_missing(item) for item in response.abstention.missing[:10])
            return Abstention(reason, one_line(response.abstention.detail), missing)
        case _:
            raise MalformedAnswerError("the answer has no outcome")


def rule_name(rule: int) -> str:
    """A rule's name in words: RULE_BASE_FEE → "base_fee"."""
    return pb.Rule.Name(rule).removeprefix("RULE_").lower()


def _unknown(enum: type[pb.Rule], value: int) -> tuple[int, ...]:
    return () if value in enum.values() else (value,)


def _computed(message: pb.Computed, mode: Mode) -> Computed:
    unproven = mode is Mode.PRESTATE
    if unproven and message.state_root:
        raise MalformedAnswerError("a state root in prestate mode, in which there is none")
    return Computed(
        state_root=None if unproven else _octets(message.state_root, HASH_LENGTH, "state_root"),
        receipts_root=_receipts_root(message, mode),
        logs_bloom=_octets(message.logs_bloom, BLOOM_LENGTH, "logs_bloom"),
        gas_used=message.gas_used,
        transactions_root=_octets(message.transactions_root, HASH_LENGTH, "transactions_root"),
        blob_gas_used=message.blob_gas_used if message.HasField("blob_gas_used") else None,
        withdrawals_root=_optional(message, "withdrawals_root"),
        requests_hash=_optional(message, "requests_hash"),
        block_access_list_hash=_optional(message, "block_access_list_hash"),
        receipts=tuple(_receipt(receipt) for receipt in message.receipts),
        unchecked_rules=tuple(rule_name(rule) for rule in message.unchecked_rules if rule in pb.Rule.values()),
        post_state=_post_state(message) if unproven else None,
    )


def _receipts_root(message: pb.Computed, mode: Mode) -> bytes | None:
    # Receipts before Byzantium hold the state root after their transaction, which prestate mode cannot know.
    before_byzantium = message.receipts and not any(receipt.HasField("succeeded") for receipt in message.receipts)
    if mode is Mode.PRESTATE and before_byzantium and not message.receipts_root:
        return None
    return _octets(message.receipts_root, HASH_LENGTH, "receipts_root")


def _post_state(message: pb.Computed) -> dict[bytes, PostAccount | None]:
    accounts: dict[bytes, PostAccount | None] = {}
    previous = b""
    for entry in message.post_state:
        address = _octets(entry.address, ADDRESS_LENGTH, "address of a changed account")
        if address <= previous:
            raise MalformedAnswerError("changed accounts are not in ascending order of address")
        accounts[address] = None if entry.deleted else _post_account(entry)
        previous = address
    return accounts


def _post_account(entry: pb.PostAccount) -> PostAccount:
    slots: dict[bytes, int] = {}
    previous = b""
    for slot in entry.slots:
        key = _octets(slot.key, HASH_LENGTH, "key of a changed slot")
        if key <= previous:
            raise MalformedAnswerError("changed slots are not in ascending order of key")
        slots[key] = _integer(slot.value, "value of a changed slot")
        previous = key
    balance = _integer(entry.balance, "balance of a changed account")
    return PostAccount(entry.nonce, balance, _octets(entry.code_hash, HASH_LENGTH, "code_hash"), slots)


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
    address = _octets(message.address, ADDRESS_LENGTH, "missing address") if message.address else b""
    key = _octets(message.key, HASH_LENGTH, "missing key") if message.key else b""
    if kind in ("account", "slot") and (not address or (kind == "slot") != bool(key)):
        raise MalformedAnswerError(f"a missing {kind} is not named")
    return Missing(kind, hash_, message.number, one_line(message.where), address, key)


def _optional(message: pb.Computed, field: str) -> bytes | None:
    if not message.HasField(field):
        return None
    return _octets(getattr(message, field), HASH_LENGTH, field)


def _integer(value: bytes, name: str) -> int:
    if len(value) > HASH_LENGTH or value[:1] == b"\0":
        raise MalformedAnswerError(f"{name} is no integer of at most 256 bits without leading zeros")
    return int.from_bytes(value, "big")


def _octets(value: bytes, length: int, name: str) -> bytes:
    if len(value) != length:
        raise MalformedAnswerError(f"{name} has {len(value)} bytes, {length} expected")
    return value


def one_line(text: str) -> str:
    """One printable line: what an adapter says ends in terminals, logs and pages."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_DETAIL].strip()
