"""Checks of plain execution: the bundled blocks, and what is computed out of them."""

import json
from dataclasses import replace
from typing import Any

from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import FORKS, NUMBERED_FORKS, TIMED_FORKS, parse_chain_config
from witness.model import BlockWitness

from .answer import Answer
from .bundle import TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .subject import Subject, request_for, right
from .tampering import POSITION, added, decoded, flipped, rebuilt

NO_BLOCKS = "no bundled block is of a fork that it lists"
COMPUTED_FIELDS = ("state_root", "receipts_root", "logs_bloom", "gas_used", "requests_hash")
FIRST_BLOB_FORK = "cancun"


async def values(subject: Subject, evidence: Evidence) -> None:
    """Every bundled block: every value equal to the header's."""
    blocks = _blocks(subject, evidence)
    for block in blocks:
        answer = await subject.ask(block)
        evidence.expect(right(answer, block), f"block {block.number} ({block.fork}): {_reading(answer, block)}")
    counts = {fork: sum(block.fork == fork for block in blocks) for fork in dict.fromkeys(b.fork for b in blocks)}
    evidence.note(", ".join(f"{count} blocks of {fork}" for fork, count in counts.items()))


async def receipts(subject: Subject, evidence: Evidence) -> None:
    """Every receipt: status, cumulative gas used and logs hash as in the file's `expected` section."""
    compared = 0
    for block in _blocks(subject, evidence):
        answer = await subject.ask(block)
        if answer.response is None or answer.kind != "computed":
            evidence.expect(False, f"block {block.number}: {answer}")
            continue
        expected = json.loads(bytes(block.content.expected or b"{}")).get("receipts", [])
        computed = [_receipt(receipt) for receipt in answer.response.computed.receipts]
        count = f"block {block.number}: {len(computed)} receipts, {len(expected)} transactions"
        if not evidence.expect(len(computed) == len(expected), count):
            continue
        for index, (theirs, ours) in enumerate(zip(computed, expected, strict=True)):
            wrong = [
                f"{key} {theirs.get(key)} instead of {value}" for key, value in ours.items() if theirs.get(key) != value
            ]
            evidence.expect(not wrong, f"block {block.number}, transaction {index}: {', '.join(wrong)}")
            compared += 1
    evidence.note(f"{compared} receipts")


async def repeatable(subject: Subject, evidence: Evidence) -> None:
    """The same question again gets the same answer."""
    blocks = _blocks(subject, evidence)[-6:]
    first = [_computed(await subject.ask(block)) for block in blocks]
    again = [_computed(await subject.ask(block)) for block in blocks]
    for block, one, other in zip(blocks, first, again, strict=True):
        evidence.expect(one == other and bool(one), f"block {block.number}: another answer the second time")
    evidence.note(f"{len(blocks)} blocks twice")


async def by_content(subject: Subject, evidence: Evidence) -> None:
    """The same bytes as `content` get the same answer as by `path`."""
    blocks = _blocks(subject, evidence)[-4:]
    for block in blocks:
        by_path = await subject.ask(block)
        answer = await subject.execute(request_for(block, block.path, content=block.path.read_bytes()))
        evidence.expect(
            _computed(answer) == _computed(by_path) and answer.kind == "computed",
            f"block {block.number}: {answer} by content, {by_path} by path",
        )
    evidence.note(f"{len(blocks)} blocks")


async def timings(subject: Subject, evidence: Evidence) -> None:
    """total_us is at least the sum of its parts, and no more than the verifier waited."""
    blocks = _blocks(subject, evidence)
    for block in blocks:
        answer = await subject.ask(block)
        if answer.response is None:
            evidence.expect(False, f"block {block.number}: {answer}")
            continue
        times = answer.response.timings
        parts = times.decode_us + times.execute_us + times.root_us
        said = (
            f"decode {times.decode_us} + execute {times.execute_us} + root {times.root_us}, total {times.total_us} µs"
        )
        evidence.expect(0 < parts <= times.total_us, f"block {block.number}: {said}")
        waited = answer.elapsed * 1e6
        evidence.expect(times.total_us <= waited, f"block {block.number}: {said}, but it took only {waited:.0f} µs")
    evidence.note(f"{len(blocks)} blocks")


async def computes(subject: Subject, evidence: Evidence) -> None:
    """A header with other results changes nothing of what is computed."""
    blocks = subject.chosen(TAMPERED)
    if not blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    tried = 0
    for block in blocks:
        there = [name for name in COMPUTED_FIELDS if getattr(block.header, name) is not None]
        for fields in (there, *([name] for name in there)):
            answer = await subject.ask(block, _with_results_changed(block.content, fields))
            tried += 1
            evidence.expect(
                right(answer, block),
                f"{block.fork}, header with another {', '.join(fields)}: {_reading(answer, block)}",
            )
    evidence.note(f"{tried} headers with other results")


