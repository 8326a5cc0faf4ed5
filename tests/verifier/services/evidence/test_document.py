"""Values as JSON and back, whatever they are; and JSON that is no such value."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Dispute
from verifier.domain.divergence import Ended
from verifier.domain.localization import Localization
from verifier.domain.result import BrokenRule, Computed, Result
from verifier.domain.statement import Statement, outcome_digest
from verifier.domain.trace import Step, TransactionEnd, TransactionStart
from verifier.services.evidence.document import DocumentError, canonical, decode, encode, parse
from verifier.services.evidence.eip3155 import read_lines, write_lines
from verifier.services.evidence.errors import EvidenceError
from verifier.services.evidence.manifest import read_manifest
from witness.model import PostAccount

from .strategies import documents, paths, text

KINDS = (Dispute, Localization, tuple[Result, ...], tuple[Statement, ...])
words = st.binary(min_size=32, max_size=32)
small = st.integers(0, 2**64 - 1)
items = st.one_of(
    st.builds(TransactionStart, small, words),
    st.builds(TransactionEnd, small, st.booleans(), small, small),
    st.builds(
        Step,
        depth=small,
        account=st.binary(min_size=20, max_size=20),
        pc=small,
        op=st.integers(0, 255),
        gas=small,
        stack=st.lists(words, max_size=4).map(b"".join),
        gas_cost=small,
        memory_size=small,
        error=text,
    ),
)


def everything(step: Step) -> tuple[Any, ...]:
    return (step, step.gas_cost, step.memory_size, step.error)


@pytest.mark.parametrize("kind", [Dispute, Localization, Statement, Result])
def test_every_value_survives(kind: type) -> None:
    @given(st.from_type(kind))
    def survives(value: Any) -> None:
        encoded = canonical(encode(value, kind))
        read = decode(parse(encoded), kind)
        assert read == value
        assert canonical(encode(read, kind)) == encoded

    survives()


@given(st.from_type(Result))
def test_a_digest_survives(result: Result) -> None:
    if isinstance(result.outcome, Computed):
        # As answers of adapters are read: a dict in ascending order.
        account = PostAccount(1, 2**70, b"\x03" * 32, {b"\x01" * 32: 4, b"\x02" * 32: 0})
        states = {b"\x04" * 20: account, b"\x05" * 20: None}
        result = replace(result, outcome=replace(result.outcome, post_state=states))
    read = decode(parse(canonical(encode(result, Result))), Result)
    assert outcome_digest(read.outcome) == outcome_digest(result.outcome)


@given(st.lists(items))
def test_traces_survive(given_items: list[Any]) -> None:
    read = read_lines(write_lines(given_items))
    assert list(read) == given_items
    for one, other in zip(read, given_items, strict=True):
        if isinstance(one, Step):
            assert everything(one) == everything(other)


@given(st.binary())
def test_arbitrary_bytes_crash_nothing(encoded: bytes) -> None:
    with pytest.raises(DocumentError):
        decode(parse(encoded), Dispute)
    with pytest.raises(EvidenceError):
        read_manifest(encoded)
    if encoded:
        with pytest.raises(DocumentError):
            read_lines(encoded)


@given(documents, st.sampled_from(KINDS))
def test_arbitrary_json_crashes_nothing(document: Any, kind: Any) -> None:
    if document != []:
        with pytest.raises(DocumentError):
            decode(document, kind)
    encoded = json.dumps(document).encode()
    with pytest.raises(EvidenceError):
        read_manifest(encoded)
    with pytest.raises(DocumentError):
        read_lines(encoded + b"\n")


@given(st.data())
def test_one_wrong_place_is_an_error_or_another_value(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    document = json.loads(canonical(encode(data.draw(st.from_type(kind)), kind)))
    where = data.draw(st.sampled_from(paths(document)))
    other = data.draw(documents)
    if not where:
        document = other
    else:
        inner = document
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = other
    reason = ""
    try:
        value = decode(document, kind)
    except DocumentError as error:
        reason = str(error)
    else:
        assert decode(parse(canonical(encode(value, kind))), kind) == value
    assert reason.isprintable()


def test_defaults_stand_in_for_absent_fields() -> None:
    block = BlockReference(1, 2, b"\x03")
    dispute = Dispute("2-03", block, 1.0, 2.0, "votes")
    document = encode(dispute, Dispute)
    for name in ("silent", "evidence", "conclusion", "concluded_at", "reason", "statements"):
        del document[name]
    assert decode(document, Dispute) == dispute
    with pytest.raises(DocumentError, match="dispute: block is missing"):
        decode({}, Dispute)


def test_alternatives_are_named() -> None:
    broken = Result("a", "b", BrokenRule("base_fee", "it is 7"))
    document = encode(broken, Result)
    assert document["outcome"] == {"type": "broken_rule", "rule": "base_fee", "detail": "it is 7"}
    document["outcome"]["type"] = "computed"
    with pytest.raises(DocumentError, match="outcome: unknown key"):
        decode(document, Result)
    assert encode(Ended(BrokenRule("r", "d")), Ended) == {
        "outcome": {"type": "broken_rule", "rule": "r", "detail": "d"}
    }


def test_post_states_stand_in_order() -> None:
    account = PostAccount(1, 2**200, b"\x01" * 32, {b"\x02" * 32: 5, b"\x01" * 32: 6})
    result = Result(
        "a", "a", Computed(None, None, None, None, None, post_state={b"\x09" * 20: None, b"\x08" * 20: account})
    )
    read = decode(parse(canonical(encode(result, Result))), Result)
    assert read == result
    assert list(read.outcome.post_state) == [b"\x08" * 20, b"\x09" * 20]
    assert list(read.outcome.post_state[b"\x08" * 20].slots) == [b"\x01" * 32, b"\x02" * 32]
    assert replace(read, adapter="b") != result


@pytest.mark.parametrize("bad", ["0X00", "0x0", "0xAB", "ab", "0x 0", "0x\uff100", 5, None])
def test_octets_have_one_form(bad: Any) -> None:
    with pytest.raises(DocumentError):
        decode(bad, bytes)
