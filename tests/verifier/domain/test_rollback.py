"""The steps of going back from an invalid block."""

from verifier.domain.rollback import RollbackStep, next_step


def test_the_steps_one_after_another() -> None:
    steps = [RollbackStep.DECIDED]
    while steps[-1] is not RollbackStep.DONE:
        steps.append(next_step(steps[-1]))
    assert [str(each) for each in steps] == ["decided", "marked", "kept", "embedded", "moved", "done"]


def test_nothing_comes_after_the_end() -> None:
    assert next_step(RollbackStep.DONE) is RollbackStep.DONE
