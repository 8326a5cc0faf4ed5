"""Signatures over secp256r1: an example of a standard, and those that no signer would make."""

from Crypto.Hash import SHA256
from Crypto.PublicKey.ECC import EccPoint

from machine.signature import CONSTANT, FIELD, GENERATOR, LINEAR, ORDER

# RFC 6979, A.2.5: the message "sample" signed with SHA-256.
SAMPLE_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
SAMPLE_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
SAMPLE_X = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
SAMPLE_Y = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299
SAMPLE_HASH = int.from_bytes(SHA256.new(b"sample").digest(), "big")


def encoded(hash_: int, r: int, s: int, x: int, y: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in (hash_, r, s, x, y))


SAMPLE = encoded(SAMPLE_HASH, SAMPLE_R, SAMPLE_S, SAMPLE_X, SAMPLE_Y)


def point_with(x: int) -> EccPoint | None:
    """A point with this x, if there is one. The field's size is 3 modulo 4, so a power takes the root."""
    square = (x**3 + LINEAR * x + CONSTANT) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    return EccPoint(x, y, curve="p256") if y * y % FIELD == square else None


def first_point(start: int) -> EccPoint:
    """The point with the smallest x from `start` on."""
    for x in range(start, start + 1000):
        point = point_with(x)
        if point is not None:
            return point
    raise AssertionError("half of all x have a point")


def forged(key: EccPoint, a: int, b: int) -> tuple[int, int, int]:
    """hash, r, s that are valid for a key whose secret nobody knows: R = a·G + b·Q, s = r/b, hash = a·s."""
    nonce = GENERATOR * a + key * b
    r = int(nonce.x) % ORDER
    s = r * pow(b, -1, ORDER) % ORDER
    return a * s % ORDER, r, s


def signed(secret: int, hash_: int, nonce: int) -> tuple[int, int]:
    """ECDSA: r, s for any hash, by the definition (SEC 1, 4.1.3)."""
    r = int((GENERATOR * nonce).x) % ORDER
    return r, pow(nonce, -1, ORDER) * (hash_ + r * secret) % ORDER


def key_of(secret: int) -> tuple[int, int]:
    point = GENERATOR * secret
    return int(point.x), int(point.y)
