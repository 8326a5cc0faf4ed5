"""Tokens: ours are right, others' are accepted only with the secret and of now, and no input raises anything else."""

import base64
import contextlib
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import JwtSecretError, TokenError
from verifier.executors.jwt import check_token, encode_token, read_secret

SECRET = bytes(range(32))
NOW = 1_800_000_000


def part(value: Any) -> str:
    encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(encoded).decode().rstrip("=")


def token(claims: Any, header: Any = None, secret: bytes = SECRET) -> str:
    signed = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"Bearer {signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def test_the_token_has_the_claims_and_signature_that_the_standard_wants() -> None:
    """Its parts, and the same token made by hand."""
    header, claims, _ = encode_token(SECRET, NOW).split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {"iat": NOW}
    assert f"Bearer {encode_token(SECRET, NOW)}" == token({"iat": NOW})


@given(drift=st.integers(-60, 60), secret=st.binary(min_size=32, max_size=32))
def test_own_tokens_are_accepted_within_the_drift(drift: int, secret: bytes) -> None:
    check_token(secret, f"bearer {encode_token(secret, NOW + drift)}", NOW)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        ("Basic abc", "missing"),
        ("Bearer ", "malformed"),
        ("Bearer a.b", "malformed"),
        ("Bearer ä.b.c", "malformed"),
        ("Bearer a!.b.c", "malformed"),
        (f"Bearer {'a' * 5000}.b.c", "malformed"),
        (token([NOW]), "malformed"),
        (token(b"[" * 5000), "malformed"),
        (token({"iat": NOW}, secret=bytes(32)), "another secret"),
        (token({"iat": NOW}, {"alg": "none"}), "HS256"),
        (token({"iat": NOW}, {"alg": "none"}).rpartition(".")[0] + ".", "HS256"),
        (token({"iat": NOW}, {"alg": ["HS256"]}), "HS256"),
        (token({"iat": NOW}).rpartition(".")[0] + ".", "another secret"),
        (token({"iat": NOW - 61}), "61 s old"),
        (token({"iat": NOW + 61}), "61 s in the future"),
        (token({}), "when it was issued"),
        (token({"iat": True}), "when it was issued"),
        (token({"iat": str(NOW)}), "when it was issued"),
        (token(b'{"iat": NaN}'), "when it was issued"),
        (token(b'{"iat": 1e400}'), "when it was issued"),
        (token({"iat": NOW, "exp": NOW - 1}), "expired"),
        (token({"iat": NOW, "exp": "never"}), "expired"),
    ],
)
def test_refused(authorization: str | None, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        check_token(SECRET, authorization, NOW)


@pytest.mark.parametrize(
    "claims", [{"iat": NOW + 0.5}, {"iat": NOW, "id": "node", "clv": "x"}, {"iat": NOW, "exp": NOW}]
)
def test_further_claims_are_accepted(claims: Any) -> None:
    check_token(SECRET, token(claims), NOW)


@given(text=st.text(max_size=200), position=st.integers(0, 100), character=st.characters())
def test_any_header_is_accepted_or_refused(text: str, position: int, character: str) -> None:
    good = token({"iat": NOW})
    for authorization in (text, f"Bearer {text}", good[:position] + character + good[position + 1 :]):
        with contextlib.suppress(TokenError):
            check_token(SECRET, authorization, NOW)


@pytest.mark.parametrize("content", [SECRET.hex(), f"0x{SECRET.hex()}\n", f"  {SECRET.hex().upper()} \n"])
def test_secret_files(tmp_path: Path, content: str) -> None:
    (tmp_path / "jwt.hex").write_text(content)
    assert read_secret(tmp_path / "jwt.hex") == SECRET


@pytest.mark.parametrize("content", [b"", SECRET.hex().encode()[:-1], SECRET.hex().encode() * 2, SECRET, b"\xff" * 64])
def test_wrong_secret_files_do_not_show_their_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "jwt.hex").write_bytes(content)
    with pytest.raises(JwtSecretError, match="32 bytes in hexadecimal") as caught:
        read_secret(tmp_path / "jwt.hex")
    assert SECRET.hex()[:16] not in str(caught.value)


def test_absent_secret_file(tmp_path: Path) -> None:
    with pytest.raises(JwtSecretError, match="No such file"):
        read_secret(tmp_path / "absent")
