"""Checks of Trace: what is streamed, in which order, and that every step is the one that the protocol demands."""

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import grpc

from verifier.rpc.v1 import executor_pb2 as pb
from witness.header import keccak256
from witness.model import BlockWitness

from .answer import Answer
from .bundle import DROPPED, TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .frames import contradictions
from .missing import spread, within
from .reference_steps import ReferenceStep, ReferenceTransaction, reference_transactions
from .subject import Subject, request_for, right, with_part, without
from .tampering import decoded, encoded_transactions, repeated_transaction, tampered_bodies, tampered_headers
from .tracing import NO_TRACES, Traced, traced

MOST_STEPS = 1000  # in one message; the contract says "a few hundred"
MOST_EVENTS = 10  # for how many transactions a range is tried
BEYOND = 0xFFFF_FFFF  # the largest count; `first` + it does not fit into 32 bits
# Blocks of Cancun, Prague and BPO1 whose transactions call no system contract.
QUIET = (10, 27, 36)
# EIP-4788, EIP-2935, EIP-7002, EIP-7251.
SYSTEM_CONTRACTS = tuple(
    bytes.fromhex(address)
    for address in (
        "000f3df6d732807ef1319fb7b8bb8522d0beac02",
        "0000f90827f1c53a10cb7a02335b175320002935",
        "00000961ef480eb55e80d19ad83579a64c007002",
        "0000bbddc7ce488642fb579f8b00f3a590007251",
    )
)
MANY_STEPS = (4, 1, 5)  # blocks with a transaction of thousands of steps, and with every precompile
LONGEST_DATA = 200  # bytes of a transaction's data, up to which any part of it may be code that is created


async def steps(subject: Subject, evidence: Evidence) -> None:
    """Every step of known programs: depth, account, pc, op, gas and stack, failing instructions included."""
    if not claimed(subject, evidence):
        return
    reference = subject.bundle.reference
    compared = 0
    for block, transactions in zip(reference.blocks, reference_transactions(reference.addresses), strict=True):
        if block.fork not in subject.description.forks:
            continue
        found = await traced(subject, block)
        evidence.expect(right(found.outcome, block), f"{block.fork}, reference block: {found.outcome}")
        streamed = len(found.transactions)
        if not evidence.expect(streamed == len(transactions), f"{streamed} of {len(transactions)} transactions"):
            continue
        for theirs, ours in zip(found.transactions, transactions, strict=True):
            if theirs.end is not None:
                said = f"transaction {ours.name}: succeeded {theirs.end.succeeded}, not {ours.succeeded}"
                evidence.expect(theirs.end.succeeded == ours.succeeded, said)
            difference = _difference(theirs.canonical, ours)
            evidence.expect(not difference, f"transaction {ours.name}: {difference}")
            compared += len(ours.steps)
    if not compared:
        evidence.not_applicable(NO_BLOCKS)
    evidence.note(f"{compared} steps of programs known beforehand")


async def consistent(subject: Subject, evidence: Evidence) -> None:
    """The steps of every bundled block follow from one another by the rules of the EVM, and are in the code at pc."""
    tried = 0
    for block in within(subject.sample_time, spread(_blocks(subject, evidence, subject.blocks))):
        found = await traced(subject, block)
        codes = _possible_codes(block.content)
        for transaction in found.transactions:
            wrong = list(contradictions(transaction.steps, codes))
            said = f"block {block.number}, transaction {transaction.index}: {', '.join(wrong[:2])}"
            evidence.expect(not wrong, f"{said}; {len(wrong)} in all")
        tried += found.steps
    evidence.note(f"{tried} steps")


async def order(subject: Subject, evidence: Evidence) -> None:
    """For each transaction its start, its steps and its end, with right hash, counts and results; then the outcome."""
    blocks = _blocks(subject, evidence, subject.chosen((*MANY_STEPS, *TAMPERED)))
    largest = total = 0
    for block in blocks:
        found = await traced(subject, block)
        judge_order(evidence, block, found, range(len(decoded(block.content)[1])))
        largest, total = max(largest, found.largest), total + found.steps
    evidence.expect(largest <= MOST_STEPS, f"{largest} steps in one message")
    evidence.note(f"{total} steps of {len(blocks)} blocks, at most {largest} a message")


