"""The precompile P256VERIFY at address 0x100: ECDSA over the curve secp256r1 (EIP-7951).

Input, 160 bytes: the hash of the message, r and s of the signature, x and y of the public key. Output: the number 1 as
a word for a valid signature, nothing for anything else, and no error. The points are pycryptodome's, whose arithmetic
nobody else here uses: EELS verifies with OpenSSL.
"""

from typing import Any

from Crypto.PublicKey.ECC import EccPoint

GAS = 6900
INPUT_LENGTH = 160  # bytes
WORD = 32
VALID = (1).to_bytes(WORD, "big")
# SEC 2, version 2.0, section 2.4.2: the field, the curve's coefficients, the order, the generator.
FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
LINEAR = FIELD - 3
CONSTANT = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GENERATOR = EccPoint(
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    curve="p256",
)


def p256verify(computation: Any) -> Any:
    """The precompile. Raises py-evm's OutOfGas; the price is the same for every input."""
    computation.consume_gas(GAS, reason="P256VERIFY Precompile")
    if is_valid(computation.msg.data_as_bytes):
        computation.output = VALID
    return computation


def is_valid(data: bytes) -> bool:
    """Whether `data` is an input with a valid signature. A large s is as good as a small one (no malleability rule)."""
    if len(data) != INPUT_LENGTH:
        return False
    hash_, r, s, x, y = (int.from_bytes(data[at : at + WORD], "big") for at in range(0, INPUT_LENGTH, WORD))
    if not (0 < r < ORDER and 0 < s < ORDER) or not is_on_curve(x, y):
        return False
    inverse = pow(s, -1, ORDER)
    # The library takes scalars as they are; both are below the order. The hash is as long as the order: none of it is
    # cut off, and it may be above the order, or 0.
    point = GENERATOR * (hash_ * inverse % ORDER) + EccPoint(x, y, curve="p256") * (r * inverse % ORDER)
    return not point.is_point_at_infinity() and int(point.x) % ORDER == r


def is_on_curve(x: int, y: int) -> bool:
    """Whether (x, y) is a point of the curve with coordinates below the field's size.

    (0, 0), by which EIP-7951 and the library mean the point at infinity, is none: it is no public key.
    """
    return x < FIELD and y < FIELD and (y * y - x * x * x - LINEAR * x - CONSTANT) % FIELD == 0
