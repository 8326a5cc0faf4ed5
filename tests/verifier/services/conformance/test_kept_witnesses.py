"""Where witness files of blocks that differ are kept."""

from dataclasses import replace
from pathlib import Path

from verifier.domain.conformance import CaseName
from verifier.services.conformance.kept_witnesses import folder_of, keep

NAME = CaseName("suite/a.json", "[test] \ud800", "Prague", "blockchain_test_engine")


def test_every_test_has_a_folder_of_its_own() -> None:
    others = [replace(NAME, path="other/a.json"), replace(NAME, test="other"), replace(NAME, kind="stateless_test")]
    assert len({folder_of(each) for each in (NAME, *others)}) == 4


def test_every_block_has_a_file_of_its_own(tmp_path: Path) -> None:
    witness = tmp_path / "1-ab.witness"
    for index in range(2):
        witness.write_text(str(index))
        keep(witness, tmp_path / "kept", NAME, index)
    folder = tmp_path / "kept" / folder_of(NAME)
    assert [(each.name, each.read_text()) for each in sorted(folder.iterdir())] == [
        ("0-1-ab.witness", "0"),
        ("1-1-ab.witness", "1"),
    ]