async def ranges(subject: Subject, evidence: Evidence) -> None:
    """Steps of the transactions asked for and of no others, the same as in the whole; the outcome in any case."""
    blocks = _blocks(subject, evidence, subject.chosen((*DROPPED[:2], *TAMPERED[-1:])))
    tried = 0
    for block in blocks:
        whole = await traced(subject, block)
        size = len(whole.transactions)
        cases = [(0, 1), (1, 1), (size - 1, 1), (1, 2), (2, 0), (0, size + 1), (1, BEYOND), (size, 1), (BEYOND, BEYOND)]
        for first, count in cases:
            wanted = range(first, min(size, first + count) if count else size)
            found = await traced(subject, block, first=first, count=count)
            judge_order(evidence, block, found, wanted, f", first {first}, count {count}")
            evidence.expect(right(found.outcome, block), f"block {block.number}, first {first}: {found.outcome}")
            for transaction in found.transactions:
                alike = transaction.index < size and transaction.steps == whole.transactions[transaction.index].steps
                said = f"block {block.number}, first {first}, count {count}: transaction {transaction.index} differs"
                evidence.expect(alike, said)
            tried += 1
    evidence.note(f"{tried} ranges")


async def outcome(subject: Subject, evidence: Evidence) -> None:
    """The outcome is what Execute answers, for a good block, a broken rule and an abstention."""
    blocks = _blocks(subject, evidence, subject.chosen(TAMPERED))
    cases: list[tuple[BundledBlock, BlockWitness | None, dict[str, Any], str]] = []
    for block in blocks:
        cases.append((block, None, {}, "as it is"))
        cases += [(block, case.content, {}, case.name) for case in tampered_headers(block.content)]
        cases += [(block, case.content, {}, case.name) for case in tampered_bodies(block.content)]
        cases.append((block, repeated_transaction(block.content).content, {}, "a transaction once more"))
        cases.append((block, with_part(block.content, "headers", []), {}, "no headers"))
        cases.append((block, None, {"block_hash": bytes(32)}, "another hash"))
        cases.append((block, None, {"chain_config": b"{"}, "a bad chain config"))
        cases.append((block, None, {"pre_state_root": bytes(32)}, "another root"))
    tried = 0
    for block, content, fields, name in within(2 * subject.sample_time, spread(cases)):
        expected = await subject.ask(block, content, **fields)
        found = await traced(subject, block, content, **fields)
        said = f"block {block.number}, {name}: Trace {found.outcome}, Execute {expected}"
        evidence.expect(alike(found.outcome, expected), said)
        evidence.expect(not found.breaches, f"block {block.number}, {name}: {', '.join(found.breaches[:2])}")
        tried += 1
    evidence.note(f"{tried} of {len(cases)} blocks traced and executed")


async def missing(subject: Subject, evidence: Evidence) -> None:
    """Each node and code dropped in turn: the outcome is Execute's, what is missing is named, and the order holds."""
    blocks = _blocks(subject, evidence, subject.chosen(DROPPED))
    cases = [
        (block, part, index)
        for block in blocks
        for part in ("state", "codes")
        for index in range(len(getattr(block.content.witness, part)))
    ]
    tried = needed = 0
    for block, part, index in within(subject.sample_time, spread(cases)):
        gone = keccak256(getattr(block.content.witness, part)[index])
        found = await traced(subject, block, without(block.content, part, index))
        tried += 1
        what = f"block {block.number} without 0x{gone.hex()[:8]}…"
        evidence.expect(not found.breaches, f"{what}: {', '.join(found.breaches[:2])}")
        if not right(found.outcome, block):
            needed += evidence.expect(found.outcome.names(gone), f"{what}: {found.outcome}")
    if tried and not evidence.breaches:
        evidence.expect(needed > 0, f"{tried} dropped, and none of them was needed")
    evidence.note(f"{tried} of {len(cases)} dropped in turn, {needed} were needed")


async def no_system_calls(subject: Subject, evidence: Evidence) -> None:
    """System calls before and after the transactions are no steps, and precompiles have none."""
    blocks = _blocks(subject, evidence, subject.chosen(QUIET))
    for block in blocks:
        found = await traced(subject, block)
        inside = {step.account for transaction in found.transactions for step in transaction.steps}
        system = [address.hex() for address in SYSTEM_CONTRACTS if address in inside]
        evidence.expect(not system, f"block {block.number}: steps of 0x{', 0x'.join(system)}")
        evidence.expect(not found.breaches, f"block {block.number}: {', '.join(found.breaches[:2])}")
        evidence.expect(bool(inside), f"block {block.number}: no steps at all")
    evidence.note(f"{len(blocks)} blocks")


