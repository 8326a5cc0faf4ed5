"""JSON-RPC bodies of any shape: what is not judged keeps its bytes, what is judged is found wherever it stands."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.engine.messages import (
    MAX_BATCH,
    Call,
    MalformedRequestError,
    batch_elements,
    encode_errors,
    join_batch,
    parse_answer,
    parse_request,
    with_method,
)

methods = st.sampled_from(
    ["engine_newPayloadV4", "engine_forkchoiceUpdatedV3", "engine_newPayloadV77", "engine_newPayloadWithWitnessV4"]
) | st.sampled_from(["engine_getPayloadV4", "eth_call", "engine_exchangeCapabilities", "newPayload", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
calls = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": methods}, optional={"id": values, "params": values, "more": values}
)
elements = calls | values
GATED = ("engine_newPayload", "engine_forkchoiceUpdated")


def is_gated(value: Any) -> bool:
    method = value.get("method") if isinstance(value, dict) else None
    return isinstance(method, str) and method.startswith(GATED)


def written(value: Any, space: str, ascii_only: bool) -> bytes:
    text = json.dumps(value, separators=(f",{space}", f":{space}"), ensure_ascii=ascii_only)
    return text.encode("utf-8", "surrogatepass")


@given(value=calls, space=st.sampled_from(["", " ", "\n\t"]), ascii_only=st.booleans())
def test_single_calls(value: dict[str, Any], space: str, ascii_only: bool) -> None:
    body = space.encode() + written(value, space, ascii_only) + space.encode()
    request = parse_request(body)
    assert request.gated == is_gated(value)
    (part,) = request.parts
    if isinstance(part, Call):
        assert (part.raw, part.method, part.answered) == (body, value["method"], "id" in value)
        assert written(part.id, "", True) == written(value.get("id"), "", True)
    else:
        assert part == body


@given(batch=st.lists(elements, max_size=5), space=st.sampled_from(["", " ", "\r\n"]), ascii_only=st.booleans())
def test_batches_come_apart_and_together(batch: list[Any], space: str, ascii_only: bool) -> None:
    inner = [written(each, space, ascii_only) for each in batch]
    body = f"{space}[{space}".encode() + f"{space},{space}".encode().join(inner) + f"{space}]{space}".encode()
    request = parse_request(body)
    assert request.gated == any(map(is_gated, batch))
    if not request.gated:
        assert request.parts == (body,)
        return
    assert [part.raw if isinstance(part, Call) else part for part in request.parts] == inner
    assert [isinstance(part, Call) for part in request.parts] == list(map(is_gated, batch))


@given(body=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedRequestError):
        assert parse_request(body).parts == (body,)


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b"5", b"[1]", b"[]", b"null", b'{"method":5}', b'"engine_newPayloadV4"']
)
def test_what_is_no_call_is_not_ours(body: bytes) -> None:
    request = parse_request(body)
    assert not request.gated
    assert request.parts == (body,)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"method":"engine_newPayloadV4"}{}', b"\x00"])
def test_not_json(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_request(body)


def test_methods_are_found_however_they_are_written() -> None:
    """JSON has many ways to write a name, and some clients look methods up in any case."""
    assert parse_request(b'{"\\u006dethod":"engine_newPayload\\u00564"}').gated
    (call,) = parse_request(b'{"method":"ENGINE_NEWpayloadv4"}').parts
    assert isinstance(call, Call)
    assert (call.is_payload, call.version) == (True, 4)


@pytest.mark.parametrize(
    "names",
    [
        b'"method":"eth_call","method":"engine_newPayloadV4"',
        b'"method":"engine_newPayloadV4","method":"eth_call"',
        b'"method":"eth_call","Method":"engine_newPayloadV4"',  # Go takes names in any case
        b'"METHOD":"engine_newPayloadV4"',
        b'"method":"engine_newPayloadV4","params":[],"param\xc5\xbf":[]',  # the long s folds to s
        b'"method":"engine_newPayloadV4","id":1,"id":2',
    ],
)
def test_what_another_parser_could_read_otherwise_is_refused(names: bytes) -> None:
    for body in (b"{" + names + b"}", b'[{"method":"eth_call"},{' + names + b"}]"):
        with pytest.raises(MalformedRequestError, match="more than one way"):
            parse_request(body)
    assert parse_request(b'{"method":"eth_call","params":[{"id":1,"ID":2}]}').parts  # not ours to judge


def test_a_batch_has_an_end() -> None:
    batch = [{"method": "engine_newPayloadV4"}] * (MAX_BATCH + 1)
    with pytest.raises(MalformedRequestError, match="calls in a batch"):
        parse_request(json.dumps(batch).encode())
    assert len(parse_request(json.dumps(batch[1:]).encode()).parts) == MAX_BATCH


@given(value=calls, by=st.text(max_size=10))
def test_another_method_and_all_else_as_it_was(value: dict[str, Any], by: str) -> None:
    for body in (written(value, "", True), written(value, " ", False)):
        changed = json.loads(with_method(Call(value["method"], None, None, True, body), by))
        assert written(changed, "", True) == written({**json.loads(body), "method": by}, "", True)


def test_version_and_kind() -> None:
    def made(method: str) -> Call:
        (part,) = parse_request(json.dumps({"method": method}).encode()).parts
        assert isinstance(part, Call)
        return part

    assert [made(f"engine_newPayload{end}").version for end in ("V1", "V5", "WithWitnessV4", "V", "V99999", "")] == [
        *(1, 5, 4, None, None, None)
    ]
    assert made("engine_newPayloadWithWitnessV4").wants_witness
    assert not made("engine_forkchoiceUpdatedV3").is_payload


def test_capabilities_are_noticed_wherever_they_stand() -> None:
    asked = {"method": "engine_exchangeCapabilities", "params": [["engine_newPayloadV4"]]}
    assert parse_request(json.dumps(asked).encode()).capabilities == asked["params"]
    assert (
        parse_request(json.dumps([{"method": "engine_newPayloadV4"}, asked]).encode()).capabilities == asked["params"]
    )
    assert parse_request(b'{"method":"eth_call"}').capabilities is None


@given(answers=st.lists(values, max_size=4), space=st.sampled_from([b"", b" \n"]))
def test_answers_of_a_batch_are_joined_as_they_are(answers: list[Any], space: bytes) -> None:
    inner = space + join_batch([written(each, "", True) for each in answers]) + space
    found = batch_elements(inner)
    assert found == b",".join(written(each, "", True) for each in answers)
    assert batch_elements(space + b'{"id":1}' + space) == b'{"id":1}'
    assert batch_elements(b"5") is None
    assert batch_elements(inner + b"x") is None


@given(body=st.binary(max_size=40) | values.map(lambda value: written(value, "", True)))
def test_any_answer_is_one_or_none(body: bytes) -> None:
    answer = parse_answer(body)
    assert answer is None or "result" in answer or "error" in answer


def test_errors_for_those_who_want_an_answer() -> None:
    requests = [b'{"id":7,"method":"a"}', b'{"method":"b"}', b"5", b'{"id":null}']
    assert [json.loads(each)["id"] for each in encode_errors(requests, -1, "why")] == [7, None]
