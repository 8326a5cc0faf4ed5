"""What people are told of a dispute says also what did not happen."""

from dataclasses import replace

from tests.verifier.demo.test_expectation import dispute_of, good_show, hash_of
from verifier.demo.expectation import DisputeShown, Shown
from verifier.demo.program import Act
from verifier.demo.telling import act_of, consequences


def scene(act: Act, **dispute: object) -> Shown:
    found = next(each for each in good_show() if each.scene.act is act)
    return replace(found, dispute=replace(dispute_of(act), **dispute))  # type: ignore[arg-type]


def told(shown: Shown) -> dict[str, str]:
    return dict(consequences(shown))


def test_who_is_wrong() -> None:
    assert "EXP is wrong. It says VALID of the block, and builds 2 on it" in act_of(
        scene(Act.CLIENT_ERRS), "EXP is wrong"
    )
    assert "ethereumjs: made to tell another state root of the block" in act_of(scene(Act.ONE_LIES), "")
    assert "a good block" in act_of(scene(Act.MAJORITY_LIES), "")


def test_a_rollback_and_its_limit() -> None:
    said = told(scene(Act.MAJORITY_LIES))
    assert "the execution client: forkchoice" in said["rolled back"]
    assert said["its head, asked"] == "that block"
    assert said["engine gate, asked again"].startswith("INVALID of it, the last valid block is")
    assert "n of m believes them" in said["the limit"]


def test_what_fell_short() -> None:
    said = told(scene(Act.CLIENT_ERRS, moved="", client_head=hash_of(99), localized="", evidence="", again=()))
    assert "the execution client: not moved" in said["rolled back"]
    assert said["its head, asked"] == hash_of(99)[:10]
    assert said["they part in"].startswith("not found")
    assert said["evidence"] == "none"
    assert "engine gate, asked again" not in said
    again = tuple(replace(each, status="SYNCING") for each in dispute_of(Act.CLIENT_ERRS).again)
    assert "SYNCING" in told(scene(Act.CLIENT_ERRS, again=again))["engine gate, asked again"]


def test_a_dispute_that_is_a_persons() -> None:
    open_one = DisputeShown("3-00", "", "REJECT: VALID by a, INVALID by b", 0.0)
    said = told(replace(scene(Act.ONE_LIES), dispute=open_one))
    assert "stays open, for a person to decide" in said["dispute"]
    assert "in quarantine" not in said
    assert "dispute" not in told(replace(scene(Act.ONE_LIES), dispute=None))
