"""Clients for campaigns in tests: they believe the builder, but for what they are told to get wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from verifier.domain.conformance import Answer, ExaminedBlock, ExaminedCase, Expected, Said
from verifier.services.conformance.case import Case
from verifier.services.conformance.known import KnownDifferences
from verifier.services.fuzzing.campaign import Campaign, Limits
from verifier.services.fuzzing.construction import REFUSED, classes_of_word
from verifier.services.fuzzing.findings import Finding
from verifier.services.fuzzing.generation import Generator
from verifier.services.fuzzing.material import bundled_material
from verifier.services.fuzzing.state import Identity, State

FORKS = ("shanghai", "cancun", "prague", "osaka")
LINEAGES = ("geth", "revm", "eels")
IDENTITY = Identity("seed", FORKS, "", dict.fromkeys(LINEAGES, "1"), "none")


@dataclass
class FakeExaminer:
    """Three clients. wrong: whether the last of them computes another state root of a case."""

    wrong: Callable[[Case], bool] = lambda _: False
    asked: list[str] = field(default_factory=list)

    async def examine_case(self, case: Case) -> ExaminedCase:
        """As Examiner.examine_case."""
        self.asked.append(case.name.test)
        (block,) = case.blocks
        said = Said.VALID if block.expected is Expected.VALID else Said.INVALID
        reason = "" if said is Said.VALID else "broken_rule: transaction: x" if block.exception == REFUSED else "x"
        answers = [Answer(name, name, said, reason) for name in LINEAGES]
        if self.wrong(case):
            answers[-1] = Answer("eels", "eels", Said.INVALID, "differs: state_root", fields=("state_root",))
        examined = ExaminedBlock(
            0, 1, b"", block.expected, block.exception, classes_of_word(block.exception), answers=tuple(answers)
        )
        return ExaminedCase(case.name, (examined,))


@contextmanager
def opened(directory: Path, *, resume: bool = False) -> Iterator[State]:
    """A campaign's directory."""
    with State.resume(directory, IDENTITY) if resume else State.create(directory, IDENTITY) as state:
        yield state


async def run(
    state: State, blocks: int, examiner: FakeExaminer | None = None, known: KnownDifferences | None = None
) -> tuple[Campaign, list[Finding]]:
    """A campaign up to so many blocks in all, and what it found newly."""
    found: list[Finding] = []
    generator = Generator("seed", FORKS, bundled_material())
    campaign = Campaign(
        "seed", generator, examiner or FakeExaminer(), state, known or KnownDifferences(), found=found.append
    )
    await campaign.run(Limits(blocks=blocks))
    return campaign, found
