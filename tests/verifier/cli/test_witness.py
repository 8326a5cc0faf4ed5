"""`verifier witness`: what it prints and how it exits."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from tests.witness.examples import block_witness
from tests.witness.real_data import INCOMPLETE, MAINNET, needs_real_data
from verifier.cli.witness import witness
from verifier.errors import InputError
from witness.errors import WitnessFileError
from witness.file import file_name, map_witness_file, write_witness_file
from witness.formats import block_json, rpc_json
from witness.formats.geth_rlp import encode_witness_rlp
from witness.store import WitnessStore

CONTENT = block_witness(9)
NAME = file_name(9, CONTENT.hash)


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error; what main prints as one line is raised."""
    result: Result = CliRunner().invoke(
        witness, [str(each) for each in arguments], standalone_mode=False, catch_exceptions=False
    )
    return result.return_value, result.stdout, result.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "block.json"
    path.write_text(json.dumps(block_json.document_of(CONTENT)))
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return write_witness_file(CONTENT, tmp_path, sync=False)


def test_import_writes_a_witness_file(tmp_path: Path, source: Path) -> None:
    status, output, errors = run("import", source, "--out", tmp_path / "out")
    assert (status, errors) == (0, "")
    path = tmp_path / "out" / NAME
    assert output == f"{path}: chain 7 block 9 0x{CONTENT.hash.hex()} shanghai\n"
    assert map_witness_file(path).block == CONTENT.block


def test_importing_twice_gives_the_same_bytes_and_says_so(tmp_path: Path, source: Path) -> None:
    run("import", source, "--out", tmp_path / "out")
    first = (tmp_path / "out" / NAME).read_bytes()
    status, output, _ = run("import", source, "--out", tmp_path / "out")
    assert status == 0
    assert output.endswith("; replaces an earlier file of this block\n")
    assert (tmp_path / "out" / NAME).read_bytes() == first


def test_import_says_what_is_only_claimed(tmp_path: Path) -> None:
    document = block_json.document_of(replace(CONTENT, witness=replace(CONTENT.witness, headers=[])))
    document["parentStateRoot"] = "0x" + "11" * 32
    document["witness"]["blockHashes"] = {"6": "0x" + "22" * 32, "5": "0x" + "33" * 32}
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    status, output, _ = run("import", tmp_path / "x.json.gz", "--out", tmp_path / "out")
    assert status == 0
    assert output.endswith("; only claimed, not proven: 2 blockHashes, parentStateRoot\n")


