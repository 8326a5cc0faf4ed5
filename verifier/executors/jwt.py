"""The token that authenticates every request to the Engine API (execution-apis, `engine/authentication.md`)."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from pathlib import Path

from verifier.errors import JwtSecretError, TokenError
from witness.json_document import load_json

SECRET_LENGTH = 32  # bytes
SECRET = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
DRIFT = 60  # seconds by which `iat` may differ from now, either way (authentication.md, "JWT Claims")
MAX_TOKEN_LENGTH = 4096  # characters; ours have 120, and a client may add claims
SCHEME = "bearer "


def read_secret(path: Path) -> bytes:
    """The 32 bytes that the file holds in hexadecimal, with or without 0x. Raises JwtSecretError.

    No message of an error shows anything of what the file holds.
    """
    try:
        content = path.read_text("ascii")
    except OSError as error:
        raise JwtSecretError(f"JWT secret {path}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        content = ""
    found = SECRET.fullmatch(content.strip())
    if found is None:
        raise JwtSecretError(f"JWT secret {path}: {SECRET_LENGTH} bytes in hexadecimal expected")
    return bytes.fromhex(found[1])


def encode_token(secret: bytes, issued_at: int) -> str:
    """A JSON web token, signed with HS256. secret: 32 bytes, shared by both clients; issued_at: seconds since 1970."""
    header = _part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{header}.{_part(json.dumps({'iat': issued_at}).encode())}"
    return f"{signed}.{_part(_signature(secret, signed))}"


def check_token(secret: bytes, authorization: str | None, now: float) -> None:
    """Checks the value of an `Authorization` header. now: seconds since 1970. Raises TokenError, which says why.

    HS256 alone is accepted, whatever the token asks for; `iat` must be within DRIFT of now, and `exp`, where there is
    one, not passed.
    """
    if not authorization or authorization[: len(SCHEME)].lower() != SCHEME:
        raise TokenError("missing token")
    token = authorization[len(SCHEME) :].strip()
    parts = token.split(".")
    if len(token) > MAX_TOKEN_LENGTH or len(parts) != 3:
        raise TokenError("malformed token")
    header, claims, signature = (_octets(part) for part in parts)
    if _object(header).get("alg") != "HS256":
        raise TokenError("token is not signed with HS256")
    if not hmac.compare_digest(signature, _signature(secret, f"{parts[0]}.{parts[1]}")):
        raise TokenError("token is signed with another secret")
    values = _object(claims)
    issued, expires = _seconds(values.get("iat")), values.get("exp")
    if issued is None:
        raise TokenError("token does not say when it was issued")
    if abs(now - issued) > DRIFT:
        age = "old" if issued < now else "in the future"
        raise TokenError(f"token is {abs(now - issued):.0f} s {age}, at most {DRIFT} allowed: do the clocks differ?")
    if expires is not None and not now <= (_seconds(expires) or 0):
        raise TokenError("token has expired")


def _signature(secret: bytes, signed: str) -> bytes:
    return hmac.new(secret, signed.encode(), hashlib.sha256).digest()


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _octets(part: str) -> bytes:
    try:
        return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise TokenError("malformed token") from None


def _object(encoded: bytes) -> dict[str, object]:
    try:
        value = load_json(encoded)
    except (ValueError, RecursionError):
        raise TokenError("malformed token") from None
    if not isinstance(value, dict):
        raise TokenError("malformed token")
    return value


def _seconds(value: object) -> float | None:
    """Seconds since 1970; a fraction is allowed (RFC 7519, NumericDate). None if it is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1 << 53 else None  # also False for not-a-number and infinity
