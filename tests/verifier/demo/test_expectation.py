"""Whether what was shown is as it has to be: each way in which it can be wrong is seen."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.verifier.demo.test_program import ALL
from verifier.demo.expectation import Answer, DisputeShown, Shown, expectations
from verifier.demo.program import Act, Scene, program


def hash_of(slot: int) -> str:
    return f"0x{slot:064x}"


def shown(scene: Scene) -> Shown:
    """What a scene has to look like."""
    good = scene.attested
    above = tuple(
        Answer(scene.slot + each, hash_of(scene.slot + each), "INVALID", hash_of(scene.slot - 1))
        for each in range(1, scene.depth)
    )
    return Shown(
        scene=scene,
        number=scene.slot,
        block_hash=hash_of(scene.slot),
        parent=hash_of(scene.slot - 1),
        engine="VALID" if good else "SYNCING",
        engine_ms=10.0,
        head="VALID" if good else "SYNCING",
        verdict=scene.verdict.value,
        disagreement=scene.act is not Act.HONEST,
        votes={},
        attestation="sent" if good else "503 not attested",
        attestation_ms=5.0,
        counted=int(good),
        above=above,
        dispute=None if scene.act is Act.HONEST else disputed(scene, above),
        carries=("0x01",) if scene.act in (Act.CLIENT_ERRS, Act.HONEST) else (),
    )


def disputed(scene: Scene, above: Sequence[Answer]) -> DisputeShown:
    kept = DisputeShown(f"{scene.slot}-00", str(scene.conclusion or ""), "4 of 6 say so", 0.1, "EXP at pc 4", "step")
    kept = replace(kept, evidence="f200829bf02a9d6e")
    if not scene.rolled_back:
        return replace(kept, quarantined=scene.liars, released=scene.liars)
    target = hash_of(scene.slot - 1)
    again = (Answer(scene.slot, hash_of(scene.slot), "INVALID", target), *above)
    return replace(kept, target=target, step="done", moved="forkchoice", client_head=target, again=again)


def good_show() -> list[Shown]:
    return [shown(each) for each in program(ALL, 20, 8).scenes]


def broken(changed: Sequence[Shown], strays: int = 0) -> list[str]:
    return [each.what for each in expectations(changed, strays) if not each.held]


def changed(act: Act, **changes: object) -> list[str]:
    """What is broken where the first scene of an act looks otherwise."""
    show = good_show()
    at = next(index for index, each in enumerate(show) if each.scene.act is act)
    show[at] = replace(show[at], **changes)  # type: ignore[arg-type]
    return [] if show == good_show() else broken(show)


def dispute_of(act: Act) -> DisputeShown:
    found = next(each.dispute for each in good_show() if each.scene.act is act)
    assert found is not None
    return found


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
    ],
)
def test_a_block_that_went_another_way_is_seen(act: Act, change: dict[str, object]) -> None:
    unlike = shown(next(each.scene for each in good_show() if each.scene.act is act))
    if replace(unlike, **change) != unlike:  # type: ignore[arg-type]
        assert changed(act, **change)


@pytest.mark.parametrize("act", [act for act in Act if act is not Act.HONEST])
@pytest.mark.parametrize(
    "change",
    [
        {"conclusion": "unresolved"},
        {"evidence": ""},
        {"place": ""},
    ],
)
def test_a_dispute_that_ended_otherwise_is_seen(act: Act, change: dict[str, object]) -> None:
    assert changed(act, dispute=replace(dispute_of(act), **change))  # type: ignore[arg-type]
    assert changed(act, dispute=None)
    assert changed(act, disagreement=False)


@pytest.mark.parametrize("act", [Act.CLIENT_ERRS, Act.MAJORITY_LIES])
@pytest.mark.parametrize(
    "change",
    [
        {"step": "embedded"},
        {"moved": ""},
        {"client_head": hash_of(77)},
        {"target": hash_of(77)},
        {"again": ()},
    ],
)
def test_a_rollback_that_fell_short_is_seen(act: Act, change: dict[str, object]) -> None:
    assert changed(act, dispute=replace(dispute_of(act), **change))  # type: ignore[arg-type]


def test_a_gate_that_forgets_is_seen() -> None:
    dispute = dispute_of(Act.CLIENT_ERRS)
    for index in range(len(dispute.again)):
        told = dispute.again[index]
        for wrong in (replace(told, status="SYNCING"), replace(told, latest_valid=hash_of(77))):
            again = list(dispute.again)
            again[index] = wrong
            assert changed(Act.CLIENT_ERRS, dispute=replace(dispute, again=tuple(again)))


def test_a_valid_for_what_stands_on_the_bad_block_is_seen() -> None:
    good = next(each for each in good_show() if each.scene.act is Act.CLIENT_ERRS)
    assert changed(Act.CLIENT_ERRS, above=tuple(replace(each, status="VALID") for each in good.above))
    assert changed(Act.CLIENT_ERRS, head="VALID")


def test_what_else_can_be_wrong() -> None:
    erring, alone = dispute_of(Act.CLIENT_ERRS), dispute_of(Act.ONE_LIES)
    assert changed(Act.CLIENT_ERRS, dispute=replace(erring, localized="gas_used: something else"))
    assert changed(Act.ONE_LIES, dispute=replace(alone, quarantined=()))
    assert changed(Act.ONE_LIES, dispute=replace(alone, released=()))
    assert broken(good_show(), strays=1)
    for act in (Act.ONE_LIES, Act.CLIENT_ERRS, Act.MAJORITY_LIES):
        assert broken([each for each in good_show() if each.scene.act is not act])
    cut = next(index for index, each in enumerate(good_show()) if each.scene.act is Act.MAJORITY_LIES)
    assert "the chain went on without it" in broken(good_show()[: cut + 1])
    lost = [replace(each, carries=()) if each.scene.act is Act.HONEST else each for each in good_show()]
    assert broken(lost) == [
        "the transaction that brought an error about is in the chain that went on, executed rightly"
    ]


def test_of_what_there_is_nothing_nothing_is_said() -> None:
    told = {each.what for each in expectations([each for each in good_show() if not each.scene.rolled_back], 0)}
    assert {each.what for each in expectations(good_show(), 0)} - told == {
        "no VALID came out for a block without a quorum, nor for what stands on it",
        "no attestation for it was let through",
        "from what was concluded INVALID all went back to the block before it, the execution client too",
        "since then the engine gate says INVALID of it, with the last valid block",
        "the chain went on without it",
        "the transaction that brought an error about is in the chain that went on, executed rightly",
    }


def test_what_is_left_out_need_not_be_there() -> None:
    show = [each for each in good_show() if each.scene.act is not Act.MAJORITY_LIES]
    assert all(each.held for each in expectations(show, 0, {Act.MAJORITY_LIES: "nobody is here for it"}))
