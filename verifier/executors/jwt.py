"""The token that authenticates us to a client's Engine API (execution-apis, `engine/authentication.md`)."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

from verifier.errors import InputError

SECRET_LENGTH = 32  # bytes


def read_secret(path: Path) -> bytes:
    """The secret in a file of 64 hexadecimal digits, with or without 0x. Raises InputError, which never shows them."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except ValueError:
        raise InputError(f"{path}: no JWT secret: not text") from None
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_LENGTH:
        raise InputError(f"{path}: no JWT secret: {2 * SECRET_LENGTH} hexadecimal digits expected")
    return secret


def encode_token(secret: bytes, issued_at: int) -> str:
    """A JSON web token signed with HS256. secret: 32 bytes; issued_at: seconds since 1970, accepted for 60 s."""
    header = _part({"alg": "HS256", "typ": "JWT"})
    signed = f"{header}.{_part({'iat': issued_at})}"
    return f"{signed}.{_base64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _part(document: object) -> str:
    return _base64(json.dumps(document, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
