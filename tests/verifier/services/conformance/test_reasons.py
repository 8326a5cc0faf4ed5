"""Reasons: every word of the suites and every rule of the contract has its classes; unknown ones are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import ReasonClass
from verifier.domain.vote import COMPARED_FIELDS
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.conformance.case import Case
from verifier.services.conformance.reasons import (
    CLIENT_RULES,
    FIELDS,
    RULES,
    WORDS,
    classes_of_exception,
    classes_of_reason,
    unknown_words,
)
from verifier.services.conformance.suite import load_cases

from .suites import eest, ethereum_tests


def test_every_rule_of_the_contract_has_its_classes() -> None:
    rules = {name.removeprefix("RULE_").lower() for name in pb.Rule.keys()} - {"unspecified"}  # noqa: SIM118 - no mapping
    assert set(RULES) == rules | {"parent", "block_hash"}
    assert set(FIELDS) == set(COMPARED_FIELDS)


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("BlockException.INVALID_GASLIMIT", {ReasonClass.HEADER}),
        ("TransactionException.NONCE_IS_MAX", {ReasonClass.TRANSACTION}),
        (
            "BlockException.INVALID_STATE_ROOT|TransactionException.GAS_ALLOWANCE_EXCEEDED",
            {ReasonClass.RESULT, ReasonClass.BLOCK_GAS},
        ),
        ("BlockException.INVALID_STATE_ROOT|BlockException.NO_SUCH", {ReasonClass.RESULT}),
        ("Engine API error -32602", {ReasonClass.OTHER}),
        ("TR_NoFunds", {ReasonClass.TRANSACTION}),
        ("UncleIsAncestor", {ReasonClass.UNCLES, ReasonClass.RESULT}),
        ("BlockException.NO_SUCH", set()),
        ("INVALID_STATE_ROOT", set()),
        ("", set()),
    ],
)
def test_words(word: str, classes: set[ReasonClass]) -> None:
    assert classes_of_exception(word) == classes


def test_unknown_words_are_named() -> None:
    assert unknown_words("BlockException.INVALID_STATE_ROOT|BlockException.NO_SUCH| x ") == (
        "BlockException.NO_SUCH",
        "x",
    )


@pytest.mark.parametrize(
    ("client", "said", "classes"),
    [
        ("geth", "gas_limit", {ReasonClass.HEADER}),
        ("geth", "block_encoding", {ReasonClass.ENCODING}),
        ("pyevm", "block_encoding", {ReasonClass.ENCODING, ReasonClass.UNCLES}),
        ("geth", ("state_root", "gas_used"), {ReasonClass.RESULT}),
        ("geth", ("state_root", "requests_hash"), {ReasonClass.RESULT, ReasonClass.REQUESTS}),
        ("geth", (), set()),
        ("geth", "no such rule", set()),
        ("nobody", "uncles", {ReasonClass.UNCLES}),
        ("geth", "parent", {ReasonClass.PARENT}),
        ("geth", "transaction 3: Insufficient gas", set()),
    ],
)
def test_reasons(client: str, said: str | tuple[str, ...], classes: set[ReasonClass]) -> None:
    assert classes_of_reason(client, said) == classes


def test_a_client_s_own_table_says_no_less_than_everybody_s() -> None:
    for client, rules in CLIENT_RULES.items():
        for rule, classes in rules.items():
            assert classes > RULES[rule], client


@given(word=st.text() | st.lists(st.sampled_from([*WORDS, "|", "x", ""])).map("|".join), client=st.text(max_size=8))
def test_any_text_has_classes_or_none(word: str, client: str) -> None:
    assert classes_of_exception(word) <= set(ReasonClass)
    assert classes_of_reason(client, word) <= set(ReasonClass)
    assert classes_of_reason(client, [word]) <= set(ReasonClass)
    assert bool(unknown_words(word)) or classes_of_exception(word)


def test_every_word_of_the_suites_is_known() -> None:
    unknown: dict[str, str] = {}
    folders = (eest(), ethereum_tests() / "BlockchainTests" / "InvalidBlocks")
    for case in (each for folder in folders for each in load_cases(folder)):
        assert isinstance(case, Case), case
        for block in case.blocks:
            if block.exception:
                unknown |= dict.fromkeys(unknown_words(block.exception), str(case.name))
    assert not unknown
