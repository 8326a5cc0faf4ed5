"""The execution-specs container `StatelessInput`: a payload, its witness, and the senders' keys, as SSZ.

The two bytes before it name the schema: fork index and revision, 0x1501 for Amsterdam. Within 0x1501 the specification
had the chain id first in a `chain_config` container and has it now as a plain number; where the fixed part ends tells
which. Source: execution-specs, `forks/amsterdam/stateless_ssz.py`; SSZ: consensus-specs, `ssz/simple-serialize.md`.
Progressive containers (EIP-7495) and lists (EIP-7916) are written like any others; only their roots differ.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import WitnessFileError, WitnessFormatError
from ..file import decode_witness, encode_witness
from ..model import Octets, Witness
from .engine_payload import AMSTERDAM, EnginePayload, decode_engine_payload
from .json_field import hex_octets

FORMAT = "stateless_ssz"
SCHEMA = 0x1501
SCHEMA_LENGTH = 2
OFFSET = 4
VARIABLE = 0  # the length of a field that has an offset in its place
# Lengths in bytes of each container's fields, in their order.
INPUT = (VARIABLE, VARIABLE, 8, VARIABLE)
EARLIER_INPUT = (VARIABLE, VARIABLE, VARIABLE, VARIABLE)
REQUEST = (VARIABLE, VARIABLE, 32, VARIABLE)
PAYLOAD = (32, 20, 32, 32, 256, 32, 8, 8, 8, 8, VARIABLE, 32, 32, VARIABLE, VARIABLE, 8, 8, VARIABLE, 8)
PAYLOAD_NAMES = (
    *("parentHash", "feeRecipient", "stateRoot", "receiptsRoot", "logsBloom", "prevRandao", "blockNumber"),
    *("gasLimit", "gasUsed", "timestamp", "extraData", "baseFeePerGas", "blockHash", "transactions", "withdrawals"),
    *("blobGasUsed", "excessBlobGas", "blockAccessList", "slotNumber"),
)
QUANTITIES = frozenset(
    {"blockNumber", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas", "slotNumber"}
)
WITHDRAWAL = (8, 8, 20, 8)
HASH_LENGTH, KEY_LENGTH, CHAIN_ID_LENGTH = 32, 65, 8
# EIP-6110, EIP-7002, EIP-7251, EIP-8282 (twice), in the order of their types: the first three are older.
REQUEST_LENGTHS = (192, 76, 116, 184, 68)
EARLIER_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class StatelessInput:
    """One stateless validation. public_keys: of the senders in the transactions' order, 65 bytes each."""

    payload: EnginePayload
    witness: Witness
    chain_id: int
    public_keys: tuple[bytes, ...]


def decode_stateless_input(data: Octets) -> StatelessInput:
    """What schema-prefixed bytes hold. Raises WitnessFormatError.

    Whether the payload's hash is its block's, and its keys those of the senders, is for the caller to ask.
    """
    schema = int.from_bytes(data[:SCHEMA_LENGTH], "big")
    if len(data) < SCHEMA_LENGTH or schema != SCHEMA:
        raise WitnessFormatError(f"stateless input of schema 0x{bytes(data[:SCHEMA_LENGTH]).hex()}, 0x1501 is known")
    encoded = bytes(data[SCHEMA_LENGTH:])
    earlier = encoded[:OFFSET] == struct.pack("<I", _fixed_length(EARLIER_INPUT))
    request, witness, chain, keys = _fields(encoded, EARLIER_INPUT if earlier else INPUT, "stateless input")
    if len(chain) < CHAIN_ID_LENGTH:
        raise WitnessFormatError("stateless input: chain_config is truncated")
    try:
        held = decode_witness(witness)
    except WitnessFileError as error:
        raise WitnessFormatError(f"stateless input: {error}") from None
    return StatelessInput(
        payload=_payload(request),
        witness=held,
        chain_id=int.from_bytes(chain[:CHAIN_ID_LENGTH], "little"),
        public_keys=tuple(_elements(keys, KEY_LENGTH, "public_keys")),
    )


def encode_stateless_input(
    parameters: Sequence[object], witness: Witness, chain_id: int, keys: Sequence[bytes]
) -> bytes:
    """The bytes of the payload with these parameters of `engine_newPayloadV5` (hex strings), a witness and keys.

    Nodes and codes are sorted and made unique. Raises WitnessFormatError if these are no such parameters.
    """
    decode_engine_payload(AMSTERDAM, parameters)
    payload, hashes, beacon_root, requests = parameters
    assert isinstance(payload, dict)
    assert isinstance(hashes, list)
    assert isinstance(requests, list)
    values: list[bytes] = []
    for name, length in zip(PAYLOAD_NAMES, PAYLOAD, strict=True):
        value = payload.get(name, "0x0")
        if name == "transactions":
            values.append(_list([_bytes(each) for each in value]))
        elif name == "withdrawals":
            values.append(b"".join(_withdrawal_bytes(each) for each in value))
        elif name in QUANTITIES:
            values.append(int(value, 16).to_bytes(length, "little"))
        else:
            values.append(_bytes(value))
    by_type = {_bytes(each)[0]: _bytes(each)[1:] for each in requests}
    request = _container(
        REQUEST,
        [
            _container(PAYLOAD, values),
            b"".join(_bytes(each) for each in hashes),
            _bytes(beacon_root),
            _container(
                (VARIABLE,) * len(REQUEST_LENGTHS), [by_type.get(kind, b"") for kind in range(len(REQUEST_LENGTHS))]
            ),
        ],
    )
    number = chain_id.to_bytes(CHAIN_ID_LENGTH, "little")
    encoded = _container(INPUT, [request, encode_witness(witness), number, b"".join(keys)])
    return SCHEMA.to_bytes(SCHEMA_LENGTH, "big") + encoded


