"""Suites of every kind, in one directory and alone: what loads, what is left out, what is broken, and nothing else."""

import gzip
import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.services.conformance.loaders.test_state_test import state_test
from tests.verifier.services.evidence.builders import evidence
from verifier.domain.conformance import CaseName, Expected, ReasonClass
from verifier.domain.dispute import Conclusion
from verifier.services.conformance.case import Case, LoadFailure
from verifier.services.conformance.loaders.fixtures import load_tests
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.conformance.suite import case_paths, load_cases
from verifier.services.evidence.bundle import write_bundle

from .suites import SAMPLE, eest, ethereum_tests, hive, mainnet


def loaded(path: Path, **options: Any) -> list[Case]:
    found = list(load_cases(path, **options))
    assert all(isinstance(each, Case) for each in found), found
    return [each for each in found if isinstance(each, Case)]


def failures(path: Path) -> list[LoadFailure]:
    return [each for each in load_cases(path) if isinstance(each, LoadFailure)]


def test_a_chain_of_hive() -> None:
    folder = hive()
    (case,) = loaded(folder)
    assert case.name == CaseName("hivechain", "chain.rlp", "BPO2", "hive_chain")
    assert case.genesis == load_genesis(folder / "genesis.json")
    assert [block.encoded for block in case.blocks] == list(load_blocks(folder / "chain.rlp"))
    assert {block.expected for block in case.blocks} == {Expected.VALID}


def test_the_sample_chain_and_one_that_is_cut(tmp_path: Path) -> None:
    (case,) = loaded(SAMPLE)
    assert len(case.blocks) == 37
    for name in ("genesis.json", "chain.rlp"):
        (tmp_path / name).write_bytes((SAMPLE / name).read_bytes()[:-1])
    (failure,) = failures(tmp_path)
    assert not failure.left_out
    shutil.copy(SAMPLE / "genesis.json", tmp_path / "genesis.json")
    (failure,) = failures(tmp_path)
    assert "ends within a block" in failure.reason


def test_witness_files() -> None:
    cases = loaded(mainnet())
    assert {case.name.kind for case in cases} == {"witness"}
    prague = next(case for case in cases if "22615247_keth" in case.name.path)
    assert prague.name.network == "Prague"
    assert prague.name.test == "1/22615247"
    block = prague.blocks[0]
    assert prague.genesis is None
    assert block.witness is not None
    assert len(block.pre_state_root) == 32
    without_parent = next(case for case in cases if "17000_2860556" in case.name.path)
    assert without_parent.blocks[0].pre_state_root == b""


def test_payloads_and_blocks_load() -> None:
    kinds = Counter(case.name.kind for case in loaded(eest()))
    assert kinds.keys() == {"blockchain_test", "blockchain_test_engine"}
    assert min(kinds.values()) > 900
    misfits = [
        (case, block)
        for case in loaded(eest() / "blockchain_tests_engine" / "prague")
        for block in case.blocks
        if block.misfit
    ]
    assert misfits
    for case, block in misfits:
        assert block.expected is Expected.INVALID, case.name
        assert "INVALID_BLOCK_HASH" in block.exception


def test_a_test_whose_state_is_elsewhere_is_left_out(tmp_path: Path) -> None:
    shared = {"network": "Prague", "preHash": "0x01", "engineNewPayloads": [], "lastblockhash": "0x02"}
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"one": shared}))
    (failure,) = failures(path)
    assert failure.left_out
    assert failure.name == CaseName("test.json", "one", "Prague", "blockchain_test_engine")
    assert "blockchain_tests_engine_x" in failure.reason
    assert list(load_cases(path, takes=lambda _: False)) == []


def test_what_a_changed_body_breaks_besides() -> None:
    """The block keeps the header of another body: all clients find that, whatever the transaction's own fault is."""
    (case,) = loaded(ethereum_tests() / "BlockchainTests" / "InvalidBlocks" / "bcEIP1559" / "feeCap.json.gz")
    besides = {block.besides for block in case.blocks if block.expected is Expected.INVALID}
    assert frozenset({ReasonClass.BODY}) in besides
    assert {block.besides for block in case.blocks if block.expected is Expected.VALID} == {frozenset()}


def test_cases_are_the_tests_that_are_recorded() -> None:
    path = next(case_paths(eest() / "blockchain_tests" / "prague"))
    for case, test in zip(loaded(path), load_tests(path), strict=True):
        assert case.name.test == test.name
        assert case.genesis == test.genesis
        assert case.last_block_hash == test.last_block_hash
        assert [block.encoded for block in case.blocks] == [block.encoded for block in test.blocks]
        assert [block.expected is Expected.VALID for block in case.blocks] == [
            block.exception is None for block in test.blocks
        ]


