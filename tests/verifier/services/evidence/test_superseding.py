"""Two bundles of one dispute: the earlier one goes only where nothing of it is lost, and only if the later is whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from verifier.domain.dispute import Dispute
from verifier.services.evidence import Evidence, Versions, remove_leftovers, remove_superseded, write_bundle

from .builders import evidence


def open_still(given: Evidence) -> Evidence:
    """The same before it was concluded, and before one of them had spoken."""
    dispute: Dispute = given.dispute
    earlier = replace(dispute, conclusion=None, concluded_at=None, reason="", statements=dispute.statements[:2])
    return replace(given, dispute=earlier, results=given.results[:3], localization=None)


def names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def test_an_earlier_bundle_goes_when_all_of_it_is_in_the_later_one(tmp_path: Path) -> None:
    directory, given = tmp_path / "evidence", evidence(tmp_path)
    older, newer = (write_bundle(directory, each) for each in (open_still(given), given))
    assert older != newer
    assert remove_superseded(directory, older, newer)
    assert names(directory) == {newer}
    assert given.witness.is_file()
    assert not remove_superseded(directory, older, newer)  # it is gone
    assert not remove_superseded(directory, newer, newer)
    assert names(directory) == {newer}


@pytest.mark.parametrize(
    "change",
    [
        lambda given: replace(given, results=(replace(given.results[0], elapsed_ms=9.0), *given.results[1:])),
        lambda given: replace(given, results=given.results[1:]),
        lambda given: replace(given, dispute=replace(given.dispute, statements=given.dispute.statements[1:])),
        lambda given: replace(given, localization=None),
        lambda given: replace(given, traces={"revm": ()}),
        lambda given: replace(given, request=replace(given.request, pre_state_root=b"\x06" * 32)),
        lambda given: replace(given, configuration="[quorum]\nrequired = 3\n"),
        lambda given: replace(given, versions=Versions("0.2.0", given.versions.adapters)),
    ],
    ids=["result", "no result", "statement", "localization", "traces", "request", "configuration", "versions"],
)
def test_what_would_be_lost_keeps_both(tmp_path: Path, change: Callable[[Evidence], Evidence]) -> None:
    """Asked again it computed something else, say: the first answer is in the earlier bundle alone."""
    directory, given = tmp_path / "evidence", evidence(tmp_path)
    concluded = replace(given.dispute, reason="said later")
    older, newer = write_bundle(directory, given), write_bundle(directory, change(replace(given, dispute=concluded)))
    assert not remove_superseded(directory, older, newer)
    assert names(directory) == {older, newer}


@pytest.mark.parametrize("damaged", ["older", "newer"])
def test_nothing_goes_where_one_is_not_whole(tmp_path: Path, damaged: str) -> None:
    directory, given = tmp_path / "evidence", evidence(tmp_path)
    older, newer = (write_bundle(directory, each) for each in (open_still(given), given))
    (directory / {"older": older, "newer": newer}[damaged] / "versions.json").unlink()
    assert not remove_superseded(directory, older, newer)
    assert not remove_superseded(directory, older, "0123456789abcdef")
    assert names(directory) == {older, newer}


def test_what_a_kill_leaves_of_a_removal_goes_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, given = tmp_path / "evidence", evidence(tmp_path)
    older, newer = (write_bundle(directory, each) for each in (open_still(given), given))
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", lambda *_, **__: None)  # killed before it
        assert remove_superseded(directory, older, newer)
    assert len(names(directory)) == 2
    remove_leftovers(directory)
    assert names(directory) == {newer}
