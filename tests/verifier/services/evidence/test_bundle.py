"""Bundles written and read back, and everything that may be wrong with one that somebody hands us."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from verifier.domain.localization import Place
from verifier.domain.trace import TransactionEnd, TransactionStart
from verifier.services.evidence import (
    Evidence,
    EvidenceDamagedError,
    EvidenceVersionError,
    EvidenceWriteError,
    NoEvidenceError,
    bundle,
    is_bundle,
    read_bundle,
    remove_leftovers,
    write_bundle,
)
from verifier.services.evidence.document import canonical
from verifier.services.replay import DEADLINE

from .builders import ACCOUNT, CONFIGURATION, evidence


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A bundle."""
    return tmp_path / "evidence" / write_bundle(tmp_path / "evidence", evidence(tmp_path))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The bundle with another manifest, and the name that goes with it."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    change(manifest)
    encoded = canonical(manifest)
    (path / "manifest.json").unlink()
    (path / "manifest.json").write_bytes(encoded)
    return path.rename(path.parent / hashlib.sha256(encoded).hexdigest()[:16])


def put(path: Path, name: str, content: bytes) -> Path:
    """The bundle with another file in it, listed as it is."""
    (path / name).unlink(missing_ok=True)
    (path / name).write_bytes(content)

    def change(manifest: dict[str, Any]) -> None:
        entry = {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        others = [each for each in manifest["files"] if each["path"] != name]
        manifest["files"] = sorted([*others, entry], key=lambda each: each["path"])

    return rewrite(path, change)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    name = write_bundle(tmp_path / "evidence", given)
    path = tmp_path / "evidence" / name
    assert is_bundle(path)
    read = read_bundle(path)
    request = replace(given.request, witness=path / "block.witness", deadline=DEADLINE)
    assert read == replace(
        given,
        request=request,
        results=tuple(sorted(given.results, key=lambda each: each.adapter)),
        traces=read.traces,
    )
    assert read.witness.read_bytes() == given.witness.read_bytes()
    assert list(read.traces) == ["ethrex", "geth", "revm"]
    start, before, there = read.traces["ethrex"]
    assert isinstance(start, TransactionStart)
    assert given.localization is not None
    assert given.localization.divergence is not None
    assert (before,) == given.localization.divergence.before
    assert there == given.localization.divergence.groups[1].event


def test_the_name_is_the_manifests_digest_and_the_manifest_lists_every_file(written: Path) -> None:
    encoded = (written / "manifest.json").read_bytes()
    assert hashlib.sha256(encoded).hexdigest()[:16] == written.name
    listed = {each["path"]: each for each in json.loads(encoded)["files"]}
    there = {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()}
    assert there == {*listed, "manifest.json"}
    for path, entry in listed.items():
        content = (written / path).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (written / "configuration.toml").read_text() == CONFIGURATION


def test_lines_are_those_of_eip_3155(written: Path) -> None:
    lines = [json.loads(line) for line in (written / "traces" / "ethrex.jsonl").read_text().splitlines()]
    assert lines[2] == {
        "pc": 7,
        "op": 0x55,
        "gas": "0xa028",
        "gasCost": "0x4e20",
        "memSize": 64,
        "stack": ["0x1", "0x6"],
        "depth": 1,
        "opName": "SSTORE",
        "account": f"0x{ACCOUNT.hex()}",
    }


def test_the_same_evidence_is_the_same_bundle(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    name = write_bundle(tmp_path / "a", given)
    mixed = replace(given, results=tuple(reversed(given.results)), dispute=replace(given.dispute, evidence="earlier"))
    assert write_bundle(tmp_path / "b", mixed) == name
    assert write_bundle(tmp_path / "a", given) == name
    assert [each.name for each in (tmp_path / "a").iterdir()] == [name]


def test_without_localization_and_with_traces_of_ones_own(tmp_path: Path) -> None:
    given = evidence(tmp_path, localization=None)
    assert read_bundle(tmp_path / write_bundle(tmp_path, given)).localization is None
    odd = "../over there/é"
    traces = {odd: (TransactionStart(3, b"\x01" * 32), TransactionEnd(3, False, 21_000, 0))}
    name = write_bundle(tmp_path, replace(given, traces=traces))
    assert read_bundle(tmp_path / name).traces == traces
    assert [each.name for each in (tmp_path / name / "traces").iterdir()] == ["..%2Fover%20there%2F%C3%A9.jsonl"]


def test_no_secret_and_no_control_character_gets_in(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    why = "http://user:hunt@er2@10.0.0.1:8551: 401 \x1b[31mfor\neyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjF9.c2ln"
    name = write_bundle(tmp_path / "e", replace(given, dispute=replace(given.dispute, why=why)))
    read = read_bundle(tmp_path / "e" / name)
    assert read.dispute.why == "http://10.0.0.1:8551: 401  [31mfor [removed]"


def test_a_witness_on_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = evidence(tmp_path)
    linked = write_bundle(tmp_path / "a", given)
    assert (tmp_path / "a" / linked / "block.witness").samefile(given.witness)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert write_bundle(tmp_path / "b", given) == linked
    copied = tmp_path / "b" / linked / "block.witness"
    assert not copied.samefile(given.witness)
    assert copied.read_bytes() == given.witness.read_bytes()


@pytest.mark.parametrize("kind", ["gone", "a directory", "a pipe"])
def test_without_a_witness_nothing_is_written(tmp_path: Path, kind: str) -> None:
    given = evidence(tmp_path)
    given.witness.unlink()
    if kind == "a directory":
        given.witness.mkdir()
    elif kind == "a pipe":
        os.mkfifo(given.witness)
    with pytest.raises(EvidenceWriteError, match="no such file" if kind == "gone" else "not a regular file"):
        write_bundle(tmp_path / "evidence", given)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = evidence(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "_sync", full)
    with pytest.raises(EvidenceWriteError, match="No space left on device"):
        write_bundle(tmp_path / "evidence", given)
    assert list((tmp_path / "evidence").iterdir()) == []
    monkeypatch.undo()
    endless = replace(given, dispute=replace(given.dispute, deadline=float("inf")))
    with pytest.raises(EvidenceWriteError, match="inf is no number"):
        write_bundle(tmp_path / "evidence", endless)
    with pytest.raises(EvidenceWriteError, match="no file can be named"):
        write_bundle(tmp_path / "evidence", replace(given, traces={"x" * 300: ()}))
    (tmp_path / "a file").touch()
    with pytest.raises(EvidenceWriteError, match="File exists"):
        write_bundle(tmp_path / "a file", given)


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path, written: Path) -> None:
    (tmp_path / "evidence" / ".evidence-abc" / "traces").mkdir(parents=True)
    remove_leftovers(tmp_path / "evidence")
    remove_leftovers(tmp_path / "nowhere")
    assert [each.name for each in (tmp_path / "evidence").iterdir()] == [written.name]


def test_a_damaged_bundle_is_not_taken_for_the_new_one(tmp_path: Path, written: Path) -> None:
    (written / "results.json").unlink()
    with pytest.raises(EvidenceWriteError, match="a damaged bundle is in its place"):
        write_bundle(written.parent, evidence(tmp_path))


def test_two_writers_of_the_same_evidence(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: write_bundle(tmp_path / "evidence", given), range(16)))
    assert [each.name for each in (tmp_path / "evidence").iterdir()] == [names[0]]
    assert set(names) == {names[0]}
    read_bundle(tmp_path / "evidence" / names[0])


def test_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "file", tmp_path / "nowhere", tmp_path / "loop"):
        assert not is_bundle(path)
        with pytest.raises(NoEvidenceError, match="no evidence bundle"):
            read_bundle(path)
    assert not is_bundle(tmp_path / "empty")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "manifest.json").write_text('{"name": "a web application"}')
    assert not is_bundle(tmp_path / "others")
    with pytest.raises(EvidenceDamagedError, match=r"manifest\.json: No such file"):
        read_bundle(tmp_path / "empty")


