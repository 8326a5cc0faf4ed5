"""Checks of prestate mode: the state is what the file's section says, and nothing else of it is believed."""

from collections.abc import Sequence
from dataclasses import replace

from verifier.domain.post_state import post_state_differences
from verifier.domain.result import Computed, Mode, Result
from verifier.domain.vote import VoteKind, read_result
from verifier.executors.stateless.messages import MalformedAnswerError, decode_outcome
from verifier.rpc.v1 import executor_pb2 as pb
from witness.header import keccak256
from witness.model import BlockWitness, PostAccount, PostState, PreAccount
from witness.prestate import decode_poststate, decode_prestate, encode_poststate, encode_prestate

from .answer import Answer
from .bundle import BLOCK_HASH, DROPPED, TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .malformed_prestate import malformed_sections
from .missing import GARBAGE, spread, within
from .subject import Subject, with_part, without
from .tampering import flipped, repeated_transaction, tampered_bodies, tampered_encodings, tampered_headers
from .traces import alike
from .tracing import NO_TRACES, traced

NO_PRESTATE = "MODE_PRESTATE is not among its modes"
GIFT = 10**9 + 7  # wei that a sender has more before the block, and so after it
NO_CODE = keccak256(b"")
# What sections list of the slots of reborn_accounts: all that is there, or was written; a part; nothing.
LISTINGS: tuple[dict[int, int], ...] = ({1: 11, 2: 22, 9: 0}, {1: 11}, {2: 22}, {})


async def values(subject: Subject, evidence: Evidence) -> None:
    """Every bundled block: every value but the state root equal to the header's, and all of it as in proof mode."""
    blocks = _blocks(subject, evidence, subject.blocks)
    for block in blocks:
        answer, proven = await _ask(subject, block), await subject.ask(block)
        evidence.expect(not (why := _unlike_header(answer, block)), f"block {block.number} ({block.fork}): {why}")
        said = f"block {block.number}: other values than in proof mode, beside the state root"
        evidence.expect(_beside_state(answer) == _beside_state(proven), said)
    evidence.note(f"{len(blocks)} blocks")


async def post_state(subject: Subject, evidence: Evidence) -> None:
    """Every bundled block: the accounts that changed, slot by slot, are those of the recorded post-state."""
    blocks = _blocks(subject, evidence, subject.blocks)
    accounts = slots = deleted = 0
    for block in blocks:
        answer = await _ask(subject, block)
        why = _wrong(answer, block, _recorded(block))
        evidence.expect(not why, f"block {block.number} ({block.fork}): {why}")
        recorded = _recorded(block)
        accounts += len(recorded)
        deleted += sum(account is None for account in recorded.values())
        slots += sum(len(account.slots) for account in recorded.values() if account is not None)
    evidence.note(f"{accounts} changed accounts with {slots} changed slots, {deleted} of them deleted")


async def missing_account(subject: Subject, evidence: Evidence) -> None:
    """Each account of the section dropped in turn: an abstention that names it, or not needed, as not changed."""
    cases = [
        (block, address)
        for block in _blocks(subject, evidence, subject.chosen(DROPPED))
        for address in decode_prestate(block.content.prestate or b"")
    ]
    tried = needed = 0
    for block, address in within(subject.sample_time, spread(cases)):
        accounts = decode_prestate(block.content.prestate or b"")
        del accounts[address]
        answer = await _ask(subject, block, replace(block.content, prestate=encode_prestate(accounts)))
        tried += 1
        # What the block changes it has read: an account that is not listed must not pass for an absent one.
        if address not in _recorded(block) and not _wrong(answer, block, _recorded(block)):
            continue
        named = [item.kind == pb.Missing.KIND_ACCOUNT and item.address == address for item in answer.missing]
        held = answer.reason == "witness_insufficient" and any(named)
        needed += evidence.expect(held, f"block {block.number} without account 0x{address.hex()[:8]}…: {answer}")
    _expect_needed(evidence, tried, needed)
    evidence.note(f"{tried} of {len(cases)} accounts dropped in turn, {needed} were needed")


