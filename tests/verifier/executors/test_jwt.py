"""Tokens of the Engine API, and the file of their secret."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from verifier.errors import InputError
from verifier.executors.jwt import encode_token, read_secret

SECRET = bytes(range(32))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_signed_over_what_it_says() -> None:
    header, claims, signature = encode_token(SECRET, 1_700_000_000).split(".")
    assert json.loads(decoded(header)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"iat": 1_700_000_000}
    assert decoded(signature) == hmac.new(SECRET, f"{header}.{claims}".encode(), hashlib.sha256).digest()


@pytest.mark.parametrize("text", [SECRET.hex(), f"0x{SECRET.hex()}\n", f"  {SECRET.hex().upper()}\n"])
def test_a_secret_in_a_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwt.hex"
    path.write_text(text)
    assert read_secret(path) == SECRET


@pytest.mark.parametrize("content", [b"", b"abcd", SECRET.hex().encode() + b"00", b"z" * 64, b"\xff\xfe" * 32])
def test_what_is_no_secret_is_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwt.hex"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no JWT secret") as caught:
        read_secret(path)
    assert not content or content.decode("latin1") not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_secret(tmp_path / "absent")
