"""Votes out of SSZ: where the roots lie in the containers of each fork (consensus-specs, ssz/simple-serialize.md).

Containers of variable size start with offsets, little-endian, 4 bytes; a list of them starts with a table of offsets.
Mainnet's preset, which Gnosis shares; of the minimal one only those shapes that cannot be mistaken.
"""

from collections.abc import Sequence
from itertools import pairwise

from .errors import UnreadableMessageError, UnsupportedMessageError
from .messages import BEFORE_ELECTRA, MessageKind, MessageList, VotedBlocks, check_fork

OFFSET = 4  # bytes
DATA = 128  # AttestationData: slot 8, index 8, beacon_block_root 32, source 40, target 40
INDEX, HEAD, TARGET = slice(8, 16), slice(16, 48), slice(96, 128)  # within it
SINGLE = 240  # SingleAttestation: committee_index 8, attester_index 8, data, signature 96
SINGLE_DATA = 16
# Attestation: offset of aggregation_bits, data, signature 96, from Electra on committee_bits. Both begin alike.
ATTESTATION_DATA_AT = OFFSET
ATTESTATION_FIXED = 228
ATTESTATION_FIXED_ELECTRA = (236, 229)  # 64 committees a slot; 4 in the minimal preset
# SignedAggregateAndProof: offset of message, signature. AggregateAndProof: index 8, offset of aggregate, proof 96.
SIGNED_FIXED, MESSAGE_FIXED = 100, 108
MESSAGE_OFFSET_AT = 8
SYNC_MESSAGE = 144  # slot 8, beacon_block_root 32, validator_index 8, signature 96
SYNC_HEAD = slice(8, 40)  # likewise in SyncCommitteeContribution, which goes on: subcommittee 8, bits, signature 96
CONTRIBUTION = (160, 145)  # 128 bits; 8 in the minimal preset
CONTRIBUTION_AND_PROOF = 360  # aggregator_index 8, contribution, selection_proof 96, signature 96
PAYLOAD_DATA = 42  # beacon_block_root 32, slot 8, payload_present 1, blob_data_available 1
PAYLOAD_MESSAGE = 146  # validator_index 8, data, signature 96
MAX_MESSAGES = 1 << 16  # in one request; a slot of a million validators has half of that


def read_answer(kind: MessageKind, body: bytes, fork: str | None) -> VotedBlocks:
    """The vote in an answer without any frame. fork: of `Eth-Consensus-Version`. Raises UnreadableMessageError."""
    check_fork(fork)
    match kind:
        case MessageKind.ATTESTATION_DATA:
            return _data(_sized(body, DATA))
        case MessageKind.AGGREGATE:
            return _attestation(body, fork)
        case MessageKind.CONTRIBUTION:
            return VotedBlocks(_sized(body, *CONTRIBUTION)[SYNC_HEAD])
        case MessageKind.PAYLOAD_DATA:
            return _payload(_sized(body, PAYLOAD_DATA))
    raise UnsupportedMessageError(f"{kind} is not known in SSZ")


def read_list(kind: MessageKind, body: bytes, fork: str | None) -> MessageList:
    """The votes in a list of messages. Raises UnreadableMessageError, UnsupportedMessageError."""
    check_fork(fork)
    match kind:
        case MessageKind.SYNC_MESSAGE:
            parts = _elements(body, SYNC_MESSAGE)
            return MessageList(tuple(VotedBlocks(part[SYNC_HEAD]) for part in parts), parts, b"".join)
        case MessageKind.PAYLOAD_MESSAGE:
            parts = _elements(body, PAYLOAD_MESSAGE)
            return MessageList(tuple(_payload(part[8:50]) for part in parts), parts, b"".join)
        case MessageKind.CONTRIBUTION_AND_PROOF:
            if len(body) % CONTRIBUTION_AND_PROOF:
                raise UnsupportedMessageError("SyncCommitteeContribution in SSZ has another size than mainnet's")
            parts = _elements(body, CONTRIBUTION_AND_PROOF)
            return MessageList(tuple(VotedBlocks(part[16:48]) for part in parts), parts, b"".join)
    if fork is None:
        raise UnsupportedMessageError("SSZ without the header Eth-Consensus-Version")
    if kind is MessageKind.ATTESTATION and fork not in BEFORE_ELECTRA:
        parts = _elements(body, SINGLE)
        voted = tuple(_data(part[SINGLE_DATA : SINGLE_DATA + DATA]) for part in parts)
        return MessageList(voted, parts, b"".join)
    parts = _variable_elements(body)
    if kind is MessageKind.ATTESTATION:
        return MessageList(tuple(_attestation(part, fork) for part in parts), parts, _join_variable)
    if kind is MessageKind.AGGREGATE_AND_PROOF:
        return MessageList(tuple(_aggregate_and_proof(part, fork) for part in parts), parts, _join_variable)
    raise UnsupportedMessageError(f"{kind} is not known in SSZ")


