"""One test examined: who is asked what, and how what is said becomes answers."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import rlp

from tests.verifier.services.builders import CONFIG, computed_for
from tests.verifier.services.conformance.examples import (
    GENESIS_RLP,
    GENESIS_ROOT,
    FakeRecorder,
    case,
    chain,
    client,
    header_of,
    honest,
    strict,
    witness,
)
from verifier.domain.conformance import (
    CaseName,
    DifferenceKind,
    ExaminedCase,
    Expected,
    ReasonClass,
    Said,
    differences,
)
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Mode, Outcome
from verifier.errors import ExecutorError
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.conformance.case import Case, CaseBlock, Prepared, Recorded
from verifier.services.conformance.clients import Client, Recording
from verifier.services.conformance.examination import ExaminationOptions, examine
from verifier.services.conformance.known import packaged_differences
from witness.file import map_witness_file
from witness.header import decode_block_header
from witness.model import BlockWitness
from witness.rlp_item import list_items


def examined(
    cases: Sequence[Case],
    clients: Sequence[Client],
    scratch: Path,
    recorder: FakeRecorder | None = None,
    **options: object,
) -> list[ExaminedCase]:
    """All cases at once."""

    async def scenario() -> list[ExaminedCase]:
        with Recording([recorder or FakeRecorder()]) as thread:
            made = ExaminationOptions(scratch, **options)  # type: ignore[arg-type]
            return list(await asyncio.gather(*(examine(each, thread, clients, made) for each in cases)))

    return asyncio.run(scenario())


def wrong_root(request: ExecutionRequest) -> Outcome:
    return replace(computed_for(header_of(request)), state_root=b"\x66" * 32)


def test_everybody_says_of_every_block_what_it_computed(tmp_path: Path) -> None:
    geth, _ = client("geth")
    revm, _ = client("revm", wrong_root)
    (found,) = examined([case(chain(3))], [geth, revm], tmp_path)
    assert [(block.index, block.number) for block in found.blocks] == [(0, 1), (1, 2), (2, 3)]
    for block in found.blocks:
        recorder, first, second = block.answers
        assert (recorder.client, recorder.stateful, recorder.said) == ("recorder", True, Said.VALID)
        assert (first.client, first.stateful, first.said, first.reason) == ("geth", False, Said.VALID, "")
        assert (second.client, second.said, second.fields) == ("revm", Said.INVALID, ("state_root",))
        assert block.witness_bytes > 0
        assert block.gas_used == 21_000
    assert {(each.client, each.kind) for each in differences(found)} == {("revm", DifferenceKind.REJECTS_VALID)}
    assert list(tmp_path.iterdir()) == []


def test_the_pre_state_root_is_the_recorded_parents(tmp_path: Path) -> None:
    geth, fake = client("geth")
    blocks = chain(3)
    examined([case(blocks)], [geth], tmp_path)
    roots = {request.block_hash: request.pre_state_root for request in fake.requests}
    headers = [decode_block_header(block.encoded) for block in blocks]
    assert [roots[header.hash] for header in headers] == [GENESIS_ROOT, *(each.state_root for each in headers[:-1])]


def test_an_invalid_block_is_executed_too_and_its_reason_is_of_a_class(tmp_path: Path) -> None:
    geth, _ = client("geth", strict("base_fee"))
    revm, _ = client("revm", strict("withdrawals_root"))
    eels, _ = client("eels", honest)
    classes = {"base_fee": ReasonClass.HEADER, "withdrawals_root": ReasonClass.BODY}
    (found,) = examined(
        [case(chain(1, invalid={0: "BlockException.INVALID_BASEFEE_PER_GAS"}))],
        [geth, revm, eels],
        tmp_path,
        of_exception=lambda _: frozenset({ReasonClass.HEADER}),
        of_reason=lambda _, said: frozenset({classes[str(said)]}),
    )
    assert [answer.said for answer in found.blocks[0].answers] == [*[Said.INVALID] * 3, Said.VALID]
    assert [(each.client, each.kind) for each in differences(found) if not each.stateful] == [
        ("revm", DifferenceKind.OTHER_REASON),
        ("eels", DifferenceKind.ACCEPTS_INVALID),
    ]


@pytest.mark.parametrize(
    ("found", "accepted"),
    [
        ((), ["base_fee"]),
        (("header", "body"), ["base_fee", "withdrawals_root"]),
        (("header", "result"), ["base_fee"]),  # what is computed of a block that breaks a rule says nothing
        (("body", "blob_gas"), ["base_fee"]),  # the recorder does not find what the fixture says
    ],
)
def test_what_the_recorder_finds_broken_too_is_as_good_a_reason(
    tmp_path: Path, found: Sequence[str], accepted: list[str]
) -> None:
    rules = ("base_fee", "withdrawals_root", "blob_gas_used")
    clients = [client(rule, strict(rule))[0] for rule in rules] + [client("state_root", wrong_root)[0]]
    recorder = FakeRecorder(classes=frozenset(map(ReasonClass, found)))
    blocks = chain(1, invalid={0: "BlockException.INVALID_BASEFEE_PER_GAS"})
    (made,) = examined([case(blocks)], clients, tmp_path, recorder)
    others = {each.client for each in differences(made) if not each.stateful}
    assert [
        each.client for each in made.blocks[0].answers if not each.stateful and each.client not in others
    ] == accepted


def test_who_does_not_know_the_fork_is_skipped_with_the_reason(tmp_path: Path) -> None:
    geth, _ = client("geth")
    young, fake = client("young", forks=("cancun",))
    (found,) = examined([case(chain(2))], [geth, young], tmp_path)
    assert found.skipped == {"young": "does not know paris"}
    assert fake.requests == []
    assert differences(found) == ()


def test_what_nobody_can_be_asked_about_has_the_recorders_answer_alone(tmp_path: Path) -> None:
    geth, fake = client("geth")
    (found,) = examined([case([CaseBlock(b"\xc0", Expected.INVALID, "any")])], [geth], tmp_path)
    assert [(each.client, each.said) for each in found.blocks[0].answers] == [("recorder", Said.INVALID)]
    assert found.blocks[0].hash == b""
    assert fake.requests == []


class Undecoded(FakeRecorder):
    """Makes witnesses of blocks that it cannot decode."""

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        for index, block in enumerate(case.blocks):
            content = BlockWitness(1337, 1, b"\x01" * 32, block.encoded, witness(b"\xc0"), CONFIG)
            yield Recorded(index, self._answer(Said.INVALID, "block_encoding"), content)


@pytest.mark.parametrize(
    ("expected", "who"), [(Expected.INVALID, ["recorder"]), (Expected.VALID, ["recorder", "verifier"])]
)
def test_what_is_no_header_is_refused_as_expected(tmp_path: Path, expected: Expected, who: list[str]) -> None:
    geth, fake = client("geth")
    (found,) = examined([case([CaseBlock(b"\xc0", expected, "any")])], [geth], tmp_path, Undecoded())
    assert [each.client for each in found.blocks[0].answers] == who
    assert fake.requests == []


def test_a_recorder_that_fails_is_a_failure_after_the_blocks_that_it_made(tmp_path: Path) -> None:
    geth, _ = client("geth")
    recorder = FakeRecorder(raises=(1, ExecutorError("no room")))
    (found,) = examined([case(chain(3))], [geth], tmp_path, recorder)
    assert found.failure == "ExecutorError: no room"
    assert [each.kind for each in differences(found)] == [DifferenceKind.NOT_RUN]


def test_a_fork_that_the_recorder_lacks_is_skipped_by_all(tmp_path: Path) -> None:
    geth, _ = client("geth")
    recorder = FakeRecorder(raises=(0, UnsupportedForkError("amsterdam is not known")))
    (found,) = examined([case(chain(1))], [geth], tmp_path, recorder)
    assert found.skipped == {"geth": "not recorded: amsterdam is not known", "recorder": "amsterdam is not known"}
    assert found.blocks == ()


def test_a_chain_that_ends_elsewhere_is_a_failure(tmp_path: Path) -> None:
    geth, _ = client("geth")
    blocks = chain(2)
    last = decode_block_header(blocks[-1].encoded).hash
    good, bad = examined([case(blocks, last=last), case(blocks, last=b"\x11" * 32)], [geth], tmp_path)
    assert good.failure == ""
    assert "0x1111" in bad.failure


def given(expected: Expected, parent: bytes = GENESIS_RLP, root: bytes = b"") -> Case:
    """A case of one block that comes with its witness."""
    (block,) = chain(1)
    header = decode_block_header(block.encoded)
    content = BlockWitness(1337, 1, header.hash, block.encoded, witness(parent), CONFIG)
    blocks = (replace(block, expected=expected, witness=content, pre_state_root=root),)
    return Case(CaseName("w.json", "given", "Paris", "witness"), blocks)


def test_a_given_witness_is_executed_as_it_is(tmp_path: Path) -> None:
    geth, fake = client("geth")
    silent, _ = client("silent", lambda _: Abstention(AbstentionReason.WITNESS_INSUFFICIENT, "node"))
    (found,) = examined([given(Expected.REFUSED)], [geth, silent], tmp_path)
    assert [(each.client, each.kind) for each in differences(found)] == [("geth", DifferenceKind.ACCEPTS_INCOMPLETE)]
    assert fake.requests[0].pre_state_root == GENESIS_ROOT  # bound by the block's parent hash


@pytest.mark.parametrize("reason", [AbstentionReason.CRASHED, AbstentionReason.TIMEOUT])
def test_who_crashes_on_a_witness_has_not_refused_it(tmp_path: Path, reason: AbstentionReason) -> None:
    fragile, _ = client("fragile", lambda _: Abstention(reason, "it was too much"))
    (found,) = examined([given(Expected.REFUSED)], [fragile], tmp_path)
    assert [each.kind for each in differences(found)] == [DifferenceKind.CANNOT_TELL]


@pytest.mark.parametrize(("parent", "root"), [(b"\xc0", b""), (GENESIS_RLP, b"\x77" * 32)])
def test_no_answer_counts_where_the_pre_state_is_not_trusted(tmp_path: Path, parent: bytes, root: bytes) -> None:
    geth, _ = client("geth")
    (found,) = examined([given(Expected.VALID, parent, root)], [geth], tmp_path)
    (answer,) = found.blocks[0].answers
    assert answer.said is Said.ABSTAIN
    assert "pre-state root" in answer.reason


def test_witnesses_of_blocks_that_differ_are_kept(tmp_path: Path) -> None:
    scratch, keep = tmp_path / "scratch", tmp_path / "keep"
    scratch.mkdir()
    geth, _ = client("geth", wrong_root)
    examined([case(chain(2), "[odd/name]\ud800")], [geth], scratch, keep=keep)
    (folder,) = keep.iterdir()
    assert [map_witness_file(path).number for path in sorted(folder.iterdir())] == [1, 2]
    assert list(scratch.iterdir()) == []


def test_values_that_are_given_are_compared_by_what_changed(tmp_path: Path) -> None:
    def unproven(request: ExecutionRequest) -> Outcome:
        assert request.mode is Mode.PRESTATE
        return replace(computed_for(header_of(request)), state_root=None, post_state={})

    clients = [client(name, unproven)[0] for name in ("geth", "revm")]
    (found,) = examined([case(chain(1))], clients, tmp_path, mode=Mode.PRESTATE)
    assert [each.said for each in found.blocks[0].answers if not each.stateful] == [Said.VALID] * 2


@pytest.mark.parametrize("ahead", [False, True])
def test_many_tests_at_once_keep_within_the_window(tmp_path: Path, ahead: bool) -> None:
    window, under_way, most = 3, 0, 0
    _, fake = client("geth")

    class Slow:
        name = lineage = "slow"
        expected_ms = 0.0

        async def execute(self, request: ExecutionRequest) -> object:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            result = await fake.execute(request)
            under_way -= 1
            return result

    slow = Client(Slow(), frozenset({"paris"}), places=100)  # type: ignore[arg-type]
    cases = [case(chain(20, salt=bytes([number])), f"test {number}") for number in range(5)]
    recorder = FakeRecorder(ahead=ahead)

    async def scenario() -> list[ExaminedCase]:
        with Recording([recorder]) as thread:
            made = ExaminationOptions(tmp_path, room=asyncio.Semaphore(window))
            return list(await asyncio.gather(*(examine(each, thread, [slow], made) for each in cases)))

    found = asyncio.run(scenario())
    assert [each.name.test for each in found] == recorder.begun == [f"test {number}" for number in range(5)]
    assert all(len(each.blocks) == 20 and not differences(each) for each in found)
    assert 1 < most <= window


class Judging(FakeRecorder):
    """Says nothing of a block before somebody else was asked about it."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(ahead=True)
        self.asked, self.fails = threading.Event(), fails

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        for each in super().record(case, directory):
            if isinstance(each, Recorded):
                assert self.asked.wait(10), "nobody is asked"
                self.asked.clear()
                if self.fails:
                    raise ExecutorError("no room")
            yield each


