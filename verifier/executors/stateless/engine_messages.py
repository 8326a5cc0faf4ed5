"""Between a witness file and `engine_executeStatelessPayload`: the request's bytes, and what the answer says.

Neither the state root nor the receipts root is told to the client: it has to compute them. What it makes the pre-state
is the witness header with the highest number, whatever it is, so the headers are checked here.
"""

import binascii
import json
from dataclasses import dataclass
from typing import Any

from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Outcome
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file
from witness.formats.engine_payload import engine_parameters
from witness.formats.geth_rlp import encode_witness_rlp
from witness.header import decode_header, keccak256
from witness.model import BlockWitness, Header

from .base import ExecutionRequest
from .messages import one_line

METHOD = "engine_executeStatelessPayloadV"
ZERO_ROOT = "0x" + "00" * 32
HASH_DIGITS = 64
# JSON-RPC 2.0, and execution-apis `engine/common.md`
METHOD_NOT_FOUND, INVALID_PARAMS, TOO_LARGE, UNSUPPORTED_FORK = -32601, -32602, -38004, -38005
REFUSALS = (METHOD_NOT_FOUND, INVALID_PARAMS, TOO_LARGE)


class NotAskedError(Exception):
    """The block cannot be put to such a client. reason and text: what to abstain with."""

    def __init__(self, reason: AbstentionReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StatelessCall:
    """One JSON-RPC request. chain_id: of the chain that the client must be configured for."""

    method: str
    body: bytes
    chain_id: int


def encode_call(request: ExecutionRequest) -> StatelessCall:
    """The call for one block; reads its witness file. Raises NotAskedError.

    The headers must form the chain below the block, the parent last, and the parent's state root be the trusted one.
    """
    if request.mode is not Mode.PROOF:
        raise NotAskedError(AbstentionReason.REFUSED, f"does not execute in {request.mode} mode")
    try:
        content = map_witness_file(request.witness)
        header = check_binding(content)
        if header.hash != request.block_hash:
            raise NotAskedError(AbstentionReason.REFUSED, "the witness file is of another block")
        _check_headers(content, header, request.pre_state_root)
        config = request.chain_config or bytes(content.chain_config)
        chain_id = parse_chain_config(config).chain_id
    except WitnessError as error:
        raise NotAskedError(AbstentionReason.REFUSED, one_line(str(error))) from None
    try:
        version, (payload, *further) = engine_parameters(content.block, requests=None)
    except WitnessError as error:
        raise NotAskedError(AbstentionReason.UNSUPPORTED_FORK, one_line(str(error))) from None
    # The client has to compute them: it is not told what is expected, so that it cannot repeat it.
    payload |= {"stateRoot": ZERO_ROOT, "receiptsRoot": ZERO_ROOT}
    method = f"{METHOD}{version}"
    opening = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}, separators=(",", ":"))
    listed = json.dumps([payload, *further], separators=(",", ":"))
    # A witness has megabytes: its digits go in as they are, without the JSON encoder looking at each.
    digits = binascii.hexlify(encode_witness_rlp(content.witness))
    body = b"".join((opening[:-1].encode(), b',"params":', listed[:-1].encode(), b',"0x', digits, b'"]}'))
    return StatelessCall(method, body, chain_id)


def _check_headers(content: BlockWitness, header: Header, pre_state_root: bytes) -> None:
    below = header
    for encoded in reversed(content.witness.headers):
        if keccak256(encoded) != below.parent_hash:
            raise NotAskedError(
                AbstentionReason.REFUSED, f"the witness's headers do not form the chain below block {header.number}"
            )
        ancestor = decode_header(encoded)
        if ancestor.number + 1 != below.number:
            raise NotAskedError(AbstentionReason.REFUSED, f"the header below block {below.number} has another number")
        if below is header and ancestor.state_root != pre_state_root:
            raise NotAskedError(AbstentionReason.REFUSED, "the parent's state root is not the trusted one")
        below = ancestor
    if below is header:
        raise NotAskedError(
            AbstentionReason.WITNESS_INSUFFICIENT,
            "the parent's header is missing, and this client takes the pre-state root from nothing else",
        )


def decode_answer(answer: Any, method: str) -> Outcome:
    """What a client's JSON-RPC answer amounts to. Anything that is not one of the known shapes is `crashed`.

    Its status decides nothing in favour of the block: VALID only means that two roots come with it.
    """
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is not None:
        return _refusal(error, method)
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict):
        return Abstention(AbstentionReason.CRASHED, "malformed answer: neither a result nor an error")
    detail = result.get("validationError")
    detail = one_line(detail) if isinstance(detail, str) else ""
    match result.get("status"):
        case "VALID":
            roots = [_root(result.get(name)) for name in ("stateRoot", "receiptsRoot")]
            if None in roots:
                return Abstention(AbstentionReason.CRASHED, "malformed answer: stateRoot and receiptsRoot expected")
            return Computed(roots[0], roots[1], logs_bloom=None, gas_used=None, transactions_root=None)
        case "INVALID":
            if "missing" in detail.lower():
                return Abstention(AbstentionReason.WITNESS_INSUFFICIENT, detail)
            return BrokenRule("other", detail or "the client says INVALID, and not why")
        case "SYNCING" | "ACCEPTED" as status:
            return Abstention(AbstentionReason.REFUSED, f"it answers {status}")
        case _:
            return Abstention(AbstentionReason.CRASHED, "malformed answer: no status of the Engine API")


def _refusal(error: Any, method: str) -> Abstention:
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    text = f"{method}: {one_line(message) if isinstance(message, str) else 'an error without a message'}"
    if code == UNSUPPORTED_FORK:
        return Abstention(AbstentionReason.UNSUPPORTED_FORK, text)
    return Abstention(AbstentionReason.REFUSED if code in REFUSALS else AbstentionReason.CRASHED, text)


def _root(value: Any) -> bytes | None:
    """32 bytes; None if it is no hash. Zeros are none either: that is what the client was sent."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + HASH_DIGITS:
        return None
    try:
        octets = bytes.fromhex(value[2:])
    except ValueError:
        return None
    return octets if len(octets) * 2 == HASH_DIGITS and any(octets) else None