def _data(data: bytes) -> VotedBlocks:
    return VotedBlocks(data[HEAD], data[TARGET], int.from_bytes(data[INDEX], "little"))


def _attestation(attestation: bytes, fork: str | None) -> VotedBlocks:
    """Raises UnreadableMessageError unless it is of this fork; of any, where none is named."""
    fixed: tuple[int, ...]
    if fork is None:
        fixed = (ATTESTATION_FIXED, *ATTESTATION_FIXED_ELECTRA)
    else:
        fixed = (ATTESTATION_FIXED,) if fork in BEFORE_ELECTRA else ATTESTATION_FIXED_ELECTRA
    bits_at = _offset(attestation, 0)
    if bits_at not in fixed or len(attestation) <= bits_at:
        raise UnreadableMessageError("it is not an Attestation in SSZ")
    return _data(attestation[ATTESTATION_DATA_AT : ATTESTATION_DATA_AT + DATA])


def _aggregate_and_proof(signed: bytes, fork: str) -> VotedBlocks:
    if _offset(signed, 0) != SIGNED_FIXED:
        raise UnreadableMessageError("it is not a SignedAggregateAndProof in SSZ")
    message = signed[SIGNED_FIXED:]
    if _offset(message, MESSAGE_OFFSET_AT) != MESSAGE_FIXED:
        raise UnreadableMessageError("it is not an AggregateAndProof in SSZ")
    return _attestation(message[MESSAGE_FIXED:], fork)


def _payload(data: bytes) -> VotedBlocks:
    if data[40] > 1:
        raise UnreadableMessageError("payload_present is not a boolean")
    return VotedBlocks(data[:32], index=data[40])


def _sized(body: bytes, *sizes: int) -> bytes:
    if len(body) not in sizes:
        raise UnreadableMessageError(f"{len(body)} bytes where SSZ has {' or '.join(map(str, sizes))}")
    return body


def _offset(part: bytes, at: int) -> int:
    if len(part) < at + OFFSET:
        raise UnreadableMessageError("SSZ ends within an offset")
    return int.from_bytes(part[at : at + OFFSET], "little")


def _elements(body: bytes, size: int) -> tuple[bytes, ...]:
    if len(body) % size:
        raise UnreadableMessageError(f"{len(body)} bytes are no list of elements of {size}")
    return tuple(body[at : at + size] for at in range(0, len(body), size))


def _variable_elements(body: bytes) -> tuple[bytes, ...]:
    if not body:
        return ()
    first = _offset(body, 0)
    if first % OFFSET or not OFFSET <= first <= min(len(body), MAX_MESSAGES * OFFSET):
        raise UnreadableMessageError("the list's first offset is wrong")
    bounds = [_offset(body, at) for at in range(0, first, OFFSET)] + [len(body)]
    if any(start > end for start, end in pairwise(bounds)):
        raise UnreadableMessageError("the list's offsets are not in order")
    return tuple(body[start:end] for start, end in pairwise(bounds))


def _join_variable(parts: Sequence[bytes]) -> bytes:
    at, table = OFFSET * len(parts), []
    for part in parts:
        table.append(at.to_bytes(OFFSET, "little"))
        at += len(part)
    return b"".join((*table, *parts))