def test_evidence(tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    whole = evidence(tmp_path)
    for conclusion, expected in ((Conclusion.VALID, Expected.VALID), (Conclusion.INVALID, Expected.INVALID)):
        concluded = replace(whole.dispute, conclusion=conclusion)
        name = write_bundle(bundles, replace(whole, dispute=concluded))
        (case,) = loaded(bundles / name)
        assert (case.name.kind, case.name.path) == ("evidence", name)
        assert case.blocks[0].expected is expected
        assert case.blocks[0].pre_state_root == whole.request.pre_state_root
    unresolved = replace(whole.dispute, conclusion=Conclusion.UNRESOLVED)
    name = write_bundle(bundles, replace(whole, dispute=unresolved))
    (failure,) = failures(bundles / name)
    assert failure.left_out
    assert len(loaded_or_not(bundles)) == 3
    (bundles / name / "extra").write_text("x")
    (failure,) = failures(bundles / name)
    assert not failure.left_out


def loaded_or_not(path: Path) -> list[Case | LoadFailure]:
    return list(load_cases(path))


def test_a_directory_of_everything(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"a": state_test("Cancun"), "b": state_test("Shanghai")}))
    shutil.copytree(SAMPLE, tmp_path / "chain")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.json.gz").write_bytes(gzip.compress(b"{}")[:-4])
    (tmp_path / "broken.witness").write_bytes(b"\x00" * 100)
    (tmp_path / "index.json").write_text('{"tests": []}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "mixed.json").write_text(
        json.dumps({"_info": {}, "x": 1, "y": {"network": "Cancun", "blocks": []}, "z": state_test("Paris")})
    )
    (tmp_path / "README.md").write_text("no test")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.json").write_text("{")
    found = loaded_or_not(tmp_path)
    assert [str(each.name) for each in found if isinstance(each, Case)] == [
        "chain::chain.rlp",
        "mixed.json::z/Paris/0",
        "state.json::a/Cancun/0",
        "state.json::b/Shanghai/0",
    ]
    broken = {str(each.name): each for each in found if isinstance(each, LoadFailure)}
    assert sorted(name for name, each in broken.items() if not each.left_out) == [
        "broken.json.gz::",
        "broken.json::",
        "broken.witness::",
        "mixed.json::x",
        "mixed.json::y",
    ]
    assert sorted(name for name, each in broken.items() if each.left_out) == ["index.json::", "list.json::"]
    assert not any(str(tmp_path) in each.reason for each in broken.values())


def test_names_of_a_single_source(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"a": state_test("Cancun")}))
    assert [case.name.path for case in loaded(path)] == ["state.json"]
    assert [case.name.path for case in loaded(path, name="suite/state.json")] == ["suite/state.json"]
    (failure,) = failures(tmp_path / "absent.json")
    assert failure.name.path == "absent.json"


def test_what_is_not_wanted_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "tests.json"
    path.write_text(json.dumps({"a": state_test("Cancun"), "b": {"network": "Cancun", "blocks": 1}}))
    asked: list[str] = []

    def takes(name: CaseName) -> bool:
        asked.append(str(name))
        return name.test.startswith("a")

    assert [str(case.name) for case in loaded(path, takes=takes)] == ["tests.json::a/Cancun/0"]
    assert asked == ["tests.json::a/Cancun/0", "tests.json::b"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["0x", "0x01", "Cancun"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "network",
                        "blocks",
                        "engineNewPayloads",
                        "pre",
                        "env",
                        "post",
                        "transaction",
                        "genesisBlockHeader",
                    ),
                    *(
                        "state",
                        "witness",
                        "block",
                        "statelessInputBytes",
                        "executionWitness",
                        "Cancun",
                        "rlp",
                        "config",
                    ),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(document=values | st.dictionaries(st.text(max_size=3), values, max_size=3))
def test_any_document_gives_cases_or_failures(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(document))
    for found in load_cases(path):
        assert isinstance(found, Case | LoadFailure)
        assert found.name.path == "any.json"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=120), name=st.sampled_from(["any.json", "any.json.gz", "any.rlp", "any.witness"]))
def test_any_bytes_give_one_failure(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    (found,) = load_cases(path)
    assert isinstance(found, LoadFailure)


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    os.mkfifo(tmp_path / "b.witness")
    assert list(load_cases(tmp_path)) == []
    for name in ("a.json", "b.witness"):
        (found,) = load_cases(tmp_path / name)
        assert isinstance(found, LoadFailure)
        assert "regular file" in found.reason


@pytest.mark.parametrize("name", ["a.json", "chain.rlp", "x.witness"])
def test_absent_files(tmp_path: Path, name: str) -> None:
    (found,) = load_cases(tmp_path / name)
    assert isinstance(found, LoadFailure)
    assert not found.left_out
