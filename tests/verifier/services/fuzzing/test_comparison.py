"""Who differs from most others, and in what."""

from dataclasses import replace

from verifier.domain.conformance import Answer, CaseName, ExaminedBlock, ExaminedCase, Expected, Said
from verifier.services.conformance.known import KnownDifferences, parse_differences
from verifier.services.fuzzing.comparison import compare
from verifier.services.fuzzing.construction import FAULTY, REFUSED

NAME = CaseName("generated", "s-1-header-gas-limit-above-2p63m1", "Cancun", "generated")
VALID: tuple[str, tuple[str, ...]] = ("valid", ())
OTHER_ROOT: tuple[str, tuple[str, ...]] = ("invalid", ("state_root",))
RULE: tuple[str, tuple[str, ...]] = ("invalid", ())


def examined(
    says: dict[str, tuple[str, tuple[str, ...]]], expected: Expected = Expected.VALID, exception: str = ""
) -> ExaminedCase:
    answers = tuple(
        Answer(
            name,
            name,
            Said(said),
            "broken_rule: gas_limit: x" if said == "invalid" and not fields else said,
            fields=fields,
        )
        for name, (said, fields) in says.items()
    )
    return ExaminedCase(NAME, (ExaminedBlock(0, 1, b"", expected, exception, answers=answers),))


def key(case: ExaminedCase) -> str | None:
    found = compare(case, "", KnownDifferences())
    return None if found is None else found.key


def test_all_agree() -> None:
    assert key(examined({"geth": VALID, "revm": VALID})) is None
    assert key(examined({"geth": RULE, "revm": OTHER_ROOT}, Expected.INVALID, FAULTY)) is None


def test_one_computes_something_else() -> None:
    case = examined({"geth": VALID, "revm": VALID, "eels": OTHER_ROOT})
    assert key(case) == "block: most: valid; eels: computes another state_root"


def test_the_builder_itself_is_the_one_that_differs() -> None:
    case = examined({"geth": OTHER_ROOT, "revm": OTHER_ROOT, "pyevm": VALID})
    assert key(case) == "block: most: computes another state_root; pyevm: valid"
    alone = examined({"geth": OTHER_ROOT, "revm": OTHER_ROOT})
    assert key(alone) == "block: most: computes another state_root; the builder: valid"


def test_two_against_two_the_builder_decides() -> None:
    case = examined({"geth": OTHER_ROOT, "revm": VALID})
    assert key(case) == "block: most: valid; geth: computes another state_root"


def test_adapters_of_one_lineage_are_no_majority() -> None:
    answers = (
        *(Answer(f"geth {number}", "geth", Said.INVALID, fields=("gas_used",)) for number in range(3)),
        *(Answer(name, name, Said.VALID) for name in ("revm", "eels")),
    )
    case = ExaminedCase(NAME, (ExaminedBlock(0, 1, b"", Expected.VALID, answers=answers),))
    found = compare(case, "", KnownDifferences())
    assert found is not None
    assert found.rule == "valid"


def test_who_executes_what_may_not_be_included_differs_from_who_refuses_it() -> None:
    case = examined({"geth": RULE, "revm": RULE, "eels": OTHER_ROOT}, Expected.INVALID, REFUSED)
    assert key(case) == "block: most: refuses; eels: executes"


def test_who_cannot_tell_differs() -> None:
    answers = (
        Answer("geth", "geth", Said.VALID),
        Answer("eels", "eels", Said.ABSTAIN, "witness_insufficient: node 0x01"),
    )
    case = ExaminedCase(NAME, (ExaminedBlock(0, 1, b"", Expected.VALID, answers=answers),))
    assert key(case) == "block: most: valid; eels: cannot tell: witness_insufficient"


def test_what_could_not_be_run_is_a_difference() -> None:
    assert (
        key(ExaminedCase(NAME, failure="the recorder died")) == "block: most: ; : could not be run: the recorder died"
    )


def known_of(client: str, test: str, kind: str, says: str = "") -> KnownDifferences:
    return parse_differences(
        f"""
        [[difference]]
        client = "{client}"
        test = "{test}"
        kinds = ["{kind}"]
        ways = ["stateless"]
        says = "{says}"
        why = "no such check"
        link = "https://example.org"
        """,
        "file",
    )


def test_a_known_difference_is_known_and_another_of_the_same_block_is_not() -> None:
    known = known_of("ethrex", "*::*-header-gas-limit-above-2p63m1*", "accepts an invalid block")
    says: dict[str, tuple[str, tuple[str, ...]]] = {"geth": RULE, "revm": RULE, "ethrex": VALID}
    found = compare(examined(says, Expected.INVALID, FAULTY), "header", known)
    assert found is not None
    assert "no such check" in found.known
    also = compare(
        examined({**says, "reth": RULE, "x": RULE, "eels": VALID}, Expected.INVALID, FAULTY), "header", known
    )
    assert also is not None
    assert also.known == ""


def test_a_difference_may_be_known_by_the_client_s_words() -> None:
    known = known_of("ethereumjs", "generated::*", "cannot tell", says="crashed: Error: a")
    for words, expected in (("crashed: Error: a", True), ("crashed: Error: b", False)):
        good = examined({"geth": VALID, "revm": VALID})
        crashed = Answer("ethereumjs", "ethereumjs", Said.ABSTAIN, words)
        (block,) = good.blocks
        found = compare(replace(good, blocks=(replace(block, answers=(*block.answers, crashed)),)), "", known)
        assert found is not None
        assert bool(found.known) is expected
        assert found.key == "block: most: valid; ethereumjs: cannot tell: crashed"
