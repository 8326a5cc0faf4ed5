"""Going back from an invalid block to its last valid ancestor: which steps there are, and which comes next."""

from dataclasses import dataclass
from enum import StrEnum

from .block import BlockReference


class RollbackStep(StrEnum):
    """What is done last. Each step may be done again after a crash, with the same outcome."""

    DECIDED = "decided"  # written down before anything is changed
    MARKED = "marked"  # the block and its descendants are INVALID in the ledger
    KEPT = "kept"  # the dead branch's witnesses are evidence, and no longer available
    EMBEDDED = "embedded"  # the embedded executor's head is the target
    MOVED = "moved"  # the execution client's head is the target, or is said loudly not to be
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Rollback:
    """One rollback. block: the invalid one. target: its last valid ancestor, None where none is known.

    dispute: its id, "" for a person's word. moved: how the execution client got there ("forkchoice", "setHead",
    "already"), "" if it did not. note: one line. at: seconds since the epoch, of the last step.
    """

    dispute: str
    block: BlockReference
    target: BlockReference | None
    step: RollbackStep
    at: float
    moved: str = ""
    note: str = ""


ORDER = tuple(RollbackStep)


def next_step(step: RollbackStep) -> RollbackStep:
    """The step that is to be done after this one is written down; of DONE, DONE."""
    return ORDER[min(ORDER.index(step) + 1, len(ORDER) - 1)]