async def missing_slot(subject: Subject, evidence: Evidence) -> None:
    """Each slot of the section dropped in turn: not needed, or an abstention that names it."""
    cases = [
        (block, address, key)
        for block in _blocks(subject, evidence, subject.chosen(DROPPED))
        for address, account in decode_prestate(block.content.prestate or b"").items()
        for key in (account.slots if account is not None else ())
    ]
    tried = needed = 0
    for block, address, key in within(subject.sample_time, spread(cases)):
        accounts = decode_prestate(block.content.prestate or b"")
        account = accounts[address]
        assert account is not None
        accounts[address] = replace(
            account, slots={each: value for each, value in account.slots.items() if each != key}
        )
        answer = await _ask(subject, block, replace(block.content, prestate=encode_prestate(accounts)))
        tried += 1
        if not _wrong(answer, block, _recorded(block)):
            continue
        named = [
            item.kind == pb.Missing.KIND_SLOT and (item.address, item.key) == (address, key) for item in answer.missing
        ]
        held = answer.reason == "witness_insufficient" and any(named)
        what = f"slot 0x{key.hex().lstrip('0')} of 0x{address.hex()[:8]}…"
        needed += evidence.expect(held, f"block {block.number} without {what}: {answer}")
    _expect_needed(evidence, tried, needed)
    evidence.note(f"{tried} of {len(cases)} slots dropped in turn, {needed} were needed")


async def missing_code(subject: Subject, evidence: Evidence) -> None:
    """Each code dropped or damaged in turn: not needed, or an abstention that names its hash."""
    cases = [
        (block, index, damaged)
        for block in _blocks(subject, evidence, subject.chosen(DROPPED))
        for index in range(len(block.content.witness.codes))
        for damaged in (False, True)
    ]
    tried = needed = 0
    for block, index, damaged in within(subject.sample_time, spread(cases)):
        codes = [bytes(code) for code in block.content.witness.codes]
        gone, codes[index] = keccak256(codes[index]), flipped(codes[index])
        content = with_part(block.content, "codes", codes) if damaged else without(block.content, "codes", index)
        answer = await _ask(subject, block, content)
        tried += 1
        if _wrong(answer, block, _recorded(block)):
            needed += evidence.expect(answer.names(gone), f"block {block.number} without a code: {answer}")
    _expect_needed(evidence, tried, needed)
    evidence.note(f"{tried} codes dropped or damaged, {needed} of what was needed")


async def reborn(subject: Subject, evidence: Evidence) -> None:
    """Contracts destroyed and made again: their slots are zero from then on; one that is not listed was zero before."""
    both = subject.bundle.reborn
    block = both.block
    blocks = _blocks(subject, evidence, [block] if block.fork in subject.description.forks else [])
    for block in blocks:
        recorded = {
            address: account
            for address, account in _recorded(block).items()
            if address not in (both.writing, both.silent)
        }
        for listed in LISTINGS:
            accounts = decode_prestate(block.content.prestate or b"")
            for address in (both.writing, both.silent):
                account = accounts[address]
                assert account is not None
                slots = {key.to_bytes(32, "big"): value for key, value in listed.items()}
                accounts[address] = replace(account, slots=slots)
            answer = await _ask(subject, block, replace(block.content, prestate=encode_prestate(accounts)))
            why = _wrong(answer, block, {**recorded, **both.after(listed)})
            evidence.expect(not why, f"slots {sorted(listed)} listed: {why}")
    evidence.note(f"{len(LISTINGS) if blocks else 0} sections for two contracts")


async def absent_section(subject: Subject, evidence: Evidence) -> None:
    """A file without the section is REFUSED, whatever nodes it has."""
    blocks = _blocks(subject, evidence, subject.chosen(TAMPERED))
    for block in blocks:
        answer = await _ask(subject, block, replace(block.content, prestate=None))
        evidence.expect(answer.reason == "refused", f"{block.fork}, no prestate section: {answer}")
    evidence.note(f"{len(blocks)} blocks")