FILES = (
    "block.witness",
    "configuration.toml",
    "dispute.json",
    "execution.json",
    "localization.json",
    "results.json",
    "statements.json",
    "traces/geth.jsonl",
    "versions.json",
)


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_checked(written: Path, file: str) -> None:
    path = written / file
    whole = path.read_bytes()
    path.chmod(0o644)
    for damaged, reason in (
        (whole[:-1], "are listed"),
        (whole + b"\n", "are listed"),
        (bytes([whole[0] ^ 1]) + whole[1:], "SHA-256"),
    ):
        path.unlink()
        path.write_bytes(damaged)
        with pytest.raises(EvidenceDamagedError, match=f"{file}: .*{reason}"):
            read_bundle(written)
    path.unlink()
    with pytest.raises(EvidenceDamagedError, match=f"{file}: No such file"):
        read_bundle(written)


def test_a_bundle_under_another_name_says_which_it_is(written: Path) -> None:
    other = written.rename(written.parent / "0123456789abcdef")
    with pytest.raises(EvidenceDamagedError, match=f"by its manifest it is {written.name}, not 0123456789abcdef"):
        read_bundle(other)


def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, written: Path) -> None:
    (written / "results.json").rename(tmp_path / "results.json")
    (written / "results.json").symlink_to(tmp_path / "results.json")
    with pytest.raises(EvidenceDamagedError, match=r"results\.json: Too many levels of symbolic links"):
        read_bundle(written)
    (written / "results.json").unlink()
    (tmp_path / "results.json").rename(written / "results.json")
    (written / "traces").rename(tmp_path / "traces")
    (written / "traces").symlink_to(tmp_path / "traces")
    with pytest.raises(EvidenceDamagedError, match=r"Not a directory|symbolic link"):
        read_bundle(written)


