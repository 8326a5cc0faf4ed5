"""Following another client's chain: ancestors, contradictions, and what is bounded."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.verifier.services.builders import CONFIG, block_witness, header_rlp
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Result
from verifier.errors import ExecutorError, RollbackDepthError
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded_source import EmbeddedSource
from verifier.executors.stateful.embedded_voter import EmbeddedVoter
from verifier.executors.stateful.errors import (
    DatabaseInUseError,
    ExecutionClientError,
    NoWitnessError,
    NoWitnessMethodError,
    UndecodableBlockError,
    UnsupportedForkError,
)
from verifier.executors.stateful.fake import FakeStatefulExecutor, MemorySink
from verifier.executors.stateful.follower import WITNESSES_KEPT, Follower
from verifier.executors.stateful.source import FakeSource, Recorded
from verifier.executors.stateless.base import ExecutionRequest
from witness.file import write_witness_file
from witness.header import decode_block_header, decode_header
from witness.model import BlockWitness
from witness.prestate import decode_poststate

from .chains import sample_blocks, sample_genesis
from .conftest import OpenSample

SECONDS = 60.0  # longer than any test
GENESIS = header_rlp(0, bytes(32))


def chain(length: int, extra: bytes = b"", on: bytes = GENESIS, first: int = 1) -> list[BlockWitness]:
    """Made-up blocks, from number `first` on."""
    contents, parent = [], on
    for number in range(first, first + length):
        content, parent = block_witness(number, parent, extra_data=extra)
        contents.append(content)
    return contents


class Executor(FakeStatefulExecutor):
    """Keeps what it was asked; `gate`: holds its thread up; `fails`: raised once by the next import."""

    def __init__(self, **options: Any) -> None:
        super().__init__(GENESIS, CONFIG, **options)
        self.imported: list[bytes] = []
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.fails: list[Exception] = []

    def import_block(self, encoded: bytes) -> ImportOutcome:
        self.entered.set()
        assert self.gate.wait(SECONDS)
        if self.fails:
            raise self.fails.pop()
        outcome = super().import_block(encoded)
        self.imported.append(outcome.block.hash)
        return outcome

    def forget(self, block_hash: bytes) -> None:
        del self._headers[block_hash]

    def close(self) -> None:
        self.closed = True


@dataclass
class Setting:
    executor: Executor
    follower: Follower
    source: FakeSource
    blocks: list[BlockWitness] = field(default_factory=list)

    def outcome(self, number: int, **options: Any) -> Awaitable[ImportOutcome]:
        return self.follower.outcome(bytes(self.blocks[number - 1].block), **options)


def run(
    scenario: Callable[[Setting], Awaitable[None]],
    *,
    length: int = 6,
    invalid: tuple[int, ...] = (),
    executor: dict[str, Any] | None = None,
    **options: Any,
) -> Executor:
    """Runs a scenario with a follower that is closed at its end; nothing of it is left then."""
    blocks = chain(length)
    refused = {blocks[number - 1].hash: "bad root" for number in invalid}
    made = Executor(invalid=refused, **(executor or {}))

    async def run_scenario() -> None:
        source = FakeSource({each.hash: each for each in blocks})
        follower = Follower(lambda: made, source, **options)
        try:
            async with asyncio.timeout(SECONDS):
                await scenario(Setting(made, follower, source, blocks))
        finally:
            made.gate.set()
            await follower.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run_scenario())
    assert not [each for each in threading.enumerate() if each.name.startswith("embedded")]
    return made


def test_missing_ancestors_are_fetched_and_executed_first() -> None:
    async def scenario(setting: Setting) -> None:
        outcome = await setting.outcome(4)
        assert outcome.witness is not None
        assert outcome.block.number == 4
        assert setting.executor.imported == [each.hash for each in setting.blocks[:4]]
        await setting.outcome(6)
        assert setting.executor.imported == [each.hash for each in setting.blocks]

    assert run(scenario).closed


def test_a_branch_is_followed_from_where_it_leaves() -> None:
    async def scenario(setting: Setting) -> None:
        await setting.outcome(3)
        first = bytes(setting.blocks[1].witness.headers[0])  # the header of block 1
        branch = chain(3, b"other", first, 2)
        setting.source.contents |= {each.hash: each for each in branch}
        outcome = await setting.follower.outcome(bytes(branch[-1].block))
        assert outcome.block.hash == branch[-1].hash
        assert setting.executor.imported[3:] == [each.hash for each in branch]

    run(scenario)


def test_a_block_that_several_ask_for_is_executed_once() -> None:
    async def scenario(setting: Setting) -> None:
        setting.executor.gate.clear()
        asking = [asyncio.ensure_future(setting.outcome(1)) for _ in range(5)]
        await asyncio.to_thread(setting.executor.entered.wait, SECONDS)
        setting.follower.follow(bytes(setting.blocks[0].block))
        asking[0].cancel()  # whoever gives up takes nothing from the others
        setting.executor.gate.set()
        outcomes = await asyncio.gather(*asking[1:])
        assert {each.block.hash for each in outcomes} == {setting.blocks[0].hash}
        assert (await setting.outcome(1)) is outcomes[0]
        assert setting.executor.imported == [setting.blocks[0].hash]

    run(scenario)


def test_an_invalid_block_is_an_outcome_and_what_stands_on_it_has_none() -> None:
    async def scenario(setting: Setting) -> None:
        assert (await setting.outcome(2)).invalid == "bad root"
        with pytest.raises(NoWitnessError, match=r"says INVALID of the ancestor 2 .*bad root"):
            await setting.outcome(4)

    run(scenario, invalid=(2,))


def test_the_loop_goes_on_while_a_block_is_executed_and_what_waits_is_bounded() -> None:
    async def scenario(setting: Setting) -> None:
        setting.executor.gate.clear()
        await setting.follower.start()
        blocks = [bytes(each.block) for each in setting.blocks]
        setting.follower.follow(blocks[0])
        setting.follower.follow(blocks[1])  # ahead of anybody asking, one at a time
        assert setting.follower.waiting == 1
        waiting = [asyncio.ensure_future(setting.outcome(number)) for number in (2, 3)]
        await asyncio.to_thread(setting.executor.entered.wait, SECONDS)
        with pytest.raises(NoWitnessError, match="is busy: 3 blocks wait"):
            await setting.outcome(4)
        assert not any(each.done() for each in waiting)
        setting.executor.gate.set()
        assert [(await each).block.number for each in waiting] == [2, 3]
        assert (await setting.outcome(4)).block.number == 4

    run(scenario, queue=3, ahead=1)


def test_what_is_too_far_away_is_refused_with_what_to_do() -> None:
    async def scenario(setting: Setting) -> None:
        with pytest.raises(
            NoWitnessError, match=r"is at block 0 and cannot reach block 6: .*`verifier record --state`"
        ):
            await setting.outcome(6)
        assert not setting.executor.imported
        await setting.outcome(3)
        await setting.outcome(6)

    run(scenario, depth=2)


@pytest.mark.parametrize(
    ("parent", "reason"),
    [(header_rlp(4, b"\x02" * 32), "does not have block 0x"), (header_rlp(3, b"\x02" * 32), "of a wrong number is")],
)
def test_ancestors_that_cannot_be_had(parent: bytes, reason: str) -> None:
    async def scenario(setting: Setting) -> None:
        orphan = chain(1, on=parent, first=5)[0]
        if "number" in reason:
            setting.source.contents[orphan.hash] = orphan  # its parent's header is in its witness
        with pytest.raises(NoWitnessError, match=reason):
            await setting.follower.outcome(bytes(orphan.block))
        assert not setting.executor.imported

    run(scenario)


def test_another_chain_is_said() -> None:
    async def scenario(setting: Setting) -> None:
        foreign = header_rlp(0, bytes(32), b"\x77" * 32)
        blocks = chain(2, on=foreign)
        setting.source.contents = {each.hash: each for each in blocks}
        with pytest.raises(NoWitnessError, match=f"another block 0 than 0x{decode_header(foreign).hash.hex()}"):
            await setting.follower.outcome(bytes(blocks[1].block))

    run(scenario)


def test_a_witness_that_is_forgotten_is_made_again_and_outcomes_stay() -> None:
    async def scenario(setting: Setting) -> None:
        last = WITNESSES_KEPT + 1
        for number in range(1, last + 1):
            await setting.outcome(number)
        first = setting.follower.kept(setting.blocks[0].hash)
        assert first is not None
        assert (first.witness, first.results is None) == (None, False)
        assert (await setting.outcome(1, witness=False)) is first
        assert (await setting.outcome(1)).witness is not None

    run(scenario)


def test_what_cannot_be_opened_is_tried_again_and_nothing_is_opened_before() -> None:
    executor, blocks = Executor(), chain(1)
    attempts, opened = [], []

    def open_executor() -> Executor:
        attempts.append(threading.current_thread().name)
        if len(attempts) == 1:
            raise DatabaseInUseError("in use by another process")
        return executor

    async def scenario() -> None:
        follower = Follower(open_executor, FakeSource())
        follower.opened = lambda: opened.append(follower.following)
        follower.follow(bytes(blocks[0].block))
        assert (attempts, follower.waiting, follower.following) == ([], 0, False)
        with pytest.raises(DatabaseInUseError):
            await follower.outcome(bytes(blocks[0].block))
        assert not opened
        assert (await follower.start()).number == 0
        assert (await follower.outcome(bytes(blocks[0].block))).results is not None
        assert opened == [True]
        assert await follower.knows(blocks[0].hash)
        await follower.close()

    asyncio.run(scenario())
    assert executor.closed
    assert attempts[0].startswith("embedded")


def test_it_leaves_a_dead_branch_and_no_other() -> None:
    async def scenario(setting: Setting) -> None:
        await setting.outcome(5)
        hashes = [each.hash for each in setting.blocks]
        for _ in range(2):
            assert await setting.follower.rollback(hashes[1], hashes[2:]) == ""
            assert setting.executor.head().hash == hashes[1]
        await setting.follower.rollback(hashes[0], hashes[2:])
        assert setting.executor.head().hash == hashes[1]
        dead = set(hashes[2:])
        setting.follower.invalid = dead.__contains__
        assert (await setting.outcome(3)).results is not None, "whoever asks is answered"
        setting.follower.follow(bytes(setting.blocks[2].block))
        setting.executor.forget(hashes[4])
        with pytest.raises(NoWitnessError, match="an ancestor of block 6 is invalid"):
            await setting.outcome(6)
        assert setting.executor.head().hash == hashes[1]
        first = bytes(setting.blocks[2].witness.headers[0])
        good = chain(1, b"good", first, 3)[0]
        assert (await setting.follower.outcome(bytes(good.block))).results is not None
        assert setting.executor.head().hash == good.hash

    run(scenario)


def test_what_was_asked_before_the_rollback_is_done_before_it() -> None:
    async def scenario(setting: Setting) -> None:
        hashes = [each.hash for each in setting.blocks]
        await setting.outcome(2)
        setting.executor.gate.clear()
        asked = asyncio.ensure_future(setting.outcome(4))
        await asyncio.to_thread(setting.executor.entered.wait, SECONDS)
        going_back = asyncio.ensure_future(setting.follower.rollback(hashes[1], hashes[2:]))
        setting.executor.gate.set()
        await asyncio.gather(asked, going_back)
        assert setting.executor.head().hash == hashes[1]

    run(scenario)


@pytest.mark.parametrize("depth", [64, 1])
def test_one_that_is_not_open_leaves_the_branch_when_it_is_opened(depth: int) -> None:
    executor, blocks = Executor(rollback_depth=depth), chain(3)
    for each in blocks:
        executor.import_block(bytes(each.block))

    async def scenario() -> None:
        follower = Follower(lambda: executor, FakeSource())
        assert "when it is opened" in await follower.rollback(blocks[0].hash, [each.hash for each in blocks[1:]])
        assert executor.head().hash == blocks[2].hash
        head = await follower.start()  # too deep: it is opened nevertheless
        assert head.hash == (blocks[0].hash if depth > 1 else blocks[2].hash)
        await follower.close()

    asyncio.run(scenario())


def test_too_deep_is_said() -> None:
    async def scenario(setting: Setting) -> None:
        await setting.outcome(4)
        hashes = [each.hash for each in setting.blocks]
        with pytest.raises(RollbackDepthError):
            await setting.follower.rollback(hashes[0], hashes[1:])
        assert setting.executor.head().hash == hashes[3]

    run(scenario, executor={"rollback_depth": 1})


def test_bytes_that_are_no_block() -> None:
    async def scenario(setting: Setting) -> None:
        with pytest.raises(UndecodableBlockError):
            await setting.follower.outcome(b"\xc0")
        await setting.follower.start()
        setting.follower.follow(b"\xff")

    run(scenario)


def test_the_source_gives_the_embedded_witness_or_says_why_not() -> None:
    async def scenario(setting: Setting) -> None:
        source = EmbeddedSource(setting.source, setting.follower)
        block = bytes(setting.blocks[1].block)
        recorded = await source.witness(block)
        assert (recorded.content.hash, recorded.origin, recorded.accepted) == (
            *(setting.blocks[1].hash, "embedded", False),
        )
        assert setting.source.asked == []
        assert await source.block(setting.blocks[2].hash) == setting.blocks[2].block
        assert await source.header(bytes(32)) is None
        setting.executor.fails.append(RollbackDepthError("too deep"))
        with pytest.raises(NoWitnessError, match="the embedded executor: too deep"):
            await source.witness(bytes(setting.blocks[2].block))

        def gone() -> None:
            raise ExecutionClientError("it is gone")

        setting.source.fail = gone
        with pytest.raises(ExecutionClientError, match="it is gone"):
            await source.witness(bytes(setting.blocks[5].block))

    run(scenario)


class Serving(FakeSource):
    """A client that serves witnesses, or has no method for them, or only fails now."""

    refuses: Exception | None = None

    async def witness(self, block: bytes) -> Recorded:
        if self.refuses is not None:
            raise self.refuses
        return await super().witness(block)


def test_as_a_fallback_it_is_only_used_where_the_client_has_no_method() -> None:
    async def scenario(setting: Setting) -> None:
        client = Serving(setting.source.contents)
        source = EmbeddedSource(client, setting.follower, fallback=True)
        block = bytes(setting.blocks[0].block)
        assert (await source.witness(block)).origin == "fake"
        client.refuses = NoWitnessError("not of this block")
        with pytest.raises(NoWitnessError, match="not of this block"):
            await source.witness(block)
        assert not setting.follower.following
        client.refuses = NoWitnessMethodError("no such method")
        assert (await source.witness(block)).origin == "embedded"

    run(scenario)


def request(folder: Any, content: BlockWitness, **options: Any) -> ExecutionRequest:
    path = write_witness_file(content, folder, sync=False)
    return ExecutionRequest(path, content.hash, bytes(32), **{"deadline": SECONDS, **options})


async def said(voter: EmbeddedVoter, asked: ExecutionRequest) -> Any:
    result = await voter.execute(asked)
    assert isinstance(result, Result)
    assert (result.adapter, result.lineage) == ("embedded", "pyevm")
    return result.outcome


def test_what_it_votes(tmp_path: Any) -> None:
    async def scenario(setting: Setting) -> None:
        voter = EmbeddedVoter(setting.follower, always=True)
        first, bad = (request(tmp_path, each) for each in setting.blocks[:2])
        assert isinstance(await said(voter, first), Computed)
        outcome = await said(voter, bad)
        assert isinstance(outcome, BrokenRule)
        assert outcome.detail == "bad root"
        elsewhere = ExecutionRequest(first.witness, b"\x01" * 32, bytes(32), SECONDS)
        assert (await said(voter, elsewhere)).reason is AbstentionReason.REFUSED
        gone = ExecutionRequest(tmp_path / "gone", b"\x01" * 32, bytes(32), SECONDS)
        assert (await said(voter, gone)).reason is AbstentionReason.UNAVAILABLE

    run(scenario, invalid=(2,))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnsupportedForkError("amsterdam"), AbstentionReason.UNSUPPORTED_FORK),
        (ExecutorError("py-evm failed"), AbstentionReason.UNAVAILABLE),
    ],
)
def test_what_it_cannot_execute_is_an_abstention(tmp_path: Any, error: Exception, reason: AbstentionReason) -> None:
    async def scenario(setting: Setting) -> None:
        setting.executor.fails.append(error)
        outcome = await said(EmbeddedVoter(setting.follower, always=True), request(tmp_path, setting.blocks[0]))
        assert outcome == Abstention(reason, str(error))

    run(scenario)


def test_no_answer_in_time_is_an_abstention(tmp_path: Any) -> None:
    async def scenario(setting: Setting) -> None:
        setting.executor.gate.clear()
        asked = request(tmp_path, setting.blocks[0], deadline=0.01)
        outcome = await said(EmbeddedVoter(setting.follower, always=True), asked)
        assert outcome.reason is AbstentionReason.TIMEOUT

    run(scenario)


def test_as_a_fallback_it_only_tells_of_what_was_executed_anyway(tmp_path: Any) -> None:
    async def scenario(setting: Setting) -> None:
        voter = EmbeddedVoter(setting.follower, always=False)
        asked = request(tmp_path, setting.blocks[0])
        assert (await said(voter, asked)).reason is AbstentionReason.UNAVAILABLE
        assert not setting.executor.imported
        await setting.outcome(1)
        assert isinstance(await said(voter, asked), Computed)

    run(scenario)


def test_the_real_executor_executes_again_what_it_has_and_gives_the_changes(
    open_sample: OpenSample, tmp_path: Any
) -> None:
    sink = MemorySink()
    with open_sample(sink=sink) as recorder:
        first = [recorder.import_block(block) for block in sample_blocks()[:3]]

    async def scenario() -> None:
        follower = Follower(open_sample, FakeSource())  # on the same directory
        assert (await follower.start()).number == 3
        again = await follower.outcome(sample_blocks()[1])
        assert again.witness == first[1].witness
        assert again.results == first[1].results
        content = first[2].witness
        assert content is not None
        outcome = await said(EmbeddedVoter(follower, always=True), request(tmp_path, content, mode=Mode.PRESTATE))
        assert isinstance(outcome, Computed)
        assert outcome.post_state == decode_poststate(content.poststate or b"")
        assert await follower.knows(sample_genesis_hash())
        await follower.close()

    asyncio.run(scenario())


def test_the_real_executor_is_back_after_a_restart_and_goes_on_from_there(open_sample: OpenSample) -> None:
    blocks = sample_blocks()[:6]
    hashes = [decode_block_header(each).hash for each in blocks]

    async def scenario() -> None:
        follower = Follower(open_sample, FakeSource())
        await follower.start()
        for each in blocks:
            await follower.outcome(each)
        await follower.rollback(hashes[2], hashes[3:])
        await follower.close()
        again = Follower(open_sample, FakeSource())
        again.invalid = set(hashes[3:]).__contains__
        assert (await again.start()).hash == hashes[2]
        await again.rollback(hashes[2], hashes[3:])
        assert (await again.outcome(blocks[3])).results is not None  # executed, and not made the head
        assert (await again.start()).hash == hashes[2]
        again.invalid = lambda _: False
        for each in blocks[3:]:
            assert (await again.outcome(each)).results is not None
        assert (await again.start()).hash == hashes[5]
        await again.close()

    asyncio.run(scenario())


def sample_genesis_hash() -> bytes:
    from verifier.executors.stateful.embedded.initial_state import genesis_hash

    return genesis_hash(sample_genesis())
