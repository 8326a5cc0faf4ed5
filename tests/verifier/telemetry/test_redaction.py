import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.telemetry.redaction import REMOVED, clean, drop_secrets


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def jwt(claims: dict[str, int], signature: bytes) -> str:
    header = encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    return f"{header}.{encoded(json.dumps(claims).encode())}.{encoded(signature)}"


TOKEN = jwt({"iat": 1_700_000_000}, b"s" * 32)
SIGNATURE = TOKEN.rpartition(".")[2]


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Authorization: Bearer {TOKEN}",
        f"{{'Authorization': 'Bearer {TOKEN}', 'Host': 'x'}}",
        f"headers=<CIMultiDictProxy('Authorization': 'Bearer {TOKEN}')>",
        f"GET /?token={TOKEN}&x=1",
        f"('authorization', 'Bearer {TOKEN}')",
        f"{TOKEN}{TOKEN}",
    ],
)
def test_no_jwt_is_left(text: str) -> None:
    assert SIGNATURE not in clean(text)
    assert "eyJ" not in clean(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("Proxy-Authorization: opaque words hunter2", "hunter2"),
        ("authorization='hunter2 x'", "hunter2"),
        ("asked with bearer hunter2", "hunter2"),
        ("http://user:hunter2@127.0.0.1:8551/", "hunter2"),
        ("password=hunter2", "hunter2"),
        ("jwt_secret: 'hunter2'", "hunter2"),
        ('{"api_key": "hunter2"}', "hunter2"),
    ],
)
def test_other_secrets_by_how_they_are_written(text: str, secret: str) -> None:
    assert secret not in clean(text)
    assert REMOVED in clean(text)


@given(st.text(), st.text(), st.binary(min_size=32, max_size=32))
def test_no_jwt_is_left_in_any_surroundings(before: str, after: str, signature: bytes) -> None:
    token = jwt({"iat": 1}, signature)
    event = drop_secrets(None, "info", {"event": before + token + after, "data": [{"deep": (before, {token})}]})
    assert token.rpartition(".")[2] not in json.dumps(event)


@given(st.recursive(st.none() | st.text() | st.binary() | st.floats(), lambda each: st.lists(each)), st.text())
def test_any_value_becomes_printable(value: object, key: str) -> None:
    event = drop_secrets(None, "info", {key: value})
    for text in (str(each) for pair in event.items() for each in pair):
        text.encode()  # no lone surrogates
    if not key.startswith("_"):
        json.dumps(event)


@pytest.mark.parametrize("key", ["jwt_secret", "Authorization", "PASSWORD", "x-api-key", "jwt secret", "token"])
def test_what_is_called_a_secret_is_removed_whatever_it_is(key: str) -> None:
    assert drop_secrets(None, "info", {key: "ab" * 32, "inner": {key: 7}}) == {key: REMOVED, "inner": {key: REMOVED}}


def test_hashes_and_numbers_stay() -> None:
    event = {"hash": "0x" + "ab" * 32, "block": 7, "ms": 1.5, "valid": "geth,revm", "gated": True, "reason": None}
    assert drop_secrets(None, "info", dict(event)) == event


def test_control_characters_are_written_out() -> None:
    event = drop_secrets(None, "info", {"event": "a\x1b[31mred\nlevel=info forged\r\x00"})
    assert event["event"] == "a\\x1b[31mred\\nlevel=info forged\\r\\x00"


def test_something_nested_without_end_is_text() -> None:
    value: list[object] = []
    value.append(value)
    assert drop_secrets(None, "info", {"event": "x", "value": value})["event"] == "x"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", ["eyJ", "authorization", "authorization ", "://", "bearer ", "password: '", "eyJa."])
def test_long_texts_take_no_longer_than_their_length(part: str) -> None:
    """A million characters: what is quadratic would take hours."""
    clean(part * (1_000_000 // len(part)))