def test_a_pipe_in_the_place_of_a_file_hangs_nobody(written: Path) -> None:
    for name in ("results.json", "manifest.json"):
        (written / name).rename(written.parent / name)
        os.mkfifo(written / name)
        with pytest.raises(EvidenceDamagedError, match="not a regular file"):
            read_bundle(written)
        (written / name).unlink()
        (written.parent / name).rename(written / name)
    read_bundle(written)


@pytest.mark.parametrize("name", ["page.html", "traces/nethermind.jsonl", "traces.old"])
def test_what_is_not_listed_is_refused(written: Path, name: str) -> None:
    (written / name).touch()
    with pytest.raises(EvidenceDamagedError, match="not listed"):
        read_bundle(written)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.json",
        "/etc/passwd",
        "traces/../../outside.jsonl",
        "traces/a/b.jsonl",
        "traces/.jsonl",
        "traces/%2e%2e.jsonl",
        "traces/a%00.jsonl ",
        "results.json/x",
        "page.html",
        "manifest.json",
        "",
    ],
)
def test_no_path_leads_out_of_it(written: Path, path: str) -> None:
    def add(manifest: dict[str, Any]) -> None:
        entry = {"path": path, "bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
        manifest["files"] = sorted([*manifest["files"], entry], key=lambda each: each["path"])

    with pytest.raises(EvidenceDamagedError, match="is no file of a bundle"):
        read_bundle(rewrite(written, add))


def test_other_versions_and_formats_are_refused(written: Path) -> None:
    written = rewrite(written, lambda manifest: manifest.update(version=2))
    with pytest.raises(EvidenceVersionError, match="version 2 is not known, only 1"):
        read_bundle(written)
    versions: list[Any] = [True, "1", 1.5, None, 10**100]
    for version in versions:
        written = rewrite(written, partial(dict.update, version=version))
        with pytest.raises(EvidenceVersionError, match="is not known, only 1"):
            read_bundle(written)
    written = rewrite(written, lambda manifest: manifest.update(version=1, format="other"))
    with pytest.raises(EvidenceDamagedError, match="is not of an evidence bundle"):
        read_bundle(written)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda files: files.reverse(), "not in ascending order"),
        (lambda files: files.append(files[-1]), "not in ascending order"),
        (lambda files: files.pop(0), "block.witness is not listed"),
        (lambda files: files[1].update(bytes=1 << 40), "at most"),
        (lambda files: files[1].update(bytes=-1), "at most"),
        (lambda files: files[1].update(bytes=True), "is no integer"),
        (lambda files: files[1].update(sha256="AB" * 32), "64 hexadecimal digits"),
        (lambda files: files[1].update(mode=1), "unknown key mode"),
        (lambda files: files.extend(files * 40), "a bundle has at most"),
    ],
)
def test_a_manifest_is_not_believed(written: Path, change: Callable[[list[Any]], object], reason: str) -> None:
    with pytest.raises(EvidenceDamagedError, match=reason):
        read_bundle(rewrite(written, lambda manifest: change(manifest["files"])))


