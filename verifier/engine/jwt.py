"""The token that authenticates every request to the Engine API (execution-apis, `engine/authentication.md`)."""

import base64
import hashlib
import hmac
import json


def encode_token(secret: bytes, issued_at: int) -> str:
    """A JSON web token, signed with HS256. secret: 32 bytes, shared by both clients; issued_at: seconds since 1970."""
    header = _part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{header}.{_part(json.dumps({'iat': issued_at}).encode())}"
    return f"{signed}.{_part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
