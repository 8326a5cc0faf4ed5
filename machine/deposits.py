"""Deposit requests out of the deposit contract's events (EIP-6110). py-evm cuts the data at fixed places, unchecked."""

from eth_utils.exceptions import ValidationError

WORD = 32  # bytes
DATA_LENGTH = 576  # bytes of a DepositEvent's data
# The ABI layout of the data: where each field's offset stands, its value, the field's length; in bytes.
FIELDS = ((0, 160, 48), (32, 256, 32), (64, 320, 8), (96, 384, 96), (128, 512, 8))


def deposit_request(data: bytes) -> bytes:
    """One deposit request out of a DepositEvent's data. Raises ValidationError if the layout is not EIP-6110's."""
    if len(data) != DATA_LENGTH:
        raise ValidationError(f"Deposit event has {len(data)} bytes of data, {DATA_LENGTH} expected")
    request = b""
    for at, offset, length in FIELDS:
        if int.from_bytes(data[at : at + WORD], "big") != offset:
            raise ValidationError(f"Deposit event's field at {at} has not the offset {offset}")
        if int.from_bytes(data[offset : offset + WORD], "big") != length:
            raise ValidationError(f"Deposit event's field at offset {offset} has not the length {length}")
        request += data[offset + WORD : offset + WORD + length]
    return request