async def malformed_section(subject: Subject, evidence: Evidence) -> None:
    """A section that is not exactly as documented is REFUSED, also where it is wrong about what nobody reads."""
    blocks = _blocks(subject, evidence, subject.chosen(TAMPERED)[:1])
    tried = 0
    for block in blocks:
        for name, section in malformed_sections(bytes(block.content.prestate or b"")):
            answer = await _ask(subject, block, replace(block.content, prestate=section))
            evidence.expect(answer.reason == "refused", f"{name}: {answer}")
            tried += 1
    evidence.note(f"{tried} sections that are none")


async def no_nodes(subject: Subject, evidence: Evidence) -> None:
    """Without any node, or with garbage instead of them, the answer is the same: nodes are not looked at."""
    blocks = _blocks(subject, evidence, subject.blocks)
    for block in blocks:
        for name, nodes in (("no nodes", []), ("garbage instead of nodes", list(GARBAGE))):
            answer = await _ask(subject, block, with_part(block.content, "state", nodes))
            why = _wrong(answer, block, _recorded(block))
            evidence.expect(not why, f"block {block.number}, {name}: {why}")
    evidence.note(f"{len(blocks)} blocks without nodes")


async def computes(subject: Subject, evidence: Evidence) -> None:
    """Other values before the block give other values after it; what the file says of the post-state is not read."""
    blocks = _blocks(subject, evidence, subject.chosen(DROPPED))
    tried = 0
    for block in blocks:
        before, after = decode_prestate(block.content.prestate or b""), dict(_recorded(block))
        senders = [address for address in after if _is_sender(before.get(address), after[address])]
        for address in senders:
            account, changed = before[address], after[address]
            assert account is not None
            assert changed is not None
            before[address] = replace(account, balance=account.balance + GIFT)
            after[address] = replace(changed, balance=changed.balance + GIFT)
        tried += len(senders)
        answer = await _ask(subject, block, replace(block.content, prestate=encode_prestate(before)))
        why = _wrong(answer, block, after)
        evidence.expect(not why, f"block {block.number}, {len(senders)} senders with more wei: {why}")
        for name, section in (("no", None), ("another", encode_poststate(after)), ("garbage for a", b"\xff")):
            answer = await _ask(subject, block, replace(block.content, poststate=section))
            why = _wrong(answer, block, _recorded(block))
            evidence.expect(not why, f"block {block.number}, {name} poststate section: {why}")
    evidence.note(f"{tried} senders with another balance")


async def obligations(subject: Subject, evidence: Evidence) -> None:
    """All other obligations stand: own hashes, trusted root, header chain, rules and ancestors as in proof mode."""
    cases: list[tuple[BundledBlock, BlockWitness | None, dict[str, object], str]] = []
    for block in _blocks(subject, evidence, subject.chosen(TAMPERED)):
        content, headers = block.content, [bytes(header) for header in block.content.witness.headers]
        tampered = [*tampered_headers(content), *tampered_bodies(content), *tampered_encodings(content)]
        cases += [(block, case.content, {}, case.name) for case in (*tampered, repeated_transaction(content))]
        cases += [
            (block, None, {"block_hash": bytes(32)}, "another hash"),
            (block, None, {"pre_state_root": flipped(block.root)}, "another root"),
            (block, None, {"chain_config": b"{"}, "a bad chain config"),
            (block, with_part(content, "headers", []), {}, "no headers"),
            (block, with_part(content, "headers", [b"\xc0", *headers]), {}, "a broken chain"),
        ]
    for block in _blocks(subject, evidence, subject.chosen(BLOCK_HASH)):
        headers = [bytes(header) for header in block.content.witness.headers]
        cases.append((block, with_part(block.content, "headers", headers[-1:]), {}, "no ancestors"))
    tried = 0
    for block, changed, fields, name in within(2 * subject.sample_time, spread(cases)):
        proven = await subject.ask(block, changed, **fields)
        answer = await _ask(subject, block, changed, **fields)
        # Another coinbase, for one, is an account that the section need not have, as its nodes need not be there.
        insufficient = {proven.reason, answer.reason} <= {"witness_insufficient", ""} and proven.kind != "broken_rule"
        held = answer.kind != "" and (answer.kind == proven.kind == "computed" or alike(answer, proven) or insufficient)
        evidence.expect(held, f"block {block.number}, {name}: {answer}, in proof mode {proven}")
        tried += 1
    evidence.note(f"{tried} of {len(cases)} tampered blocks")