async def unlisted_forks(subject: Subject, evidence: Evidence) -> None:
    """A block of a fork that it does not list is UNSUPPORTED_FORK, whatever else is wrong with it."""
    unlisted = [fork for fork in FORKS if fork not in subject.description.forks]
    if not unlisted:
        evidence.not_applicable("it lists every fork of the contract")
        return
    # Any bundled block will do: that its fork is another one is said by the chain config alone.
    block = subject.bundle.blocks[-1]
    header_broken = decoded(block.content)
    header_broken[0][POSITION["nonce"]] = b"\1" * 8
    header_broken[0][POSITION["parent_hash"]] = b"\1" * 32
    for fork in unlisted:
        config = chain_config_of(fork, block)
        for content in (None, rebuilt(block.content, header_broken)):
            answer = await subject.ask(block, content, chain_config=config)
            what = "" if content is None else " with broken rules"
            evidence.expect(answer.reason == "unsupported_fork", f"{fork}{what}: {answer}")
    evidence.note(f"{len(unlisted)} forks: {', '.join(unlisted)}")


async def listed_forks(subject: Subject, evidence: Evidence) -> None:
    """A block of a fork that it lists is not UNSUPPORTED_FORK, and makes no client crash."""
    block, tried = subject.bundle.blocks[-1], []
    for fork in subject.description.forks:
        if fork in FORKS:
            answer = await subject.ask(block, chain_config=chain_config_of(fork, block))
            held = answer.response is not None and answer.reason not in ("unsupported_fork", "crashed")
            evidence.expect(held, f"{fork}: {answer}")
            tried.append(fork)
    evidence.note(f"{len(tried)} forks")


async def chain_config(subject: Subject, evidence: Evidence) -> None:
    """The request's chain config is used, and the file's then is not."""
    blocks = subject.chosen(TAMPERED)
    if not blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    for block in blocks:
        own = bytes(block.content.chain_config)
        other = chain_config_of("cancun" if block.fork != "cancun" else "shanghai", block)
        for name, config in (("of another fork", other), ("that cannot be read", b"{")):
            changed = _with_config(block.content, config)
            answer = await subject.ask(block, changed, chain_config=own)
            what = f"{block.fork}: right config in the request, one {name} in the file"
            evidence.expect(right(answer, block), f"{what}: {_reading(answer, block)}")
        answer = await subject.ask(block, chain_config=other)
        held = not right(answer, block) and answer.response is not None
        evidence.expect(held, f"{block.fork}: config of another fork in the request: {answer}")
    evidence.note(f"{3 * len(blocks)} questions")


def chain_config_of(fork: str, block: BundledBlock) -> bytes:
    """A chain config by which the block is of `fork`: all up to it are active from the start, none after it."""
    document = json.loads(bytes(block.content.chain_config))
    keys = dict((*NUMBERED_FORKS, *TIMED_FORKS))
    kept = {key: value for key, value in document.items() if key not in keys.values()}
    kept.pop("terminalTotalDifficulty", None)
    kept.pop("terminalTotalDifficultyPassed", None)
    position = FORKS.index(fork)
    for name, key in keys.items():
        # Mainnet's odd one: it has rules of its own only where a config supports it.
        if FORKS.index(name) <= position and (name != "dao" or fork == "dao"):
            kept[key] = 0
    if fork == "dao":
        kept["daoForkSupport"] = True
    if position >= FORKS.index("paris"):
        kept |= {"terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True}
    schedule = document["blobSchedule"][max(document["blobSchedule"], key=FORKS.index)]
    blob_forks = FORKS[FORKS.index(FIRST_BLOB_FORK) : position + 1]
    kept["blobSchedule"] = {name: document["blobSchedule"].get(name, schedule) for name in blob_forks}
    config = json.dumps(kept).encode()
    assert parse_chain_config(config).fork_at(block.header) == fork
    return config


def _blocks(subject: Subject, evidence: Evidence) -> tuple[BundledBlock, ...]:
    if not subject.blocks:
        evidence.not_applicable(NO_BLOCKS)
    return subject.blocks


def _reading(answer: Answer, block: BundledBlock) -> str:
    if answer.kind != "computed":
        return str(answer)
    return answer.vote(block.header).reason or "equal"


def _computed(answer: Answer) -> bytes:
    if answer.response is None:
        return b""
    return answer.response.computed.SerializeToString(deterministic=True)


def _receipt(receipt: pb.Receipt) -> dict[str, Any]:
    document = {"cumulativeGasUsed": hex(receipt.cumulative_gas_used), "logsHash": f"0x{receipt.logs_hash.hex()}"}
    if receipt.HasField("succeeded"):
        document["status"] = hex(receipt.succeeded)
    if receipt.HasField("post_state"):
        document["postState"] = f"0x{receipt.post_state.hex()}"
    return document


def _with_results_changed(content: BlockWitness, fields: list[str]) -> BlockWitness:
    block = decoded(content)
    for name in fields:
        value = block[0][POSITION[name]]
        block[0][POSITION[name]] = added(1)(value) if name == "gas_used" else flipped(value)
    return rebuilt(content, block)


def _with_config(content: BlockWitness, config: bytes) -> BlockWitness:
    return replace(content, chain_config=config)