def test_clients_are_asked_while_the_recorder_judges(tmp_path: Path) -> None:
    recorder = Judging()

    def noted(request: ExecutionRequest) -> Outcome:
        recorder.asked.set()
        return honest(request)

    geth, _ = client("geth", noted)
    (found,) = examined([case(chain(3))], [geth], tmp_path, recorder)
    assert [[each.said for each in block.answers] for block in found.blocks] == [[Said.VALID, Said.VALID]] * 3
    assert not differences(found)
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_early_is_dropped_where_the_recorder_fails(tmp_path: Path) -> None:
    recorder = Judging(fails=True)

    def noted(request: ExecutionRequest) -> Outcome:
        recorder.asked.set()
        return honest(request)

    geth, _ = client("geth", noted)
    (found,) = examined([case(chain(2))], [geth], tmp_path, recorder)
    assert (found.blocks, found.failure) == ((), "ExecutorError: no room")
    assert list(tmp_path.iterdir()) == []


def test_early_or_late_the_results_are_the_same(tmp_path: Path) -> None:
    (misfit,) = chain(1, salt=b"misfit")
    blocks = (
        *chain(3, invalid={1: "wrong"}),
        replace(misfit, misfit="its payload has another hash"),
        CaseBlock(b"\xc0"),
    )
    made = []
    for ahead in (False, True):
        geth, _ = client("geth")
        revm, _ = client("revm", wrong_root)
        (found,) = examined([case(blocks)], [geth, revm], tmp_path, FakeRecorder(ahead=ahead))
        made.append(
            [replace(block, answers=tuple(replace(each, ms=0.0) for each in block.answers)) for block in found.blocks]
        )
    assert made[0] == made[1]
    assert [len(block.answers) for block in made[1]] == [3, 3, 3, 1, 1]