async def trace(subject: Subject, evidence: Evidence) -> None:
    """Trace in prestate mode streams the same steps as in proof mode, and its outcome is Execute's."""
    if not subject.description.traces:
        evidence.not_applicable(NO_TRACES)
        return
    blocks = _blocks(subject, evidence, subject.chosen(TAMPERED))
    steps = 0
    for block in blocks:
        found = await traced(subject, block, mode=pb.MODE_PRESTATE)
        proven = await traced(subject, block)
        why = _wrong(found.outcome, block, _recorded(block))
        evidence.expect(not why, f"block {block.number}: {why}")
        evidence.expect(
            found.transactions == proven.transactions, f"block {block.number}: other steps than in proof mode"
        )
        steps += found.steps
    evidence.note(f"{steps} steps")


async def _ask(subject: Subject, block: BundledBlock, content: BlockWitness | None = None, **fields: object) -> Answer:
    return await subject.ask(block, content, **{"mode": pb.MODE_PRESTATE, **fields})


def _recorded(block: BundledBlock) -> PostState:
    return decode_poststate(block.content.poststate or b"")


def _unlike_header(answer: Answer, block: BundledBlock) -> str:
    """How the answer differs from the header; "" where it does not. There must be no state root."""
    computed = _computed(answer)
    if isinstance(computed, str):
        return computed
    vote = read_result(block.header, Result("", "", computed), unproven=True)
    return "" if vote.kind is VoteKind.VALID else vote.reason or str(vote.kind)


def _wrong(answer: Answer, block: BundledBlock, after: PostState) -> str:
    """How the answer differs from the header or from this post-state; "" where it does not."""
    computed = _computed(answer)
    if isinstance(computed, str):
        return computed
    unlike = _unlike_header(answer, block)
    if unlike:
        return unlike
    differences = post_state_differences(after, computed.post_state or {})
    shown = [f"{each.field} is {each.computed}, not {each.header}" for each in differences[:2]]
    return "; ".join(shown) + (f" ({len(differences)} differences)" if len(differences) > len(shown) else "")


def _computed(answer: Answer) -> Computed | str:
    """What was computed, or in words what was answered instead."""
    if answer.response is None or answer.kind != "computed":
        return str(answer)
    try:
        outcome = decode_outcome(answer.response, Mode.PRESTATE)
    except MalformedAnswerError as error:
        return str(error)
    assert isinstance(outcome, Computed)
    return outcome


def _beside_state(answer: Answer) -> bytes:
    """All that was computed but the state root and what takes its place; empty where nothing was."""
    if answer.response is None or answer.kind != "computed":
        return b""
    computed = pb.Computed.FromString(answer.response.computed.SerializeToString())
    computed.ClearField("state_root")
    computed.ClearField("post_state")
    return computed.SerializeToString(deterministic=True)


def _is_sender(before: PreAccount | None, after: PostAccount | None) -> bool:
    """Whether the account has no code and sent transactions. What it has more before, it has more after the block."""
    if before is None or after is None:
        return False
    return after.code_hash == before.code_hash == NO_CODE and after.nonce > before.nonce


def _expect_needed(evidence: Evidence, tried: int, needed: int) -> None:
    if tried and not evidence.breaches:
        evidence.expect(needed > 0, f"{tried} dropped, and none of them was needed")


def _blocks(subject: Subject, evidence: Evidence, blocks: Sequence[BundledBlock]) -> Sequence[BundledBlock]:
    if pb.MODE_PRESTATE not in subject.description.modes:
        evidence.not_applicable(NO_PRESTATE)
        return ()
    if not blocks:
        evidence.not_applicable(NO_BLOCKS)
    return blocks
