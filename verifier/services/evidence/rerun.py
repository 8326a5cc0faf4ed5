"""A bundle's block executed again by the adapters that it names: does each say what is recorded of it?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Result
from verifier.domain.statement import outcome_digest
from verifier.domain.vote import Vote, read_result
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.pool import execute_on_all
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file, parent_state_root

from .errors import EvidenceDamagedError
from .model import Evidence, Versions

# Why an adapter may say nothing of a block that it says something of on another day.
PASSING = (AbstentionReason.TIMEOUT, AbstentionReason.CRASHED, AbstentionReason.UNAVAILABLE)


class Reproduction(StrEnum):
    """How an adapter's outcome stands to the recorded one."""

    SAME = "same"  # the recorded digest
    DIFFERENT = "different"  # another one
    SILENT = "silent"  # it was not, or could not be asked, or says nothing now
    UNRECORDED = "unrecorded"  # the bundle has nothing lasting of it: it was not there, too late, or crashed


@dataclass(frozen=True, slots=True)
class Comparison:
    """One adapter. recorded: digests, 32 bytes each, of its result and its statements. now: None if it was not asked.

    vote: what `now` says of the block. notes: one line each, such as another version of the client.
    """

    adapter: str
    lineage: str
    reproduction: Reproduction
    recorded: tuple[bytes, ...]
    now: Result | None = None
    vote: Vote | None = None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """Of what it said now, 32 bytes; b"" if it was not asked."""
        return b"" if self.now is None else outcome_digest(self.now.outcome)


@dataclass(frozen=True, slots=True)
class Rerun:
    """All adapters, by name. notes: one line each, on the bundle."""

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool | None:
        """True: all that is recorded, again. False: an adapter says something else. None: not everything was tried."""
        seen = {each.reproduction for each in self.comparisons}
        if Reproduction.DIFFERENT in seen:
            return False
        return None if Reproduction.SILENT in seen or Reproduction.SAME not in seen else True

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The adapters that said something now, those that said the same together, the most first."""
        together: dict[bytes, list[str]] = {}
        for each in self.comparisons:
            if each.now is not None and not isinstance(each.now.outcome, Abstention):
                together.setdefault(each.digest, []).append(each.adapter)
        return tuple(tuple(names) for names in sorted(together.values(), key=lambda names: (-len(names), names)))


def recorded_adapters(evidence: Evidence) -> dict[str, str]:
    """Name → lineage of all that the bundle has something of."""
    stated = {each.adapter: each.lineage for each in evidence.dispute.statements}
    return stated | {each.adapter: each.lineage for each in evidence.results}


async def rerun(
    executors: Sequence[StatelessExecutor], evidence: Evidence, deadline: float, unasked: Mapping[str, str]
) -> Rerun:
    """Asks the executors about the bundle's block, in the bundle's mode, from the bundle's trusted root.

    deadline: seconds. unasked: adapter → why nobody here can be asked, one line. The versions are not compared:
    `with_versions`. Raises EvidenceDamagedError if the witness file is not one of the block.
    """
    try:
        content = map_witness_file(evidence.witness)
        header = check_binding(content)
        bound = parent_state_root(content, header)
    except WitnessError as error:
        raise EvidenceDamagedError(str(error)) from None
    if header.hash != evidence.request.block_hash:
        raise EvidenceDamagedError(f"{evidence.witness}: is of block {header.number} 0x{header.hash.hex()}")
    notes = []
    if bound != evidence.request.pre_state_root:
        notes.append("the pre-state root is the bundle's word: the witness has no parent header that binds it")
    unproven = evidence.request.mode is Mode.PRESTATE
    comparisons = []
    async for result in execute_on_all(executors, replace(evidence.request, deadline=deadline)):
        compared = _compare(evidence, result.adapter, result.lineage, result)
        vote = read_result(header, result, unproven=unproven)
        comparisons.append(replace(compared, vote=vote))
    asked = {each.adapter for each in comparisons}
    for adapter, lineage in recorded_adapters(evidence).items():
        if adapter not in asked:
            compared = _compare(evidence, adapter, lineage, None)
            comparisons.append(replace(compared, notes=(unasked.get(adapter, "not asked"),)))
    return Rerun(tuple(sorted(comparisons, key=lambda each: each.adapter)), tuple(notes))


def with_versions(done: Rerun, recorded: Versions, now: Versions) -> Rerun:
    """The same with a note on each adapter whose client, or adapter, is of another version than the recorded one."""
    before = {each.adapter: each for each in recorded.adapters}
    here = {each.adapter: each for each in now.adapters}
    comparisons = []
    for each in done.comparisons:
        then, today = before.get(each.adapter), here.get(each.adapter)
        if then and today and then.version and today.version and then != today:
            others = f"recorded with {_named(then.client, then.version, then.adapter_version)}"
            note = f"{others}, now {_named(today.client, today.version, today.adapter_version)}"
            each = replace(each, notes=(*each.notes, note))
        comparisons.append(each)
    return replace(done, comparisons=tuple(comparisons))


def _named(client: str, version: str, adapter_version: str) -> str:
    return f"{client} {version}" + (f" (adapter {adapter_version})" if adapter_version else "")


def _compare(evidence: Evidence, adapter: str, lineage: str, now: Result | None) -> Comparison:
    outcomes = [each.outcome for each in evidence.results if each.adapter == adapter]
    said = [each.digest for each in evidence.dispute.statements if each.adapter == adapter]
    recorded = tuple(dict.fromkeys([*_lasting(outcomes), *said]))
    notes = ("more than one word of it is recorded",) if len(recorded) > 1 else ()
    if not recorded:
        reproduction = Reproduction.UNRECORDED
    elif now is not None and outcome_digest(now.outcome) in recorded:
        reproduction = Reproduction.SAME
    elif now is None or (isinstance(now.outcome, Abstention) and now.outcome.reason in PASSING):
        reproduction = Reproduction.SILENT
    else:
        reproduction = Reproduction.DIFFERENT
    return Comparison(adapter, lineage, reproduction, recorded, now, notes=notes)


def _lasting(outcomes: Iterable[Outcome]) -> list[bytes]:
    return [outcome_digest(each) for each in outcomes if not (isinstance(each, Abstention) and each.reason in PASSING)]
