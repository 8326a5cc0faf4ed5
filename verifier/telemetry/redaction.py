"""What must never be logged is taken out here: JWTs, authorization headers, secrets, passwords in URLs.

A structlog processor, the last one before a line is rendered, so that it also sees tracebacks and what libraries log.
A JWT secret in hexadecimal cannot be told from a hash; it is known by the name of its key alone.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

REMOVED = "[removed]"
# Keys of values that are removed whole, in whatever spelling: jwt_secret, X-Api-Key, "jwt secret".
SECRET_KEYS = frozenset(
    {"authorization", "proxyauthorization", "cookie", "setcookie", "jwt", "jwtsecret", "secret", "token", "password"}
    | {"bearer", "apikey", "xapikey", "accesstoken", "privatekey", "credentials"}
)
# Nested deeper than this is printed as text and searched as text: no value can make this recurse without end.
DEPTH = 8

# A JWT is three parts in base64url, the first of which is a JSON object: {" becomes eyJ (RFC 7519). Looked for in whole
# runs of its characters, so that the time is linear in the text's length.
_JWT_BEGINS = "eyJ"
_RUN = re.compile(r"[A-Za-z0-9_=.-]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)[ \t]+[^\s\"',;]+")
# Authorization: <anything to the end of the line or of the quoted string>
_HEADER = re.compile(r"(?i)((?:proxy-)?authorization['\"]?[ \t]*[:=,][ \t]*)(b?'[^'\n]*'|b?\"[^\"\n]*\"|[^\n'\"]+)")
_NAMED = re.compile(
    r"(?i)\b(jwt[_ -]?secret|password|api[_ -]?key|access[_ -]?token)(['\"]?[ \t]*[:=][ \t]*)(['\"]?)[^\s'\",;]+"
)
_USERINFO = re.compile(r"(://)[^/\s@'\"]+@")
# Control characters but tab and newline: a log line is one line, and no terminal is steered by a client's text.
# And lone surrogates, which cannot be written as UTF-8.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without secrets and without control characters (those become \\x1b and the like)."""
    if _JWT_BEGINS in text:
        text = _RUN.sub(_without_jwt, text)
    text = _HEADER.sub(rf"\1{REMOVED}", text)
    text = _BEARER.sub(rf"\1 {REMOVED}", text)
    text = _NAMED.sub(rf"\1\2\3{REMOVED}", text)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{REMOVED}@", text)
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def drop_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: every key and value cleaned. A newline stays only in `exception` and `stack`."""
    cleaned = {}
    for key, value in event.items():
        if key.startswith("_"):  # structlog's own: the record and how it was made, not printed
            cleaned[key] = value
            continue
        value = REMOVED if _secret(key) else _clean(value, DEPTH)
        if isinstance(value, str) and key not in ("exception", "stack"):
            value = value.replace("\n", "\\n")
        cleaned[clean(key)] = value
    return cleaned


def _without_jwt(match: re.Match[str]) -> str:
    run = match.group()
    before, begins, after = run.partition(_JWT_BEGINS)
    return before + REMOVED if begins and "." in after else run


def _secret(key: object) -> bool:
    return isinstance(key, str) and re.sub(r"[^a-z]", "", key.lower()) in SECRET_KEYS


def _clean(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return clean(value)
        case Mapping() if depth:
            return {
                clean(str(key)): REMOVED if _secret(key) else _clean(each, depth - 1) for key, each in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(each, depth - 1) for each in value]
        case _:
            return clean(str(value))