def test_who_accepts_an_invalid_block_is_quoted_with_what_it_left_unchecked(tmp_path: Path) -> None:
    def lenient(request: ExecutionRequest) -> Outcome:
        return replace(computed_for(header_of(request)), unchecked_rules=("uncles",))

    clients = [client(name, lenient)[0] for name in ("eels", "geth")]
    (found,) = examined([case(chain(2, invalid={1: "InvalidUncleParentHash"}))], clients, tmp_path)
    valid, invalid = found.blocks
    assert [(each.said, each.reason) for each in valid.answers[1:]] == [(Said.VALID, "")] * 2
    assert [(each.said, each.reason) for each in invalid.answers[1:]] == [(Said.VALID, "unchecked: uncles")] * 2
    # Of the specification that is known, of go-ethereum it is not.
    known = {
        each.client: bool(packaged_differences().explain(each).known)
        for each in differences(found)
        if not each.stateful
    }
    assert known == {"eels": True, "geth": False}


def test_what_the_fixture_does_not_say_is_held_against_nobody(tmp_path: Path) -> None:
    def other_gas(request: ExecutionRequest) -> Outcome:
        return replace(computed_for(header_of(request)), gas_used=1)

    def other_gas_and_root(request: ExecutionRequest) -> Outcome:
        return replace(computed_for(header_of(request)), gas_used=1, state_root=b"\x66" * 32)

    clients = [client("geth")[0], client("revm", other_gas)[0], client("ethrex", other_gas_and_root)[0]]
    (block,) = chain(1)
    for uncertain, said in (
        ((), [Said.VALID, Said.INVALID, Said.INVALID]),
        (("gas_used", "receipts_root"), [Said.VALID, Said.VALID, Said.INVALID]),
    ):
        (found,) = examined([case([replace(block, uncertain=uncertain)])], clients, tmp_path)
        _, *answers = found.blocks[0].answers
        assert [each.said for each in answers] == said
        assert {each.client for each in differences(found)} == {
            each.client for each in answers if each.said is Said.INVALID
        }
    assert answers[1].reason == "as far as the fixture says; not known is gas_used"
    assert set(answers[2].fields) == {"gas_used", "state_root"}