def test_a_manifest_has_one_form(written: Path) -> None:
    encoded = (written / "manifest.json").read_bytes().replace(b":", b": ")
    (written / "manifest.json").chmod(0o644)
    (written / "manifest.json").write_bytes(encoded)
    path = written.rename(written.parent / hashlib.sha256(encoded).hexdigest()[:16])
    with pytest.raises(EvidenceDamagedError, match="canonical"):
        read_bundle(path)
    (path / "manifest.json").write_bytes(b" " * (1 << 21))
    with pytest.raises(EvidenceDamagedError, match="at most"):
        read_bundle(path)


EXECUTION = (
    b'{"ancestor_hashes":{%%b},"block_hash":"0x%b","chain_config":"0x","mode":"proof",'
    b'"parent_header_optional":false,"pre_state_root":"0x%%b"}' % (b"22" * 32)
)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("dispute.json", b"{", "not JSON"),
        ("dispute.json", b"[" * 100_000, "not JSON"),
        ("dispute.json", b"[]", "is no object"),
        ("statements.json", b'[{"adapter":"a"}]', r"statements\.json: .*is missing"),
        ("results.json", b'[{"adapter":"a","adapter":"b"}]', "stands twice"),
        ("execution.json", b"{}", "is no object of"),
        ("execution.json", EXECUTION % (b"", b"33" * 31), "not of 32 bytes"),
        ("execution.json", EXECUTION % (b'"99999999999999999999":"0x%b"' % (b"11" * 32), b"33" * 32), "not of 64 bits"),
        ("execution.json", EXECUTION % (b'"-1":"0x"', b"33" * 32), "a key is no integer"),
        ("traces/geth.jsonl", b'{"pc":1}\n', r"traces/geth\.jsonl: line 1: stack is missing"),
        ("traces/geth.jsonl", b'{"pc":1}', "cut off"),
        ("configuration.toml", b"\xff", "not UTF-8"),
    ],
)
def test_listed_files_are_not_believed_either(written: Path, file: str, content: bytes, reason: str) -> None:
    with pytest.raises(EvidenceDamagedError, match=reason):
        read_bundle(put(written, file, content))


def test_all_parts_are_about_one_block(tmp_path: Path, written: Path) -> None:
    other = json.loads((written / "dispute.json").read_bytes())
    other["block"]["number"] += 1
    with pytest.raises(EvidenceDamagedError, match="about different blocks"):
        read_bundle(put(written, "dispute.json", canonical(other)))


def test_a_copy_elsewhere_is_the_same(tmp_path: Path, written: Path) -> None:
    copied = Path(shutil.copytree(written, tmp_path / "elsewhere" / written.name))
    there: Evidence = read_bundle(copied)
    assert there.localization is not None
    assert there.localization.place is Place.STEP
    assert there.witness == copied / "block.witness"
