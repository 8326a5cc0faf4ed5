"""Known differences: explained where they show up, missed where they do not; a wrong file is an error of its own."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import (
    Answer,
    CaseName,
    DifferenceKind,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    Said,
    differences,
)
from verifier.services.conformance.known import (
    KnownDifferences,
    KnownDifferencesError,
    packaged_differences,
    parse_differences,
)

ENTRY = """
[[difference]]
client = "geth"
test = "*::InitCollision*"
network = "Cancun"
kinds = ["rejects a valid block"]
ways = ["stateless"]
why = "storage is left"
link = "https://example.org/1"
"""
KNOWN = parse_differences(ENTRY, "sample")
NAME = CaseName("st/x.json.gz", "InitCollision_d0[a]", "Cancun", "blockchain_test")
INVALID = Answer("geth", "geth", Said.INVALID, "differs: state_root")
VALID = Answer("geth", "geth", Said.VALID)


def case(*answers: Answer, name: CaseName = NAME) -> ExaminedCase:
    return ExaminedCase(name, (ExaminedBlock(0, 1, b"\x01" * 32, Expected.VALID, answers=answers),))


def test_a_known_difference_is_explained() -> None:
    (difference,) = differences(case(INVALID))
    assert KNOWN.explain(difference).known == "storage is left (https://example.org/1)"


@pytest.mark.parametrize(
    "other",
    [
        case(INVALID, name=replace(NAME, network="Shanghai")),
        case(INVALID, name=replace(NAME, test="Other")),
        case(replace(INVALID, client="revm")),
        case(replace(INVALID, stateful=True)),
        case(replace(INVALID, said=Said.ABSTAIN)),
    ],
)
def test_any_other_is_not(other: ExaminedCase) -> None:
    (difference,) = differences(other)
    assert KNOWN.explain(difference) is difference
    assert not difference.known


def test_one_that_no_longer_shows_up_is_found() -> None:
    (gone,) = KNOWN.gone_in(case(VALID))
    assert (gone.name, gone.client, gone.stateful) == (NAME, "geth", False)
    assert "geth without state no longer rejects a valid block; known was: storage is left" in str(gone)


@pytest.mark.parametrize(
    "examined",
    [
        case(INVALID),
        case(INVALID, VALID),
        case(),
        case(replace(VALID, client="revm")),
        case(replace(VALID, stateful=True)),
        case(replace(VALID, said=Said.ABSTAIN)),
        case(VALID, name=replace(NAME, test="Other")),
        ExaminedCase(NAME, failure="could not be run"),
    ],
)
def test_one_that_shows_up_or_was_not_tried_is_not_gone(examined: ExaminedCase) -> None:
    assert KNOWN.gone_in(examined) == ()


def test_one_that_depends_on_the_machine_is_not_missed() -> None:
    known = parse_differences(ENTRY.replace("ways", "sometimes = true\nways"), "sample")
    assert known.gone_in(case(VALID)) == ()
    (difference,) = differences(case(INVALID))
    assert known.explain(difference).known


def test_one_may_be_known_by_the_client_s_words() -> None:
    known = parse_differences(ENTRY.replace("ways", 'says = "state_root"\nways'), "sample")
    for reason, expected in (("differs: state_root", True), ("differs: gas_used", False)):
        (difference,) = differences(case(replace(INVALID, reason=reason)))
        assert bool(known.explain(difference).known) is expected


def test_brackets_are_part_of_a_name() -> None:
    known = parse_differences(ENTRY.replace("*::InitCollision*", "*_d0[a]"), "sample")
    assert known.gone_in(case(VALID))
    assert not known.gone_in(case(VALID, name=replace(NAME, test="InitCollision_d0a")))


def test_the_packaged_file() -> None:
    known = packaged_differences()
    assert known.entries
    assert len(set(known.entries)) == len(known.entries)
    for entry in known.entries:
        assert DifferenceKind.NOT_RUN not in entry.kinds


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("client", "clients"), "clients is not known"),
        (('client = "geth"\n', ""), "client is missing"),
        (('"rejects a valid block"', '"rejects"'), "kinds is a list of"),
        (('["stateless"]', '"stateless"'), "ways"),
        (('["stateless"]', '["both"]'), "ways"),
        (('["stateless"]', "[[1]]"), "ways"),
        (('"https://example.org/1"', '"elsewhere"'), "link"),
        (("ways", 'sometimes = "no"\nways'), "sometimes is true or false"),
        (('"geth"', "1"), "client is no string"),
        (("ways", "says = 1\nways"), "says is no string"),
        (("[[difference]]", "[difference]"), "only"),
        (("[[difference]]", "[[differences]]"), "only"),
        (("[[difference]]", "difference = [1]\n[x]"), "only"),
        (("=", ":"), "sample"),
    ],
)
def test_a_wrong_file(change: tuple[str, str], why: str) -> None:
    with pytest.raises(KnownDifferencesError, match=why):
        parse_differences(ENTRY.replace(*change), "sample")


def test_a_file_of_none() -> None:
    assert parse_differences("", "sample") == KnownDifferences()


@given(document=st.text(max_size=60), at=st.integers(0, len(ENTRY)))
def test_any_document(document: str, at: int) -> None:
    for each in (document, ENTRY[:at] + document + ENTRY[at:]):
        with contextlib.suppress(KnownDifferencesError):
            parse_differences(each, "any")