def test_blocks_with_the_same_header_are_told_apart(tmp_path: Path) -> None:
    def careful(request: ExecutionRequest) -> Outcome:
        block = map_witness_file(request.witness).block
        return BrokenRule("withdrawals_root", "a body too many") if len(list_items(block)) > 3 else honest(request)

    geth, _ = client("geth", careful)
    (good,) = chain(1)
    header, *rest = rlp.decode(good.encoded)
    bad = CaseBlock(rlp.encode([header, *rest, []]), Expected.INVALID, "other body")
    (found,) = examined([case([bad, good] * 8)], [geth], tmp_path)
    assert [block.answers[1].said for block in found.blocks] == [Said.INVALID, Said.VALID] * 8
    assert len({block.hash for block in found.blocks}) == 1


def test_cancelling_leaves_nothing_behind(tmp_path: Path) -> None:
    asked = asyncio.Event()

    class Stuck:
        name = lineage = "stuck"
        expected_ms = 0.0

        async def execute(self, request: ExecutionRequest) -> object:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

    async def scenario() -> None:
        with Recording([FakeRecorder()]) as thread:
            stuck = Client(Stuck(), frozenset({"paris"}))  # type: ignore[arg-type]
            task = asyncio.create_task(examine(case(chain(2)), thread, [stuck], ExaminationOptions(tmp_path)))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


class Waiting(FakeRecorder):
    """Is in the middle of a block until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way, self.go_on = threading.Event(), threading.Event()

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        self.under_way.set()
        self.go_on.wait()
        yield from super().record(case, directory)


def test_a_recorder_that_is_left_in_the_middle_serves_the_next_test(tmp_path: Path) -> None:
    recorder = Waiting()

    async def scenario() -> ExaminedCase:
        with Recording([recorder]) as recording:
            left = asyncio.create_task(examine(case(chain(1)), recording, [], ExaminationOptions(tmp_path)))
            await asyncio.to_thread(recorder.under_way.wait)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
            recorder.go_on.set()
            return await examine(case(chain(2)), recording, [], ExaminationOptions(tmp_path))

    found = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert [block.answers[0].said for block in found.blocks] == [Said.VALID, Said.VALID]
