"""Which scenes are shown, and whether what was shown is as it has to be."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.demo.program import FEWEST_SLOTS, Act, Scene, Shown, expectations, program
from verifier.domain.quorum import QuorumPolicy, Verdict, quorum_policy

EXECUTOR = "node"
FOUR = quorum_policy({EXECUTOR: "geth", "revm": "revm", "ethrex": "ethrex", "eels": "eels"})


@st.composite
def policies(draw: st.DrawFn) -> QuorumPolicy:
    names = draw(st.lists(st.sampled_from(["geth", "revm", "ethrex", "eels", "pyevm"]), min_size=1, unique=True))
    return quorum_policy({EXECUTOR: "geth"} | {name: name for name in names})


@given(policies(), st.integers(FEWEST_SLOTS, 100), st.sampled_from([4, 8, 32]))
def test_both_lies_are_shown_never_at_a_target_and_never_last(
    policy: QuorumPolicy, slots: int, slots_per_epoch: int
) -> None:
    scenes = program(policy, EXECUTOR, slots, slots_per_epoch)
    assert [scene.slot for scene in scenes] == list(range(1, slots + 1))
    lied = [scene for scene in scenes if scene.act is not Act.HONEST]
    assert [scene.act for scene in lied] == [Act.ONE_LIES, Act.MAJORITY_LIES]
    assert all(scene.slot % slots_per_epoch and 1 < scene.slot < slots for scene in lied)
    assert lied[0].slot + 1 < lied[1].slot  # an honest one between
    assert all(EXECUTOR not in scene.liars for scene in scenes)
    assert all(scene.verdict is Verdict.ATTEST and not scene.liars for scene in scenes if scene.act is Act.HONEST)


def test_who_lies_and_what_it_comes_to() -> None:
    one, majority = (scene for scene in program(FOUR, EXECUTOR, 30, 8) if scene.liars)
    assert (len(one.liars), one.verdict, one.attested) == (1, Verdict.ATTEST, True)
    assert (len(majority.liars), majority.verdict, majority.attested) == (3, Verdict.REJECT, False)


def test_too_few_slots() -> None:
    with pytest.raises(ValueError, match="at least"):
        program(FOUR, EXECUTOR, FEWEST_SLOTS - 1, 8)


def shown(scene: Scene) -> Shown:
    """What a scene has to look like."""
    good = scene.attested
    return Shown(
        scene=scene,
        number=scene.slot,
        block_hash=f"0x{scene.slot:064x}",
        engine="VALID" if good else "SYNCING",
        engine_ms=10.0,
        verdict=scene.verdict.value,
        disagreement=bool(scene.liars),
        votes={},
        attestation="sent" if good else "503 not attested",
        attestation_ms=5.0,
        counted=int(good),
    )


def good_show() -> list[Shown]:
    return [shown(scene) for scene in program(FOUR, EXECUTOR, 20, 8)]


def broken(changed: Sequence[Shown], strays: int = 0) -> list[str]:
    return [each.what for each in expectations(changed, strays) if not each.held]


def test_a_good_show() -> None:
    assert broken(good_show()) == []


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize(
    "change",
    [
        {"counted": 2},
        {"verdict": "HOLD"},
        {"engine": "VALID", "verdict": "ATTEST", "counted": 1},
        {"engine": "SYNCING", "counted": 0},
        {"disagreement": False},
    ],
)
def test_what_is_wrong_is_seen(act: Act, change: dict[str, object]) -> None:
    show = good_show()
    at = next(index for index, each in enumerate(show) if each.scene.act is act)
    show[at] = replace(show[at], **change)  # type: ignore[arg-type]
    if show[at] != good_show()[at]:
        assert broken(show)


def test_attestations_for_strange_blocks_and_scenes_that_are_missing_are_seen() -> None:
    assert broken(good_show(), strays=1)
    for act in (Act.ONE_LIES, Act.MAJORITY_LIES):
        assert broken([each for each in good_show() if each.scene.act is not act])
    cut = next(index for index, each in enumerate(good_show()) if each.scene.act is Act.MAJORITY_LIES)
    assert "the chain went on without that block" in broken(good_show()[: cut + 1])
