"""A dispute told for a client's engineer, as tables: the same for terminals and for the page.

Who is on which side, which fields, the transaction, the step with its stack, slots and accounts, versions, and how to
see it again.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from verifier.domain.divergence import Divergence, Ended
from verifier.domain.divergence import Event as TraceEvent
from verifier.domain.instruction import Instruction
from verifier.domain.localization import Localization, Side
from verifier.domain.opcode import opcode_name
from verifier.domain.result import BrokenRule
from verifier.domain.statement import Statement
from verifier.domain.trace import Step, TransactionEnd, TransactionStart
from verifier.domain.vote import VoteKind, hexadecimal

from .dispute_report import DisputeReport

SHOWN_WORDS = 16  # from the top of the stack; further ones where they differ
LONGEST = 80  # characters of a value that is shown whole
NOTHING = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class Row:
    """cells: one a column. differs: the row is what the dispute is about."""

    cells: tuple[str, ...]
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table. columns: headings, () for pairs of name and value. commands: lines to be typed. text: one sentence."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    text: str = ""
    commands: tuple[str, ...] = ()


def headline(report: DisputeReport) -> str:
    """One line: what differs, and where, as far as it is known."""
    localization = _localization(report)
    return localization.text if localization is not None else report.dispute.why


def standing(report: DisputeReport) -> str:
    """In one word: "open", "valid", "invalid" or "unresolved"."""
    return str(report.dispute.conclusion or "open")


def sections(report: DisputeReport) -> tuple[Section, ...]:
    """All that there is to tell, the important first. Those with nothing in them are left out."""
    localization = _localization(report)
    told = [_facts(report), _sides(report)]
    if localization is not None:
        names = tuple(", ".join(side.adapters) for side in localization.sides)
        told.append(_fields(report, localization, names))
        told += _steps(localization)
        told.append(_state(localization, names))
    told += [
        _statements(report),
        _misbehaviour(report),
        _versions(report),
        _again(report),
        _notes(localization),
    ]
    return tuple(each for each in told if each.rows or each.commands or each.text)


def sides_of(report: DisputeReport) -> tuple[Side, ...]:
    """Adapters that say the same, the largest side first: as the localization has them, else by their statements."""
    localization = _localization(report)
    if localization is not None:
        return localization.sides
    together: dict[tuple[VoteKind, bytes], list[Statement]] = {}
    for each in report.dispute.statements:
        together.setdefault((each.kind, each.digest), []).append(each)
    sides = [
        Side(
            tuple(sorted({each.adapter for each in said})),
            tuple(sorted({each.lineage for each in said})),
            kind,
            digest,
        )
        for (kind, digest), said in together.items()
    ]
    return tuple(sorted(sides, key=lambda side: (-len(side.lineages), side.adapters)))


def moment(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{at} s"


def _localization(report: DisputeReport) -> Localization | None:
    return report.evidence.localization if report.evidence is not None else None


def _facts(report: DisputeReport) -> Section:
    dispute, block, evidence = report.dispute, report.dispute.block, report.evidence
    facts: list[tuple[str, str]] = [
        ("Block", str(block.number)),
        ("Block hash", f"0x{block.hash.hex()}"),
        ("Chain id", str(block.chain_id)),
        ("Fork", report.fork),
        ("Opened", f"{moment(dispute.opened_at)}: {dispute.why}"),
    ]
    if dispute.conclusion is None:
        facts.append(("Open until", moment(dispute.deadline)))
    else:
        at = "" if dispute.concluded_at is None else f"{moment(dispute.concluded_at)}: "
        facts.append(("Concluded", f"{at}{dispute.conclusion}: {dispute.reason}"))
    if evidence is not None:
        facts.append(("Executed in", f"{evidence.request.mode} mode"))
        facts.append(("Pre-state root", f"0x{evidence.request.pre_state_root.hex()}"))
    localization = _localization(report)
    if localization is not None:
        if localization.transaction is not None:
            facts.append(("Transaction", f"{localization.transaction} (index in the block, from 0)"))
        if localization.transaction_hash:
            facts.append(("Transaction hash", f"0x{localization.transaction_hash.hex()}"))
        if localization.instruction is not None:
            facts += _instruction_facts(localization.instruction)
        place = localization.place.replace("_", " ")
        facts.append(("Localized", f"in {localization.seconds:.2f} s, down to: {place}"))
    facts += [("In quarantine", f"{each.adapter}: {each.why}") for each in report.quarantines]
    if report.rollback is not None:
        facts.append(("Rollback", f"not done: {report.rollback.step} {report.rollback.note}".strip()))
    return Section("The block", rows=tuple(Row(fact) for fact in facts if fact[1]))


def _instruction_facts(instruction: Instruction) -> list[tuple[str, str]]:
    where = f"{instruction.name}, step {instruction.step}, pc {instruction.pc}, depth {instruction.depth}"
    facts = [("Instruction", where), ("In account", f"0x{instruction.account.hex()}" if instruction.account else "")]
    touched = instruction.touched
    if touched is not None:
        key = f" 0x{touched.key.hex()}" if touched.key else ""
        facts.append(("Touches", f"{touched.what}{key} of 0x{touched.address.hex()}" if key else str(touched)))
    return facts


def _sides(report: DisputeReport) -> Section:
    rows = [
        Row((str(side.kind), ", ".join(side.adapters), ", ".join(side.lineages), f"0x{side.digest.hex()[:16]}…"))
        for side in sides_of(report)
    ]
    silent = ", ".join(sorted(report.dispute.silent))
    if silent:
        rows.append(Row(("silent", silent, NOTHING, NOTHING)))
    return Section("Who says what", ("Vote", "Clients", "Engine lineages", "Result"), tuple(rows))


def _fields(report: DisputeReport, localization: Localization, names: tuple[str, ...]) -> Section:
    rows = []
    for each in localization.fields:
        claimed = getattr(report.header, each.field, None) if report.header is not None else None
        header = _short(hexadecimal(claimed)) if isinstance(claimed, bytes | int) else NOTHING
        rows.append(Row((each.field, header, *_values(each.values, names)), differs=True))
    return Section("Fields that differ", ("Field", "Header", *names), tuple(rows))


def _state(localization: Localization, names: tuple[str, ...]) -> Section:
    rows = tuple(
        Row((f"0x{each.address.hex()}", each.what, *_values(each.values, names)), differs=True)
        for each in localization.state
    )
    return Section("State after the block", ("Account", "What", *names), rows)


def _values(values: Sequence[str | None], names: Sequence[str]) -> list[str]:
    """One a column, whatever was recorded."""
    shown = [_short(value) if value is not None else NOTHING for value in values]
    return [*shown, *[NOTHING] * len(names)][: len(names)]


def _short(value: str) -> str:
    """A bloom has 514 characters; which of them differ nobody sees, and the JSON has them all."""
    return value if len(value) <= LONGEST else f"{value[:34]}…{value[-8:]} ({(len(value) - 2) // 2} bytes)"


def _steps(localization: Localization) -> list[Section]:
    divergence = localization.divergence
    if divergence is None:
        return []
    told = []
    if divergence.before:
        first = divergence.step - len(divergence.before)
        rows = tuple(
            Row((str(first + offset), *_step_cells(step)), differs=offset == len(divergence.before) - 1)
            for offset, step in enumerate(divergence.before)
        )
        told.append(
            Section(
                "The last steps that all have",
                ("Step", "Depth", "Account", "pc", "Instruction", "Gas", "Stack, the top first"),
                rows,
                "The last one is the instruction behind which they part.",
            )
        )
    where = "before the first transaction"
    if divergence.transaction is not None:
        where = f"in transaction {divergence.transaction}, at step {divergence.step}"
    groups = divergence.groups
    columns = ("", *(", ".join(group.adapters) for group in groups))
    differing = f"First difference {where}: {', '.join(divergence.fields)}."
    told.append(Section("Where they part", columns, _parting(divergence), differing))
    return told


def _step_cells(step: Step) -> tuple[str, ...]:
    words = [_word(word) for word in step.words[:SHOWN_WORDS]]
    more = f" … of {len(step.words)}" if len(step.words) > SHOWN_WORDS else ""
    stack = " ".join(words) + more if words else "empty"
    return (str(step.depth), f"0x{step.account.hex()}", str(step.pc), _instruction(step), str(step.gas), stack)


def _parting(divergence: Divergence) -> tuple[Row, ...]:
    """What each group has there: a row a field where all have a step, else one of what happens."""
    events = [group.event for group in divergence.groups]
    if not events:
        return ()
    steps = [event for event in events if isinstance(event, Step)]
    if len(steps) < len(events):
        return (Row(("What happens", *map(_event, events)), differs=True),)
    named = [
        ("Depth", [str(step.depth) for step in steps]),
        ("Account", [f"0x{step.account.hex()}" for step in steps]),
        ("pc", [str(step.pc) for step in steps]),
        ("Instruction", [_instruction(step) for step in steps]),
        ("Gas left", [str(step.gas) for step in steps]),
        ("Gas cost, as told", [str(step.gas_cost) for step in steps]),
        ("Stack", [f"{len(step.words)} words" for step in steps]),
    ]
    if any(step.error for step in steps):
        named.append(("Error, as told", [step.error or NOTHING for step in steps]))
    rows = [Row((name, *values), len(set(values)) > 1) for name, values in named]
    for position in range(max(len(step.words) for step in steps)):
        words = [_word(step.words[position]) if position < len(step.words) else NOTHING for step in steps]
        name = "Top of the stack" if position == 0 else f"{position} below the top"
        differs = len(set(words)) > 1
        if differs or position < SHOWN_WORDS:
            rows.append(Row((name, *words), differs))
    return tuple(rows)


def _event(event: TraceEvent) -> str:
    match event:
        case Step():
            return f"goes on: pc {event.pc} {_instruction(event)}, {event.gas} gas left"
        case TransactionStart():
            return f"transaction {event.index} starts"
        case TransactionEnd():
            ending = "succeeded" if event.succeeded else "failed"
            return f"transaction {event.index} ends: {ending}, {event.gas_used} gas used, {event.steps} steps"
        case Ended(outcome=BrokenRule() as broken):
            return f"broken rule {broken.rule}: {broken.detail}"
        case Ended():
            return "the block ends"


def _instruction(step: Step) -> str:
    return opcode_name(step.op)


def _word(word: bytes) -> str:
    return hex(int.from_bytes(word, "big"))


def _statements(report: DisputeReport) -> Section:
    rows = tuple(
        Row((each.adapter, str(each.kind), moment(each.at), each.summary or NOTHING))
        for each in report.dispute.statements
    )
    return Section("Statements, as they came", ("Client", "Vote", "When", "Reason"), rows)


def _misbehaviour(report: DisputeReport) -> Section:
    rows = tuple(
        Row(
            (each.first.adapter, *(f"{said.kind} 0x{said.digest.hex()[:16]}…" for said in (each.first, each.second))),
            True,
        )
        for each in report.misbehaviours
    )
    return Section("Said twice, and not the same", ("Client", "First", "Then"), rows)


def _versions(report: DisputeReport) -> Section:
    if report.evidence is None:
        return Section("Versions")
    versions = report.evidence.versions
    rows = [
        Row(
            (
                each.adapter,
                f"{each.client} {each.version}".strip() or NOTHING,
                each.adapter_version or NOTHING,
                each.lineage,
            )
        )
        for each in versions.adapters
    ]
    rows.append(Row(("verifier", f"execution-verifier {versions.verifier}", NOTHING, NOTHING)))
    return Section("Versions", ("Adapter", "Client", "Adapter's own", "Lineage"), tuple(rows))


def _again(report: DisputeReport) -> Section:
    if report.path is None or report.evidence is None:
        return Section("How to see it again", text=report.trouble)
    bundle = shlex.quote(report.path.resolve().name)
    commands = [f"verifier replay {bundle}"]
    one_a_side = [side.adapters[0] for side in sides_of(report) if side.adapters]
    if len(one_a_side) > 1:
        localization = _localization(report)
        transaction = localization.transaction if localization is not None else None
        only = "" if transaction is None else f" --transaction {transaction}"
        names = shlex.quote(",".join(one_a_side))
        commands.append(f"verifier trace {bundle}/{report.evidence.witness.name} --adapters {names}{only}")
        if transaction is not None and any(side.kind is VoteKind.VALID for side in sides_of(report)):
            commands.append(f"verifier dispute reproduce {bundle} state-test.json && evm statetest state-test.json")
    commands.append(f"sha256sum {bundle}/manifest.json")
    text = f"With the evidence bundle {report.path.resolve().name}; its name is how the last line's output begins."
    return Section("How to see it again", text=text, commands=tuple(commands))


def _notes(localization: Localization | None) -> Section:
    notes = localization.notes if localization is not None else ()
    return Section("What could not be looked at", rows=tuple(Row(("", note)) for note in notes))
