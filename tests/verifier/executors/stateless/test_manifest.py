"""adapter.toml: read, refused, and what keeps an adapter from being started."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from verifier.errors import AdapterBuildError, AdapterManifestError, AdapterUnavailableError, UsageError
from verifier.executors.stateless.build import build, is_current
from verifier.executors.stateless.manifest import Manifest, read_manifest, read_manifests, select

TEXT = """
name = "example"
lineage = "example"
description = "an example"
forks = ["paris"]
[build]
toolchain = ["sh"]
command = ["sh", "-c", "cat source > artifact"]
artifact = "artifact"
inputs = ["source"]
[start]
command = ["{folder}/artifact", "{python}"]
"""


@pytest.fixture
def example(tmp_path: Path) -> Manifest:
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "adapter.toml").write_text(TEXT)
    (folder / "source").write_text("one")
    return read_manifest(folder / "adapter.toml")


def test_placeholders(example: Manifest) -> None:
    assert example.command == (f"{example.folder}/artifact", sys.executable)
    assert example.recorder_command == ()
    path = example.folder / "adapter.toml"
    path.write_text(TEXT + '[recorder]\ncommand = ["{folder}/artifact", "--record"]\n')
    assert read_manifest(path).recorder_command == (f"{example.folder}/artifact", "--record")


@pytest.mark.parametrize(
    "damage",
    [("name", "nome"), ('"paris"', "1"), ("[start]", "[begin]"), ("[build]", "build = 1\n[other]"), ('"sh",', '"sh')],
)
def test_damaged_manifests_are_refused(example: Manifest, damage: tuple[str, str]) -> None:
    path = example.folder / "adapter.toml"
    path.write_text(TEXT.replace(*damage, 1))
    with pytest.raises(AdapterManifestError, match=r"adapter\.toml"):
        read_manifest(path)


def test_two_adapters_of_one_name_are_refused(example: Manifest) -> None:
    twin = example.folder.parent / "twin"
    twin.mkdir()
    (twin / "adapter.toml").write_text(TEXT)
    with pytest.raises(AdapterManifestError, match="two adapters are named example"):
        read_manifests(example.folder.parent)


def test_selection_keeps_order_and_refuses_strangers(example: Manifest) -> None:
    other = replace(example, name="other")
    assert select([example, other], ["other", "example", "other"]) == [other, example]
    with pytest.raises(UsageError, match="no such adapter: nobody"):
        select([example], ["nobody"])


def test_build_runs_only_when_needed(example: Manifest) -> None:
    assert example.unavailable_because() == ("not built", "run `verifier adapters build example`")
    assert build(example)
    assert example.unavailable_because() is None
    assert not build(example)
    later = (example.folder / "artifact").stat().st_mtime + 10
    os.utime(example.folder / "source", (later, later))
    assert not is_current(example)


def test_a_failing_build(example: Manifest, tmp_path: Path) -> None:
    (example.folder / "source").unlink()
    with pytest.raises(AdapterBuildError, match="example: `sh -c"):
        build(example, log=tmp_path / "log")
    assert "source" in (tmp_path / "log").read_text()


def test_a_missing_toolchain(example: Manifest) -> None:
    broken = replace(example, toolchain=("no-such-compiler",))
    assert broken.unavailable_because() == ("toolchain missing", "not on PATH: no-such-compiler")
    with pytest.raises(AdapterUnavailableError, match="no-such-compiler"):
        build(broken)


def test_missing_packages(example: Manifest) -> None:
    state, reason = replace(example, modules=("json", "no_such_module")).unavailable_because() or ("", "")
    assert state == "packages missing"
    assert reason.endswith("no package for: no_such_module")
