"""Going back from an invalid block: wherever it is interrupted, what goes on later comes to the same state."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.domain.block_trees import Tree, histories, name, tracked
from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, RolledBack
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.standing import Standing
from verifier.domain.status import Anchored, BlockEvent, BlockStatus, Concluded, Judged, TrackedBlock, advance
from verifier.errors import ExecutorError, RollbackDepthError, UnknownBlockError
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.mover import FakeMover, LeftAlone, Moved
from verifier.ledger.base import FakeLedger
from verifier.ledger.dispute_ledger import FakeDisputeLedger
from verifier.ledger.errors import LedgerFullError
from verifier.services.chain import Chain
from verifier.services.rollback import CLIENT_ATTEMPTS, EMBEDDED_ATTEMPTS, FakeEmbeddedChain, FakeShelf, Rollbacks

T = TypeVar("T")
ATTEST = Judged(Verdict.ATTEST, "2 of 3")
WHY = "2 lineages of 3 say INVALID"
EVIDENCE = Path("evidence")
FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")
LEAST_POINTS = 15  # where a process may end: before and after each of five steps, and each thing that is done


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Crashes:
    """Ends the process at the `at`-th point, None: never. passed: points so far."""

    at: int | None = None
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Crash


@dataclass
class World:
    """What outlives a process: two ledgers, witnesses, and the heads of two clients."""

    blocks: list[TrackedBlock]
    crashes: Crashes = field(default_factory=Crashes)

    def __post_init__(self) -> None:
        world, point = self, self.crashes.point
        above = {each.block.hash: each.parent_hash for each in self.blocks}

        def on(head: bytes, invalid: bytes) -> bool:
            while head in above and head != invalid:
                head = above[head]
            return head == invalid

        class Disk(FakeLedger):
            def put(self, *blocks: TrackedBlock) -> None:
                point()
                super().put(*blocks)
                point()

        class Log(FakeDisputeLedger):
            def put_rollback(self, rollback: Rollback) -> None:
                point()
                super().put_rollback(rollback)
                point()
                if rollback.step is not RollbackStep.DECIDED:
                    assert world.disk.stored[rollback.block.hash].status is BlockStatus.INVALID

        class Shelf(FakeShelf):
            def set_aside(self, block_hash: bytes, directory: Path) -> Path | None:
                point()
                path = super().set_aside(block_hash, directory)
                point()
                return path

        class Embedded(FakeEmbeddedChain):
            async def rollback(self, target: bytes, dead: Collection[bytes]) -> str:
                point()
                note = await super().rollback(target, dead)
                point()
                return note

        class Mover(FakeMover):
            async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:
                point()
                moved = await super().move(invalid, target)
                point()
                return moved

        self.disk, self.log = Disk(), Log()
        self.disk.stored = {each.block.hash: each for each in self.blocks}
        self.shelf = Shelf(available={each.block.hash for each in self.blocks})
        highest = max(self.blocks, key=lambda each: each.block.number).block.hash
        self.embedded, self.mover = Embedded(highest), Mover(highest, on)

    def state(self) -> object:
        """All of it. How the client came where it is depends on who asks, and times on when."""
        kept = [replace(each, moved="", at=0.0) for each in self.log.going_back.values()]
        places = self.shelf.available, self.shelf.aside
        return self.disk.stored, kept, places, self.embedded.head, self.mover.head


@dataclass
class Process:
    """One process: a chain read from the disk, and what goes back. pause: done instead of waiting."""

    world: World
    pause: Callable[[], None] = lambda: None
    mode: GateMode = GateMode.EVERY_BLOCK

    def __post_init__(self) -> None:
        async def pause(_: float) -> None:
            self.pause()

        world = self.world
        self.recorder = Recorder()
        self.chain = Chain(world.disk, self.recorder, self.mode, clock=lambda: 7.0, retry_interval=60.0)
        self.rollbacks = Rollbacks(
            self.chain,
            world.log,
            world.shelf,
            world.embedded,
            world.mover,
            self.recorder,
            lambda: 7.0,
            evidence=EVIDENCE,
        )
        self.rollbacks.pause = pause

    def run(self, block_hash: bytes) -> Rollback:
        return asyncio.run(self._closing(self.rollbacks.run("9-00000004", block_hash, WHY, self._marked)))

    async def _marked(self) -> None:
        """It is INVALID, on the disk too."""
        (going_back,) = (each for each in self.world.log.going_back.values() if each.step is RollbackStep.DECIDED)
        assert self.world.disk.stored[going_back.block.hash].status is BlockStatus.INVALID
        assert self.chain.standing(going_back.block.hash).standing is Standing.INVALID
        self.world.crashes.point()

    def resume(self) -> bool:
        return asyncio.run(self._closing(self.rollbacks.resume()))

    async def _closing(self, action: Awaitable[T]) -> T:
        try:
            return await action
        finally:
            self.chain.close()


def branches() -> list[TrackedBlock]:
    """Verified 1, 2, 3 at numbers 7 to 9; on 3 the disputed 4 with 5, 6 and 7 above it, and on 2 a good 8."""
    root = advance(tracked(1, 0, 7), Anchored("configured"))
    line = [root, *(advance(tracked(index, index - 1, 6 + index), ATTEST) for index in (2, 3))]
    bad = replace(tracked(4, 3, 10), status=BlockStatus.DISPUTED)
    above = [tracked(5, 4, 11), advance(tracked(6, 5, 12), ATTEST), tracked(7, 5, 12)]
    return [*line, bad, *above, advance(tracked(8, 2, 9), ATTEST)]


BAD, TARGET = name(4), name(3)
DEAD = {name(index) for index in (4, 5, 6, 7)}


def gone_back(world: World) -> Rollback:
    """Checks the one state that the branches come to."""
    assert {each for each, at in world.disk.stored.items() if at.status is BlockStatus.INVALID} == DEAD
    assert world.shelf.aside == DEAD
    assert not world.shelf.available & DEAD
    assert world.embedded.head == world.mover.head == TARGET
    (rollback,) = world.log.going_back.values()
    assert rollback.step is RollbackStep.DONE
    assert rollback.target is not None
    assert rollback.target.hash == TARGET
    return rollback


def test_every_part_goes_back() -> None:
    world = World(branches())
    process = Process(world)
    rollback = process.run(BAD)
    assert rollback == gone_back(world)
    assert (rollback.dispute, rollback.moved, rollback.note, rollback.at) == ("9-00000004", "forkchoice", WHY, 7.0)
    assert process.recorder.of(RolledBack) == [RolledBack(rollback)]
    assert process.recorder.alarms() == ["block_invalid"]
    assert process.chain.latest_valid_ancestor(name(6)) == TARGET


def interrupted(world: World, bad: bytes, moments: list[int]) -> None:
    """Runs, ended at each of the moments in turn, and to the end after that; as whoever concluded it does at a start.

    moments: points of the process that they end; later ones than it has do not end it.
    """
    for at in [*moments, None]:
        world.crashes.at, world.crashes.passed = at, 0
        marked = any(each.step is not RollbackStep.DECIDED for each in world.log.going_back.values())
        process = Process(world)
        if marked:
            assert process.chain.standing(bad).standing is Standing.INVALID
        try:
            process.resume()
            if bad not in world.log.going_back:  # concluded, and not begun
                process.run(bad)
        except Crash:
            continue


def points() -> int:
    """At how many points an undisturbed rollback can be ended."""
    world = World(branches())
    Process(world).run(BAD)
    return world.crashes.passed


def test_ends_are_tried_everywhere() -> None:
    assert points() >= LEAST_POINTS


def test_nothing_is_taken_away_or_moved_before_what_waits_for_the_mark_is_done() -> None:
    world = World(branches())
    head, process = world.mover.head, Process(world)

    async def marked() -> None:
        await asyncio.sleep(0)
        assert (world.shelf.aside, world.embedded.head, world.mover.head) == (set(), head, head)
        assert process.chain.standing(BAD).standing is Standing.INVALID

    asyncio.run(process.rollbacks.run("", BAD, WHY, marked))
    gone_back(world)


@pytest.mark.parametrize("at", range(1, points() + 1))
def test_killed_at_any_point_it_completes(at: int) -> None:
    world = World(branches())
    interrupted(world, BAD, [at])
    assert gone_back(world).moved in ("forkchoice", "already")


@settings(max_examples=100, deadline=None)
@given(histories(), st.lists(st.integers(1, 40), max_size=4), st.data())
def test_of_any_tree(
    history: tuple[Tree, list[tuple[bytes, BlockEvent]]], moments: list[int], data: st.DataObject
) -> None:
    tree, events = history
    for block_hash, event in events:
        tree.apply(block_hash, event)
    bad = data.draw(st.sampled_from(sorted(tree.blocks)[1:]))
    head = data.draw(st.sampled_from(sorted(tree.blocks)))
    worlds = [World(list(tree.blocks.values())) for _ in range(2)]
    for world in worlds:
        world.embedded.head = world.mover.head = head
    Process(worlds[0]).run(bad)
    interrupted(worlds[1], bad, moments)
    done = worlds[0]
    assert worlds[1].state() == done.state()

    process = Process(done)
    on_it = {each for each in tree.blocks if bad in {at.block.hash for at in tree.path(each)}}
    for each in tree.blocks.keys() - on_it:
        assert done.disk.stored[each] == tree.blocks[each]
    (rollback,) = done.log.going_back.values()
    if rollback.target is None:
        assert (rollback.step, done.embedded.head, done.mover.head) == (RollbackStep.MARKED, head, head)
        assert not done.shelf.aside
        return
    assert rollback.step is RollbackStep.DONE
    assert process.chain.standing(rollback.target.hash).standing is Standing.VERIFIED
    dead = {each for each in on_it if _dead(process, each, bad)}
    assert (done.shelf.aside, done.shelf.available) == (dead, tree.blocks.keys() - dead)
    assert done.embedded.head == (rollback.target.hash if head in dead else head)
    assert done.mover.head == (rollback.target.hash if head in on_it else head)


def _dead(process: Process, block_hash: bytes, bad: bytes) -> bool:
    """Whether all between the block and `bad` is INVALID."""
    while block_hash != bad:
        at = process.chain.blocks[block_hash]
        if at.status is not BlockStatus.INVALID:
            return False
        block_hash = at.parent_hash
    return True


def test_without_a_valid_ancestor_it_ends_marked_and_says_so() -> None:
    blocks = [replace(each, anchor=False, status=BlockStatus.RECEIVED) for each in branches()]
    world = World(blocks)
    head = world.mover.head
    process = Process(world)
    rollback = process.run(BAD)
    assert (rollback.step, rollback.target) == (RollbackStep.MARKED, None)
    assert process.recorder.alarms() == ["block_invalid", "rollback_without_target"]
    assert (world.embedded.head, world.mover.head, world.shelf.aside) == (head, head, set())
    again = Process(world)
    assert [again.resume(), again.resume()] == [True, True]
    assert again.recorder.alarms() == ["rollback_without_target"]
    again.chain.trust(blocks[2], "an operator")  # and now there is one
    assert not again.resume()
    gone_back(world)


def test_an_ancestor_that_became_invalid_meanwhile_is_no_target() -> None:
    world = World(branches())
    world.mover.fails = [ExecutionClientError("refused")] * CLIENT_ATTEMPTS
    process = Process(world)
    assert process.run(BAD).step is RollbackStep.EMBEDDED
    assert world.embedded.head == TARGET
    process.chain.apply(TARGET, Concluded(valid=False, why="another dispute"))
    process.resume()
    assert world.embedded.head == TARGET, "it is not on the branch of this one: the other rollback moves it"
    assert world.mover.head == name(2)
    process.run(TARGET)
    assert world.embedded.head == world.mover.head == name(2)
    assert not world.log.rollbacks()


def test_a_target_that_finality_left_behind_stays_one() -> None:
    world = World(branches())
    world.crashes.at = 6  # marked, and stored
    with pytest.raises(Crash):
        Process(world).run(BAD)
    world.crashes.at = None
    for index in (1, 2, 3):
        del world.disk.stored[name(index)]
    Process(world).resume()
    assert gone_back(world).target == BlockReference(1, 9, TARGET)


@pytest.mark.parametrize("fails", [1, CLIENT_ATTEMPTS - 1])
def test_a_client_that_is_away_for_a_while_is_asked_again(fails: int) -> None:
    world = World(branches())
    world.mover.fails = [ExecutionClientError("refused")] * fails
    pauses: list[int] = []
    process = Process(world, lambda: pauses.append(1))
    process.run(BAD)
    assert gone_back(world).moved == "forkchoice"
    assert len(pauses) == fails
    assert "execution_client_not_moved" not in process.recorder.alarms()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_client_that_stays_away_is_asked_again_with_one_alarm_and_it_is_said_when_it_is_done(
    *, restarted: bool
) -> None:
    world = World(branches())
    world.mover.fails = [ExecutionClientError("refused")] * (CLIENT_ATTEMPTS + 2)
    pauses: list[int] = []
    process = Process(world, lambda: pauses.append(1))
    assert process.run(BAD).step is RollbackStep.EMBEDDED
    assert len(pauses) == CLIENT_ATTEMPTS - 1
    if restarted:
        process = Process(world)
    else:
        assert [process.resume(), process.resume()] == [True, True]  # once each, so that others have their turn
        assert len(pauses) == CLIENT_ATTEMPTS - 1
        assert process.recorder.alarms().count("execution_client_not_moved") == 1
    assert not process.recorder.of(RolledBack)
    assert not process.resume()
    assert process.recorder.of(RolledBack) == [RolledBack(gone_back(world))]
    assert not process.resume()
    assert len(process.recorder.of(RolledBack)) == 1


def test_a_client_that_does_not_move_is_an_alarm_and_the_rest_is_done() -> None:
    world = World(branches())
    head, world.mover.stubborn = world.mover.head, True
    process = Process(world)
    rollback = process.run(BAD)
    assert (rollback.step, rollback.moved) == (RollbackStep.DONE, "")
    assert rollback.note == f"{WHY}; it does not want to"
    assert (world.mover.head, world.embedded.head) == (head, TARGET)
    (alarm,) = [each for each in process.recorder.of(Alarm) if each.name == "execution_client_not_moved"]
    assert "it does not want to" in alarm.text
    assert not world.log.rollbacks()


def test_what_fails_in_the_middle_is_an_alarm_and_the_rest_is_done() -> None:
    world = World(branches())
    world.shelf.fail_with = OSError("no space left on device")
    world.embedded.fails = [RollbackDepthError("too deep")] * EMBEDDED_ATTEMPTS
    process = Process(world)
    rollback = process.run(BAD)
    assert rollback.step is RollbackStep.DONE
    assert world.mover.head == TARGET
    assert set(process.recorder.alarms()) == {"block_invalid", "evidence_not_kept", "embedded_executor_not_moved"}
    assert "too deep" in rollback.note


def test_an_embedded_executor_whose_process_was_lost_is_asked_once_more() -> None:
    world = World(branches())
    world.embedded.fails = [ExecutorError("its process has ended (status -9); it is started again")]
    process = Process(world)
    process.run(BAD)
    gone_back(world)
    assert process.recorder.alarms() == ["block_invalid"]


def test_nothing_is_moved_where_nothing_may_be() -> None:
    world = World(branches())
    process = Process(world)
    process.rollbacks = Rollbacks(
        process.chain,
        world.log,
        world.shelf,
        None,
        LeftAlone("monitor mode"),
        process.recorder,
        lambda: 7.0,
        evidence=EVIDENCE,
    )
    rollback = process.run(BAD)
    assert (rollback.step, rollback.moved, rollback.note) == (RollbackStep.DONE, "", f"{WHY}; monitor mode")
    assert "execution_client_not_moved" in process.recorder.alarms()


@pytest.mark.parametrize(("of", "alarm"), [("disputes", "rollback_stalled"), ("blocks", "ledger_failed")])
def test_a_ledger_that_fails_closes_the_block_at_once_and_moves_nothing_before_it_works(of: str, alarm: str) -> None:
    world = World(branches())
    failing = world.log if of == "disputes" else world.disk
    failing.fail_with = FULL
    head = world.mover.head

    def pause() -> None:
        assert process.chain.standing(name(6)).standing is Standing.INVALID
        assert (world.mover.head, world.embedded.head) == (head, head)
        pauses.append(1)
        if len(pauses) == 3:
            failing.fail_with = None
            process.chain.apply(BAD, ATTEST)  # anything that makes the chain try again
            process.chain.receive(tracked(9, 8, 10))

    pauses: list[int] = []
    process = Process(world, pause)
    process.run(BAD)
    gone_back(world)
    assert process.recorder.alarms().count(alarm) == 1


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(UnknownBlockError):
        Process(World(branches())).run(name(99))


def test_two_calls_at_once_are_one_rollback() -> None:
    world = World(branches())
    process = Process(world)

    async def both() -> None:
        first, second = await asyncio.gather(
            process.rollbacks.run("", BAD, WHY), process.rollbacks.run("", BAD, "another")
        )
        assert first == second
        process.chain.close()

    asyncio.run(both())
    assert len(process.recorder.of(RolledBack)) == 1
    assert len(world.mover.moves) == 1
    gone_back(world)


def test_once_more_after_the_end_nothing_is_left_to_do() -> None:
    world = World(branches())
    Process(world).run(BAD)
    again = Process(world)
    assert again.run(BAD).moved == "already"
    assert again.recorder.alarms() == []
    gone_back(world)


def test_in_epoch_target_mode_blocks_that_nobody_judged_are_targets() -> None:
    blocks = [replace(each, status=BlockStatus.RECEIVED) if each.block.hash == TARGET else each for each in branches()]
    world = World(blocks)
    Process(world, mode=GateMode.EPOCH_TARGET).run(BAD)
    gone_back(world)