async def malformed(subject: Subject, evidence: Evidence) -> None:
    """A request that is not well formed is the gRPC error INVALID_ARGUMENT."""
    if not claimed(subject, evidence):
        return
    block = (subject.blocks or subject.bundle.blocks)[-1]
    cases: dict[str, pb.ExecuteRequest] = {
        "nothing at all": pb.ExecuteRequest(),
        "block_hash of 31 bytes": request_for(block, block.path, block_hash=block.header.hash[1:]),
        "no pre_state_root": request_for(block, block.path, pre_state_root=b""),
        "relative path": request_for(block, block.path, path="blocks/1.witness"),
        "unknown mode": request_for(block, block.path, mode=99),
    }
    for name, request in cases.items():
        events = subject.trace(request)
        event = await events.read()
        ending = await events.ending() if event is None else Answer(grpc.StatusCode.OK)
        evidence.expect(ending.status is grpc.StatusCode.INVALID_ARGUMENT, f"{name}: {event or ending}")
    evidence.note(f"{len(cases)} requests")


def claimed(subject: Subject, evidence: Evidence) -> bool:
    """Whether it says that it traces; otherwise nothing is asked."""
    if not subject.description.traces:
        evidence.not_applicable(NO_TRACES)
    return subject.description.traces


def alike(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same: all that was computed, the rule, or the reason with what is missing."""
    if one.status is not other.status or one.kind != other.kind:
        return False
    if one.response is None or other.response is None:
        return True
    match one.kind:
        case "computed":
            return one.response.computed == other.response.computed
        case "broken_rule":
            return one.response.broken_rule.rule == other.response.broken_rule.rule
    named = [sorted((item.kind, item.hash, item.address, item.key) for item in each.missing) for each in (one, other)]
    return one.reason == other.reason and named[0] == named[1]


def judge_order(evidence: Evidence, block: BundledBlock, found: Traced, wanted: range, where: str = "") -> None:
    """Judges what was streamed about the transactions of a good block, of which `wanted` were asked for."""
    said = f"block {block.number}{where}"
    evidence.expect(not found.breaches, f"{said}: {', '.join(found.breaches[:2])}")
    evidence.expect(right(found.outcome, block), f"{said}: {found.outcome}")
    indexes = [transaction.index for transaction in found.transactions]
    evidence.expect(indexes == list(wanted), f"{said}: transactions {indexes}, not {list(wanted)}")
    encoded = encoded_transactions(decoded(block.content))
    receipts = json.loads(bytes(block.content.expected or b"{}")).get("receipts", [])
    for transaction in found.transactions:
        index, end = transaction.index, transaction.end
        if index >= len(encoded):
            continue
        what = f"{said}, transaction {index}"
        evidence.expect(transaction.hash == keccak256(encoded[index]), f"{what}: hash {transaction.hash.hex()[:8]}…")
        if not evidence.expect(end is not None, f"{what}: no end") or end is None:
            continue
        evidence.expect(
            end.steps == len(transaction.steps), f"{what}: {end.steps} steps said, {len(transaction.steps)} sent"
        )
        gas = int(receipts[index]["cumulativeGasUsed"], 16)
        gas -= int(receipts[index - 1]["cumulativeGasUsed"], 16) if index else 0
        evidence.expect(end.gas_used == gas, f"{what}: gas used {end.gas_used}, not {gas}")
        succeeded = receipts[index].get("status") == "0x1"
        evidence.expect(end.succeeded == succeeded, f"{what}: succeeded {end.succeeded}")


def _difference(theirs: Sequence[ReferenceStep], ours: ReferenceTransaction) -> str:
    """The first step that is not as it has to be, in one line; "" where there is none."""
    for index, (found, wanted) in enumerate(zip_longest(theirs, ours.steps)):
        if found != wanted:
            count = f" ({len(theirs)} steps, not {len(ours.steps)})" if len(theirs) != len(ours.steps) else ""
            return f"step {index}{count} is {found or 'not there'}; it should be {wanted or 'none'}"
    return ""


def _possible_codes(content: BlockWitness) -> list[bytes]:
    """What can run in the block: the witness's codes, and what transactions bring along to be created and called."""
    codes = [bytes(code) for code in content.witness.codes]
    for item in decoded(content)[1]:
        # A legacy one is a list with its data at 5; of the others only those of type 2 create anything here.
        fields = list(item) if isinstance(item, list | tuple) else _typed_fields(item)
        data = fields[5] if isinstance(item, list | tuple) else fields[7]
        codes += [data[start:] for start in range(len(data))] if len(data) <= LONGEST_DATA else [data]
    return codes


def _typed_fields(encoded: bytes) -> list[Any]:
    import rlp

    fields: list[Any] = list(rlp.decode(encoded[1:]))
    return fields if encoded[0] > 1 else [*fields[:3], b"", *fields[3:]]


def _blocks(subject: Subject, evidence: Evidence, blocks: Sequence[BundledBlock]) -> Sequence[BundledBlock]:
    if not claimed(subject, evidence):
        return ()
    if not blocks:
        evidence.not_applicable(NO_BLOCKS)
    return blocks
