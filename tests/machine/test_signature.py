"""P256VERIFY: signatures of libraries, of a standard's example, and made by hand at every edge of EIP-7951."""

from typing import Any

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from hypothesis import given, settings
from hypothesis import strategies as st

from machine.signature import FIELD, GENERATOR, ORDER, is_on_curve, is_valid
from tests.machine.signatures import (
    SAMPLE,
    SAMPLE_HASH,
    SAMPLE_R,
    SAMPLE_S,
    SAMPLE_X,
    SAMPLE_Y,
    encoded,
    first_point,
    forged,
    key_of,
    signed,
)

scalars = st.integers(1, ORDER - 1)


def test_example_of_the_standard() -> None:
    assert is_valid(SAMPLE)


def test_large_s_is_as_good_as_a_small_one() -> None:
    assert is_valid(encoded(SAMPLE_HASH, SAMPLE_R, ORDER - SAMPLE_S, SAMPLE_X, SAMPLE_Y))


@given(secret=scalars, message=st.binary(max_size=100))
@settings(max_examples=25, deadline=None)
def test_signatures_of_the_library(secret: int, message: bytes) -> None:
    key = ECC.construct(curve="p256", d=secret)
    digest = SHA256.new(message)
    signature = DSS.new(key, "deterministic-rfc6979").sign(digest)
    assert is_valid(digest.digest() + signature + b"".join(n.to_bytes(32, "big") for n in key_of(secret)))


@given(position=st.integers(0, 159), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_any_other_byte_makes_it_invalid(position: int, change: int) -> None:
    data = bytearray(SAMPLE)
    data[position] ^= change
    assert not is_valid(bytes(data))


@given(
    secret=scalars,
    hash_=st.integers(0, 2**256 - 1) | st.sampled_from([0, 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1]),
    nonce=scalars,
    spoil=st.sampled_from(["", "r", "s", "hash", "y"]),
)
@settings(max_examples=40, deadline=None)
def test_as_openssl_has_it(secret: int, hash_: int, nonce: int, spoil: str) -> None:
    elliptic: Any = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.ec", reason="comes with ethereum-execution (Python below 3.13)"
    )
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256 as OPENSSL_SHA256

    r, s = signed(secret, hash_, nonce)
    x, y = key_of(secret)
    r, s, hash_ = (
        r ^ 1 if spoil == "r" else r,
        s ^ 1 if spoil == "s" else s,
        hash_ ^ 1 if spoil == "hash" else hash_,
    )
    y = FIELD - y if spoil == "y" else y
    public = elliptic.EllipticCurvePublicNumbers(x, y, elliptic.SECP256R1()).public_key()
    try:
        public.verify(
            encode_dss_signature(r, s), hash_.to_bytes(32, "big"), elliptic.ECDSA(Prehashed(OPENSSL_SHA256()))
        )
        expected = True
    except InvalidSignature:
        expected = False
    assert is_valid(encoded(hash_, r, s, x, y)) == expected
    assert expected or spoil or s == 0


@pytest.mark.parametrize("hash_", [0, 1, ORDER - 1, ORDER, ORDER + 5, 2**256 - 1])
def test_any_hash_can_be_signed(hash_: int) -> None:
    assert is_valid(encoded(hash_, *signed(12345, hash_, 67890), *key_of(12345)))


@pytest.mark.parametrize("r", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_r_out_of_range(r: int) -> None:
    assert not is_valid(encoded(SAMPLE_HASH, r, SAMPLE_S, SAMPLE_X, SAMPLE_Y))


@pytest.mark.parametrize("s", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_s_out_of_range(s: int) -> None:
    assert not is_valid(encoded(SAMPLE_HASH, SAMPLE_R, s, SAMPLE_X, SAMPLE_Y))


def test_s_at_the_end_of_its_range() -> None:
    # s = n - 1 and s = 1: hash chosen so that the signature holds.
    for s in (1, ORDER - 1):
        r = int((GENERATOR * 99).x) % ORDER
        hash_ = (s * 99 - r * 4242) % ORDER
        assert is_valid(encoded(hash_, r, s, *key_of(4242)))


def test_r_is_the_coordinate_modulo_the_order() -> None:
    """The nonce's x may be above the order: then r is the rest, and r plus the order is out of range."""
    nonce = first_point(ORDER)
    assert ORDER <= int(nonce.x) < FIELD
    r, s, hash_ = int(nonce.x) - ORDER, 31337, 271828
    # The key for which this is the nonce: Q = (s·R - hash·G) / r.
    key = (nonce * s + -(GENERATOR * hash_)) * pow(r, -1, ORDER)
    own = (int(key.x), int(key.y))
    assert is_valid(encoded(hash_, r, s, *own))
    assert not is_valid(encoded(hash_, r + ORDER, s, *own))
    assert not is_valid(encoded(hash_, r, s + ORDER, *own))


def test_coordinates_of_the_key_are_below_the_fields_size() -> None:
    key = first_point(5)
    hash_, r, s = forged(key, 17, 19)
    x, y = int(key.x), int(key.y)
    assert is_valid(encoded(hash_, r, s, x, y))
    assert x + FIELD < 2**256
    assert not is_valid(encoded(hash_, r, s, x + FIELD, y))
    assert not is_valid(encoded(hash_, r, s, FIELD, y))
    assert not is_valid(encoded(hash_, r, s, x, 2**256 - 1))


def test_key_with_its_other_root_is_another_key() -> None:
    assert not is_valid(encoded(SAMPLE_HASH, SAMPLE_R, SAMPLE_S, SAMPLE_X, FIELD - SAMPLE_Y))


@pytest.mark.parametrize(("x", "y"), [(SAMPLE_X, SAMPLE_Y + 1), (SAMPLE_Y, SAMPLE_X), (1, 1), (0, 1), (FIELD, 0)])
def test_key_that_is_not_on_the_curve(x: int, y: int) -> None:
    assert not is_on_curve(x, y)
    assert not is_valid(encoded(SAMPLE_HASH, SAMPLE_R, SAMPLE_S, x, y))


def test_point_at_infinity_is_no_key() -> None:
    # With it as the key, this would hold: R = (hash/s)·G, and r its x.
    r = int((GENERATOR * 3).x) % ORDER
    assert not is_valid(encoded(3, r, 1, 0, 0))
    assert not is_on_curve(0, 0)


def test_sum_that_is_the_point_at_infinity_is_no_nonce() -> None:
    secret, r, s = 77, 123456789, 987654321
    assert not is_valid(encoded(-r * secret % ORDER, r, s, *key_of(secret)))


def test_both_halves_of_the_sum_may_be_the_same_point() -> None:
    secret, nonce = 77, 5
    r = int((GENERATOR * nonce).x) % ORDER
    hash_ = r * secret % ORDER  # then hash·G = r·Q
    assert is_valid(encoded(hash_, *signed(secret, hash_, nonce), *key_of(secret)))


@pytest.mark.parametrize("secret", [1, 2, ORDER - 1, ORDER - 2])
def test_keys_at_the_ends_of_their_range(secret: int) -> None:
    assert is_valid(encoded(42, *signed(secret, 42, 7), *key_of(secret)))


@pytest.mark.parametrize("length", [0, 1, 32, 128, 159, 161, 192, 320])
def test_input_of_another_length(length: int) -> None:
    assert not is_valid((SAMPLE * 2)[:length])
    assert not is_valid(SAMPLE[:length].ljust(length, b"\0"))


@given(st.binary(min_size=160, max_size=160))
@settings(max_examples=30, deadline=None)
def test_random_input_is_no_signature(data: bytes) -> None:
    assert not is_valid(data)