def _payload(encoded: bytes) -> EnginePayload:
    payload, hashes, beacon_root, requests = _fields(encoded, REQUEST, "new_payload_request")
    values = dict(zip(PAYLOAD_NAMES, _fields(payload, PAYLOAD, "execution_payload"), strict=True))
    members: dict[str, object] = {}
    for name, value in values.items():
        if name == "transactions":
            members[name] = [hex_octets(each) for each in _variable_elements(value, name)]
        elif name == "withdrawals":
            members[name] = [_withdrawal(each) for each in _elements(value, sum(WITHDRAWAL), name)]
        elif name in QUANTITIES:
            members[name] = hex(int.from_bytes(value, "little"))
        else:
            members[name] = hex_octets(value)
    return decode_engine_payload(
        AMSTERDAM,
        [
            members,
            [hex_octets(each) for each in _elements(hashes, HASH_LENGTH, "versioned_hashes")],
            hex_octets(beacon_root),
            [hex_octets(each) for each in _requests(requests)],
        ],
    )


def _requests(encoded: bytes) -> list[bytes]:
    """As the Engine API lists them: the type first, empty ones left out (EIP-7685)."""
    count = (
        EARLIER_REQUESTS if encoded[:OFFSET] == struct.pack("<I", EARLIER_REQUESTS * OFFSET) else len(REQUEST_LENGTHS)
    )
    lists = _fields(encoded, (VARIABLE,) * count, "execution_requests")
    for length, each in zip(REQUEST_LENGTHS, lists, strict=False):
        _elements(each, length, "execution_requests")
    return [bytes([kind]) + each for kind, each in enumerate(lists) if each]


def _withdrawal(encoded: bytes) -> dict[str, str]:
    index, validator, address, amount = _fields(encoded, WITHDRAWAL, "withdrawal")
    return {
        "index": hex(int.from_bytes(index, "little")),
        "validatorIndex": hex(int.from_bytes(validator, "little")),
        "address": hex_octets(address),
        "amount": hex(int.from_bytes(amount, "little")),
    }


def _withdrawal_bytes(members: dict[str, str]) -> bytes:
    index, validator, amount = (
        int(members[name], 16).to_bytes(8, "little") for name in ("index", "validatorIndex", "amount")
    )
    return index + validator + _bytes(members["address"]) + amount


def _bytes(value: object) -> bytes:
    assert isinstance(value, str)
    return bytes.fromhex(value.removeprefix("0x"))


def _fixed_length(lengths: Sequence[int]) -> int:
    return sum(length or OFFSET for length in lengths)


def _fields(encoded: bytes, lengths: Sequence[int], name: str) -> list[bytes]:
    """The fields of a container: those of fixed length in place, the others where their offsets say."""
    fixed = _fixed_length(lengths)
    if len(encoded) < fixed:
        raise WitnessFormatError(f"{name}: {len(encoded)} bytes, at least {fixed} expected")
    fields: list[bytes] = []
    offsets: list[int] = []
    at = 0
    for length in lengths:
        part = encoded[at : at + (length or OFFSET)]
        at += length or OFFSET
        fields.append(part)
        if length == VARIABLE:
            offsets.append(int.from_bytes(part, "little"))
    if not offsets:
        if len(encoded) != fixed:
            raise WitnessFormatError(f"{name}: {len(encoded)} bytes, {fixed} expected")
        return fields
    bounds = [*offsets, len(encoded)]
    if bounds[0] != fixed or any(start > stop for start, stop in pairwise(bounds)):
        raise WitnessFormatError(f"{name}: offsets out of order or out of bounds")
    spans = pairwise(bounds)
    return [field if length else encoded[slice(*next(spans))] for field, length in zip(fields, lengths, strict=True)]


def _elements(encoded: bytes, length: int, name: str) -> list[bytes]:
    if len(encoded) % length:
        raise WitnessFormatError(f"{name}: {len(encoded)} bytes are no elements of {length}")
    return [encoded[at : at + length] for at in range(0, len(encoded), length)]


def _variable_elements(encoded: bytes, name: str) -> list[bytes]:
    if not encoded:
        return []
    first = int.from_bytes(encoded[:OFFSET], "little")
    count, remainder = divmod(first, OFFSET)
    if remainder or not count or first > len(encoded):
        raise WitnessFormatError(f"{name}: wrong first offset {first}")
    bounds = [*struct.unpack_from(f"<{count}I", encoded), len(encoded)]
    if any(start > stop for start, stop in pairwise(bounds)):
        raise WitnessFormatError(f"{name}: offsets out of order or out of bounds")
    return [encoded[start:stop] for start, stop in pairwise(bounds)]


def _container(lengths: Sequence[int], values: Sequence[bytes]) -> bytes:
    at = _fixed_length(lengths)
    fixed, variable = [], []
    for length, value in zip(lengths, values, strict=True):
        if length:
            fixed.append(value)
            continue
        fixed.append(struct.pack("<I", at))
        variable.append(value)
        at += len(value)
    return b"".join([*fixed, *variable])


def _list(elements: Sequence[bytes]) -> bytes:
    return _container((VARIABLE,) * len(elements), elements)