def test_import_goes_on_after_a_source_that_is_none(tmp_path: Path, source: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    status, output, errors = run("import", tmp_path, "--out", tmp_path / "out")
    assert status == 2
    assert NAME in output
    assert errors == f"error: {tmp_path / 'a.json'}: JSON of no known format: no block and witness in it\n"


def test_import_of_a_directory_of_several_forms(tmp_path: Path) -> None:
    sources = tmp_path / "in"
    sources.mkdir()
    (sources / "10.json").write_text(json.dumps(rpc_json.document_of(block_witness(10), headers="objects")))
    (sources / "11.rlp").write_bytes(encode_witness_rlp(block_witness(11).witness))
    (sources / "11.block").write_bytes(block_witness(11).block)
    write_witness_file(block_witness(12), sources, sync=False)
    config = tmp_path / "genesis.json"
    config.write_text(json.dumps({"config": json.loads(bytes(CONTENT.chain_config)), "alloc": {}}))
    status, output, errors = run("import", sources, "--out", tmp_path / "out", "--chain-config", config)
    assert (status, errors) == (0, "")
    assert [stored.number for stored in WitnessStore(tmp_path / "out")] == [10, 11, 12]
    assert len(output.splitlines()) == 3


def test_import_needs_a_chain_config_for_an_unknown_chain(tmp_path: Path) -> None:
    document = {**block_json.document_of(CONTENT), "chainConfig": None}
    (tmp_path / "x.json").write_text(json.dumps(document))
    status, _, errors = run("import", tmp_path / "x.json", "--out", tmp_path / "out")
    assert status == 2
    assert "chain 7 is not known; give its config" in errors
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config\.json"):
        run("import", tmp_path / "x.json", "--out", tmp_path, "--chain-config", tmp_path / "config.json")


def test_import_into_a_directory_in_use_is_refused(tmp_path: Path, source: Path) -> None:
    with WitnessStore(tmp_path / "out", sync=False) as store:
        store.publish(block_witness(12))
        status, _, errors = run("import", source, "--out", tmp_path / "out")
    assert status == 2
    assert "another writer is using it" in errors
    with pytest.raises(InputError, match="does not exist"):
        run("import", tmp_path / "nothing", "--out", tmp_path / "out")


def test_show_prints_plain_lines_when_piped(stored: Path) -> None:
    status, output, _ = run("show", stored)
    assert status == 0
    lines = dict(line.split(": ", 1) for line in output.splitlines())
    assert lines["chain"] == "7"
    assert lines["number"] == "9"
    assert lines["hash"] == f"0x{CONTENT.hash.hex()}"
    assert lines["fork"] == "shanghai"
    assert lines["state"] == f"{len(CONTENT.witness.state[0])} bytes in 1"
    assert lines["headers"].endswith("in 2")
    assert lines["file"] == f"{stored.stat().st_size} bytes"


def test_show_json(tmp_path: Path) -> None:
    content = replace(CONTENT, claims=b'{"x":1}', producer=b"no json\x1b", extra={99: b""})
    status, output, _ = run("show", "--json", write_witness_file(content, tmp_path, sync=False))
    assert status == 0
    assert output.count("\n") == 1
    shown: Any = json.loads(output)
    assert shown["chain_id"] == 7
    assert shown["counts"] == {"state": 1, "codes": 1, "headers": 2}
    assert shown["bytes"]["block"] == len(CONTENT.block)
    assert (shown["claims"], shown["producer"], shown["expected"]) == ({"x": 1}, "no json\x1b", None)
    assert shown["unknown_sections"] == [99]


def test_show_prints_no_control_characters_of_the_file(tmp_path: Path) -> None:
    content = replace(
        CONTENT, producer=b'{"na\\u001bme":"\\u001b[31m\\nred"}', claims=b"\x1b[31m", expected=b'{"a":{"\\n":1}}'
    )
    _, output, _ = run("show", write_witness_file(content, tmp_path, sync=False))
    assert "\x1b" not in output
    assert "producer.na?me: ?[31m?red\n" in output
    assert "expected.a: 1: ?: 1\n" in output


def test_show_of_a_file_whose_block_is_damaged(tmp_path: Path) -> None:
    status, output, _ = run("show", write_witness_file(replace(CONTENT, block=b"\xc0"), tmp_path, sync=False))
    assert status == 0
    assert "fork: unknown: block does not start with a header" in output


def test_show_on_a_terminal_is_a_table_with_nothing_cut(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    _, output, _ = run("show", stored)
    assert "│" in output
    cells = "".join(line.split("│")[2].strip() for line in output.splitlines() if line.count("│") == 3)
    assert CONTENT.hash.hex() in cells


def test_show_refuses_what_is_no_witness_file(source: Path) -> None:
    with pytest.raises(WitnessFileError, match="magic"):
        run("show", source)


def test_check_of_a_good_file(stored: Path) -> None:
    assert run("check", stored) == (0, f"{stored}: fine\n", "")


def test_check_prints_a_line_a_finding_and_goes_on(tmp_path: Path, source: Path) -> None:
    bad = write_witness_file(replace(block_witness(10), hash=bytes(32)), tmp_path, sync=False)
    odd = write_witness_file(replace(block_witness(11), claims=b'{"a":1}'), tmp_path, sync=False)
    status, output, _ = run("check", bad, odd)
    assert status == 1
    lines = output.splitlines()
    assert lines[0] == f"{bad}: error: block: the block has not the hash that the file names"
    assert f"{odd}: note: claims: asserted, not proven: a" in lines
    assert lines[-1] == f"{odd}: fine"
    status, output, _ = run("check", source, bad, odd)
    assert status == 2
    assert output.splitlines()[0] == f"{source}: refused: not a witness file (wrong magic)"
    assert output.splitlines()[1:] == lines


def test_check_json(tmp_path: Path, source: Path) -> None:
    bad = write_witness_file(replace(block_witness(10), hash=bytes(32)), tmp_path, sync=False)
    status, output, _ = run("check", "--json", bad, source)
    assert status == 2
    first, second = map(json.loads, output.splitlines())
    assert (first["file"], first["usable"]) == (str(bad), False)
    assert first["findings"][0]["severity"] == "error"
    assert second == {"file": str(source), "refused": "not a witness file (wrong magic)"}


def test_check_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for number in (9, 10):
        write_witness_file(block_witness(number), tmp_path / "below", sync=False)
    status, output, _ = run("check", tmp_path)
    assert status == 0
    assert output.count(": fine\n") == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(WitnessFileError, match="no witness files"):
        run("check", tmp_path / "empty")


@pytest.mark.parametrize("command", ["import", "show", "check"])
def test_missing_arguments_are_usage_errors(command: str) -> None:
    with pytest.raises(click.UsageError):
        run(command)


@needs_real_data
def test_all_real_blocks_are_imported_and_fine(tmp_path: Path) -> None:
    status, output, errors = run("import", MAINNET, INCOMPLETE, "--out", tmp_path)
    assert (status, errors) == (0, "")
    assert len(output.splitlines()) == 25
    status, output, _ = run("check", tmp_path)
    assert status == 0
    assert output.count(": fine\n") == 24  # one block is there in two forms


@needs_real_data
def test_prestate_writes_files_with_both_sections(tmp_path: Path) -> None:
    status, output, errors = run(
        "prestate",
        MAINNET / "1_1150000_zeth.json.gz",
        MAINNET / "17000_2965788_scroll.json.gz",
        INCOMPLETE / "mainnet_23587691_scroll.json.gz",
        "--out",
        tmp_path,
    )
    assert status == 2
    (line,) = output.splitlines()
    assert line.endswith(
        " homestead; prestate: 17 accounts (3 absent), 27 slots; poststate: 16 accounts (0 deleted), 10 slots"
    )
    reason = "no trusted pre-state root: the witness has no parent header"
    assert errors.splitlines() == [
        f"error: {MAINNET / '17000_2965788_scroll.json.gz'}: {reason}",
        f"error: {INCOMPLETE / 'mainnet_23587691_scroll.json.gz'}: {reason}",
    ]
    (path,) = tmp_path.glob("*.witness")
    written = map_witness_file(path)
    assert written.prestate is not None
    assert written.poststate is not None
    status, output, _ = run("show", path)
    assert f"prestate: {len(written.prestate)} bytes: 17 accounts (3 absent), 27 slots\n" in output
    status, output, _ = run("show", path, "--json")
    assert json.loads(output)["extents"] == {
        "prestate": "17 accounts (3 absent), 27 slots",
        "poststate": "16 accounts (0 deleted), 10 slots",
    }
    status, output, _ = run("check", path)
    assert status == 0
    assert "note: prestate: 17 accounts (3 absent), 27 slots; all proven by the nodes\n" in output
    # A witness file is a source too; what is derived from it is the same.
    before = path.read_bytes()
    assert run("prestate", path, "--out", tmp_path)[0] == 0
    assert path.read_bytes() == before


@needs_real_data
def test_prestate_says_what_it_could_not_prove(tmp_path: Path) -> None:
    status, output, errors = run(
        "prestate",
        INCOMPLETE / "holesky_2965790_scroll.json.gz",
        INCOMPLETE / "mainnet_23587691_scroll.json.gz",
        "--accept-claims",
        "--out",
        tmp_path,
    )
    assert (status, errors) == (1, "")
    incomplete, claimed = output.splitlines()
    assert "; incomplete: the witness lacks the hash of block 2965" in incomplete
    assert incomplete.endswith("; no poststate")
    assert "; the pre-state root is only claimed, and accepted; 255 ancestor hashes are only claimed" in claimed


def test_malformed_sections_are_shown_and_make_a_file_unusable(tmp_path: Path) -> None:
    path = write_witness_file(replace(CONTENT, prestate=b"\xc1\x01", poststate=b"\xc0"), tmp_path, sync=False)
    assert "prestate: 2 bytes: malformed: an entry is no list\n" in run("show", path)[1]
    status, output, _ = run("check", path)
    assert status == 1
    assert "error: prestate: malformed: an entry is no list\n" in output
