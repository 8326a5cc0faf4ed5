"""How traces print: a line a transaction, a divergence with what leads to it, JSON, and EIP-3155 lines."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from verifier.domain.divergence import Divergence, Ended, Event, TransactionTrace
from verifier.domain.opcode import opcode_name
from verifier.domain.result import Abstention, BrokenRule
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.services.evidence.eip3155 import step_members
from verifier.services.tracing import BlockTrace

SHOWN_WORDS = 4  # from the top of the stack, for people


def print_transaction(console: Console, block: int, transaction: TransactionTrace) -> None:
    """One line of a transaction that all traced alike."""
    ending = "succeeded" if transaction.succeeded else "failed"
    console.print(
        f"{block:>9} transaction {transaction.index:>4} 0x{transaction.hash.hex()[:8]}… "
        f"{transaction.steps:>8} steps {transaction.gas_used:>9} gas {ending}: [green]equal[/]"
    )


def print_block(console: Console, block: BlockTrace) -> None:
    """One line of the block, then what is to be said of it."""
    verdict = {True: "[green]equal[/]", False: "[bold red]DIVERGENCE[/]", None: "[yellow]not compared[/]"}[block.equal]
    console.print(
        f"{block.block.number:>9} 0x{block.block.hash.hex()[:8]}… {block.fork}: {verdict}: "
        f"{block.steps} equal steps in {block.transactions} transactions; "
        f"{escape(', '.join(block.compared) or 'nobody')}"
    )
    for name, abstention in sorted(block.apart.items()):
        console.print(f"{'':9} apart: {name}: {_reason(abstention)}", markup=False)
    for note in block.notes:
        console.print(f"{'':9} note: {note}", markup=False)
    if block.divergence is not None:
        _print_divergence(console, block.divergence)


def _print_divergence(console: Console, divergence: Divergence) -> None:
    where = "before the first transaction"
    if divergence.transaction is not None:
        where = f"transaction {divergence.transaction}, step {divergence.step}"
    console.print(f"{'':9} first divergence: {where}: {', '.join(divergence.fields)}", markup=False)
    first = divergence.step - len(divergence.before)
    for offset, step in enumerate(divergence.before):
        console.print(f"{'':11}{first + offset:>7} all: {_event(step)}", markup=False)
    reference = divergence.groups[0].event
    for group in divergence.groups:
        line = f"{', '.join(group.adapters)}: {_event(group.event)}"
        if group.event is not reference and isinstance(group.event, Step) and isinstance(reference, Step):
            line += _stack_difference(group.event, reference)
        console.print(f"{'':11}{divergence.step:>7} {line}", markup=False)


def _event(event: Event) -> str:
    match event:
        case Step():
            text = (
                f"depth {event.depth} 0x{event.account.hex()} pc {event.pc} {opcode_name(event.op)} gas {event.gas} "
                f"stack {_stack(event)}"
            )
            return f"{text} ({event.error})" if event.error else text
        case TransactionStart():
            return f"transaction {event.index} starts, 0x{event.hash.hex()}"
        case TransactionEnd():
            ending = "succeeded" if event.succeeded else "failed"
            return f"transaction {event.index} ends, {ending}, {event.gas_used} gas, {event.steps} steps"
        case Ended(outcome=BrokenRule() as broken):
            return f"broken rule: {broken.rule}: {broken.detail}"
        case Ended():
            return f"the block ends, {_outcome(event)}"


def _outcome(event: Ended) -> str:
    return ", ".join(f"{name} {value}" for name, value in _computed(event).items())


def _computed(event: Ended) -> dict[str, str]:
    names = ("state_root", "receipts_root", "gas_used", "requests_hash")
    values = {name: getattr(event.outcome, name, None) for name in names}
    return {
        name: f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _stack(step: Step) -> str:
    """The top words, the uppermost first, and how many there are."""
    words = step.words
    shown = " ".join(_word(word) for word in words[:SHOWN_WORDS])
    return f"[{shown}{' …' if len(words) > SHOWN_WORDS else ''}] of {len(words)}"


def _stack_difference(step: Step, reference: Step) -> str:
    if step.stack == reference.stack or len(step.stack) != len(reference.stack):
        return ""
    pairs = enumerate(zip(step.words, reference.words, strict=True))
    position, (word, other) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
    return f"; word {position} from the top: {_word(word)} instead of {_word(other)}"


def _word(word: bytes) -> str:
    return hex(int.from_bytes(word, "big"))


def _reason(abstention: Abstention) -> str:
    return f"{abstention.reason}: {abstention.detail}" if abstention.detail else str(abstention.reason)


def trace_json(block: BlockTrace, transactions: Sequence[TransactionTrace]) -> str:
    """The JSON object of one block as one line, as documented in docs/traces.md."""
    divergence = block.divergence
    document: dict[str, Any] = {
        "block": {
            "chain_id": block.block.chain_id,
            "number": block.block.number,
            "hash": f"0x{block.block.hash.hex()}",
        },
        "fork": block.fork,
        "equal": block.equal,
        "steps": block.steps,
        "compared": list(block.compared),
        "apart": {name: _reason(abstention) for name, abstention in sorted(block.apart.items())},
        "transactions": [
            {
                "index": each.index,
                "hash": f"0x{each.hash.hex()}",
                "steps": each.steps,
                "gas_used": each.gas_used,
                "succeeded": each.succeeded,
            }
            for each in transactions
        ],
        "divergence": None
        if divergence is None
        else {
            "transaction": divergence.transaction,
            "step": divergence.step,
            "fields": list(divergence.fields),
            "groups": [
                {"adapters": list(group.adapters), "event": event_document(group.event)} for group in divergence.groups
            ],
            "before": [event_document(step) for step in divergence.before],
        },
        "notes": list(block.notes),
    }
    return json.dumps(document, separators=(",", ":"))


def event_document(event: Event) -> dict[str, Any]:
    """One event of a trace as JSON; steps in the words of EIP-3155, with the account."""
    match event:
        case Step():
            return {"account": f"0x{event.account.hex()}", **step_members(event)}
        case TransactionStart():
            return {"start": event.index, "hash": f"0x{event.hash.hex()}"}
        case TransactionEnd():
            return {
                "end": event.index,
                "succeeded": event.succeeded,
                "gas_used": event.gas_used,
                "steps": event.steps,
            }
        case Ended(outcome=BrokenRule() as broken):
            return {"broken_rule": broken.rule, "detail": broken.detail}
        case Ended():
            return {"computed": _computed(event)}


def eip3155_lines(items: Sequence[TraceItem]) -> list[str]:
    """Each step, and the end of each transaction, as a line of JSON (EIP-3155)."""
    lines = []
    for item in items:
        if isinstance(item, Step):
            lines.append(json.dumps(step_members(item), separators=(",", ":")))
        elif isinstance(item, TransactionEnd):
            summary = {"gasUsed": hex(item.gas_used), "pass": item.succeeded}
            lines.append(json.dumps(summary, separators=(",", ":")))
    return lines
