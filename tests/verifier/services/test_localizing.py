"""The localizer: what is asked of whom, what it finds, and that nothing that clients do makes it fail."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import rlp

from tests.verifier.domain.test_divergence import block
from tests.verifier.services.builders import block_witness, computed_for, header_rlp
from tests.verifier.services.lying_tracer import LyingTracer
from tests.witness.test_check_sections import state_of
from verifier.domain.localization import Localization, Place
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Outcome, Receipt, Result
from verifier.domain.trace import Step, TraceItem, TransactionStart
from verifier.domain.vote import Vote, VoteKind, cast_vote
from verifier.errors import ExecutorError
from verifier.executors.stateful.state_reader import FakeStateReader
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.executors.stateless.tracer import FakeTracer, TraceBatch, Tracer
from verifier.services.localizing import Localizer
from witness.file import write_witness_file
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness, PostAccount, PreAccount, PreState, Witness
from witness.prestate import encode_prestate
from witness.proven_state import ProvenState
from witness.trie import nodes_by_hash

LENGTHS = (3, 5, 4)  # steps of the block's transactions
TRANSACTIONS = [b"\x02" + bytes([index]) * 40 for index in range(len(LENGTHS))]
ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
SLOT = b"\x01" * 32


def disputed() -> BlockWitness:
    """A block of three transactions, made up."""
    content, header = block_witness(1, header_rlp(0, bytes(32)))
    encoded: bytes = rlp.encode([rlp.decode(header), TRANSACTIONS, []])
    return replace(content, block=encoded)


CONTENT = disputed()
HEADER = decode_block_header(CONTENT.block)
RECEIPTS = tuple(Receipt(21_000 * (index + 1), bytes(32), True) for index in range(len(LENGTHS)))
RIGHT = replace(computed_for(HEADER), receipts=RECEIPTS)
WRONG_ROOT = replace(RIGHT, state_root=b"\x99" * 32)
OTHER_REASON = Abstention(AbstentionReason.UNSUPPORTED_FORK, "prague")


def wrong_from(index: int) -> Computed:
    """What a client computes that uses other gas from this transaction on."""
    changed = [replace(each, cumulative_gas_used=1) if at >= index else each for at, each in enumerate(RECEIPTS)]
    return replace(WRONG_ROOT, receipts_root=b"\x98" * 32, receipts=tuple(changed))


@dataclass
class RangedTracer:
    """A tracer that streams what was asked of it."""

    name: str
    items: Sequence[TraceItem]
    outcome: Outcome
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def lineage(self) -> str:
        return self.name

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        self.asked.append((first, count))
        index = -1
        for item in self.items:
            index = item.index if isinstance(item, TransactionStart) else index
            if first <= index and (not count or index < first + count):
                yield (item,)
        yield Result(self.name, self.name, self.outcome)


class HangingTracer(FakeTracer):
    """One that never gives anything."""

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        await asyncio.Event().wait()
        yield ()


def honest(name: str, outcome: Outcome = RIGHT, lengths: Sequence[int] = LENGTHS) -> RangedTracer:
    return RangedTracer(name, block(*lengths), outcome)


def lying(name: str, transaction: int, step: int, outcome: Outcome, **change: object) -> LyingTracer:
    return LyingTracer(honest(name, outcome), transaction, step, lambda each: replace(each, **change))  # type: ignore[arg-type]


def results_of(**outcomes: Outcome) -> list[Result]:
    return [Result(name, name, outcome, elapsed_ms=at + 1.0) for at, (name, outcome) in enumerate(outcomes.items())]


def localize(
    results: Sequence[Result],
    tracers: Sequence[Tracer] = (),
    executors: Sequence[FakeExecutor] = (),
    *,
    own: Sequence[Vote] = (),
    content: BlockWitness = CONTENT,
    derived: Path | ExecutorError = Path("derived.witness"),
    path: Path = Path("block.witness"),
    readers: Sequence[FakeStateReader] = (),
    deadline: float = 60.0,
    root: bytes = bytes(32),
) -> Localization:
    async def derive(_path: Path, _directory: Path) -> Path:
        if isinstance(derived, ExecutorError):
            raise derived
        return derived

    async def scenario() -> Localization:
        localizer = Localizer(executors, tracers, readers=readers, derive=derive, deadline=deadline)
        request = ExecutionRequest(path, content.hash, root, 4.0)
        header = decode_block_header(content.block)
        votes = [*own, *(cast_vote(header, result) for result in results)]
        return await localizer.localize(request, content, results, votes)

    return asyncio.run(scenario())


def test_the_first_differing_transaction_alone_is_traced_and_its_step_named() -> None:
    right, wrong = honest("geth"), lying("eels", 1, 3, wrong_from(1), gas=7)
    found = localize(results_of(geth=RIGHT, eels=wrong_from(1)), [right, wrong])
    assert (right.asked, wrong.requests) == ([(1, 1)], [(1, 1)])
    assert (found.place, found.transaction) == (Place.STEP, 1)
    assert found.transaction_hash == keccak256(TRANSACTIONS[1])
    assert found.divergence is not None
    assert (found.divergence.step, found.divergence.fields) == (3, ("gas",))
    assert found.instruction is not None
    assert (found.instruction.name, found.instruction.pc, found.instruction.step) == ("PUSH1", 2, 2)
    assert [(side.adapters, side.kind) for side in found.sides] == [
        (("eels",), VoteKind.INVALID),
        (("geth",), VoteKind.VALID),
    ]
    assert [each.field for each in found.fields] == ["state_root", "receipts_root"]
    assert found.text.startswith("state_root, receipts_root: transaction 1 (0x")
    assert "PUSH1 at pc 2" in found.text
    assert found.notes == ()


def test_equal_receipts_have_everything_traced() -> None:
    wrong = lying("eels", 2, 2, WRONG_ROOT, stack=bytes(32))
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT), [honest("geth"), wrong])
    assert wrong.requests == [(0, 0)]
    assert (found.place, found.transaction) == (Place.STEP, 2)


def test_an_equal_trace_of_that_transaction_has_the_others_traced() -> None:
    wrong = lying("eels", 0, 2, wrong_from(2), stack=bytes(32))
    found = localize(results_of(geth=RIGHT, eels=wrong_from(2)), [honest("geth"), wrong])
    assert wrong.requests == [(2, 1), (0, 0)]
    assert (found.place, found.transaction) == (Place.STEP, 0)


def test_what_an_earlier_transaction_left_is_looked_for_there() -> None:
    """The receipts of transaction 0 are equal, but what it stores is not; transaction 1 reads it."""

    def change(items: list[TraceItem], *, wrong: bool) -> list[TraceItem]:
        for at, op in ((2, 0x0A), (7, 0x54)):  # EXP in transaction 0, SLOAD in transaction 1
            first, second = items[at], items[at + 1]
            assert isinstance(first, Step)
            assert isinstance(second, Step)
            items[at] = replace(first, op=op, stack=bytes(64))
            items[at + 1] = replace(second, stack=bytes([wrong]) * 32)
        return items

    right = RangedTracer("geth", change(block(*LENGTHS), wrong=False), RIGHT)
    wrong = RangedTracer("eels", change(block(*LENGTHS), wrong=True), wrong_from(1))
    found = localize(results_of(geth=RIGHT, eels=wrong_from(1)), [right, wrong])
    assert right.asked == [(1, 1), (0, 1)]
    assert (found.place, found.transaction) == (Place.STEP, 0)
    assert found.instruction is not None
    assert found.instruction.name == "EXP"


def test_a_receipt_without_a_differing_instruction() -> None:
    found = localize(results_of(geth=RIGHT, eels=wrong_from(1)), [honest("geth"), honest("eels", wrong_from(1))])
    assert (found.place, found.transaction) == (Place.TRANSACTION, 1)
    assert any("no instruction differs: 3 transactions, 12 steps" in note for note in found.notes)


def post_state(value: int) -> Computed:
    return replace(RIGHT, state_root=None, post_state={ALICE: PostAccount(1, 7, b"\xc5" * 32, {SLOT: value})})


def executors(right: Outcome, wrong: Outcome) -> list[FakeExecutor]:
    return [FakeExecutor("geth", "geth", lambda _: right), FakeExecutor("eels", "eels", lambda _: wrong)]


TRACERS = (honest("geth"), honest("eels", WRONG_ROOT))


def test_a_slot_of_the_post_state_where_no_trace_differs() -> None:
    asked = executors(post_state(5), post_state(6))
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT), TRACERS, asked)
    assert found.place is Place.POST_STATE
    ((address, what, values),) = ((each.address, each.what, each.values) for each in found.state)
    assert (address, what, values) == (ALICE, f"slot 0x{SLOT.hex()}", ("0x6", "0x5"))  # eels, geth
    for executor in asked:
        (request,) = executor.requests
        assert (request.witness, request.mode) == (Path("derived.witness"), Mode.PRESTATE)


def test_the_file_is_executed_itself_where_it_has_the_values() -> None:
    asked = executors(post_state(5), post_state(6))
    content = replace(CONTENT, prestate=b"\xc0")
    localize(results_of(geth=RIGHT, eels=WRONG_ROOT), TRACERS, asked, content=content)
    assert [request.witness for executor in asked for request in executor.requests] == [Path("block.witness")] * 2


def test_the_trie_where_nothing_else_differs() -> None:
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT), TRACERS, executors(post_state(5), post_state(5)))
    assert (found.place, found.transaction, found.state) == (Place.TRIE, None, ())


def test_without_post_states_only_the_field_is_known() -> None:
    why = ExecutorError("no values before the block")
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT), TRACERS, derived=why)
    assert found.place is Place.FIELD
    assert "post-states are not compared: no values before the block" in found.notes


def test_a_field_that_transactions_do_not_make_needs_no_trace() -> None:
    tracers = honest("geth"), honest("eels")
    wrong = replace(RIGHT, transactions_root=b"\x99" * 32)
    found = localize(results_of(geth=RIGHT, eels=wrong), tracers)
    assert (found.place, [each.field for each in found.fields]) == (Place.FIELD, ["transactions_root"])
    assert [each.asked for each in tracers] == [[], []]


def test_a_broken_rule_and_where_the_others_go_on() -> None:
    broken = BrokenRule("nonce", "transaction 1: 5, not 6")
    tracers = honest("geth"), honest("eels", broken, LENGTHS[:1])
    found = localize(results_of(geth=RIGHT, eels=broken), tracers)
    assert (found.place, found.transaction) == (Place.RULE, 1)
    assert [each.field for each in found.fields] == ["rule"]
    assert "eels finds the rule nonce broken" in found.text


def test_a_broken_rule_after_an_instruction_that_differs() -> None:
    broken = BrokenRule("nonce", "transaction 2: 5, not 6")
    found = localize(results_of(geth=RIGHT, eels=broken), [honest("geth"), lying("eels", 1, 2, broken, gas=7)])
    assert (found.place, found.transaction) == (Place.STEP, 1)


def test_another_of_the_same_side_takes_the_place_of_one_that_abstains() -> None:
    """The quickest is asked first."""
    silent, other = FakeTracer("revm", "revm", [], OTHER_REASON), honest("ethrex")
    results = results_of(revm=RIGHT, ethrex=RIGHT, eels=WRONG_ROOT)
    tracers: list[Tracer] = [other, silent, lying("eels", 2, 2, WRONG_ROOT, gas=7)]
    found = localize(results, tracers)
    assert (found.place, found.transaction) == (Place.STEP, 2)
    assert len(silent.requests) == 1
    assert "revm gives no trace to compare: unsupported_fork: prague" in found.notes


def test_a_side_that_nobody_traces() -> None:
    silent = FakeTracer("eels", "eels", [], OTHER_REASON)
    found = localize(results_of(geth=RIGHT, eels=wrong_from(1)), [honest("geth"), silent])
    assert (found.place, found.transaction) == (Place.TRANSACTION, 1)
    assert "nobody traces what eels did" in found.notes


def test_one_that_changes_its_answer_is_told_of() -> None:
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT), [honest("geth"), honest("eels", RIGHT)])
    assert "eels comes to another result when it is traced than it voted on" in found.notes


def test_the_deadline_keeps_what_is_known() -> None:
    hanging = HangingTracer("eels", "eels", [], RIGHT)
    found = localize(results_of(geth=RIGHT, eels=wrong_from(1)), [honest("geth"), hanging], deadline=0.05)
    assert (found.place, found.transaction) == (Place.TRANSACTION, 1)
    assert "given up after 0 s" in found.notes
    assert found.seconds >= 0.05


def test_three_sides_are_compared_at_once() -> None:
    tracers: list[Tracer] = [
        honest("geth"),
        lying("eels", 2, 2, WRONG_ROOT, gas=7),
        lying("revm", 2, 2, wrong_from(2), gas=8),
    ]
    found = localize(results_of(geth=RIGHT, eels=WRONG_ROOT, revm=wrong_from(2)), tracers)
    assert found.divergence is not None
    assert (found.transaction, len(found.divergence.groups), len(found.sides)) == (2, 3, 3)


def accepted() -> Vote:
    return Vote("node", "node", VoteKind.VALID)


def test_the_execution_client_alone_is_a_side_and_asked_for_receipts_and_trace() -> None:
    node = FakeExecutor("node", "node", lambda _: RIGHT)
    lies = lying("eels", 1, 3, wrong_from(1), gas=7)
    found = localize(results_of(eels=wrong_from(1)), [honest("node"), lies], [node], own=[accepted()])
    assert [each.adapters for each in found.sides] == [("eels",), ("node",)]
    assert (found.place, found.transaction) == (Place.STEP, 1)
    assert len(node.requests) == 1
    assert lies.requests == [(1, 1)]


CODE = b"\xc5" * 32
OTHER_SLOT, UNKNOWN_SLOT = b"\x02" * 32, b"\x03" * 32  # that nobody changes; that nobody but the node does
BEFORE = {SLOT: 4, OTHER_SLOT: 9}
AFTER = {SLOT: 5, OTHER_SLOT: 9}
PRE_ROOT, NODES = state_of({ALICE: (1, 3, BEFORE, CODE)})


def root_of(slots: dict[bytes, int]) -> bytes:
    """The root after a block that left ALICE this storage."""
    return state_of({ALICE: (1, 7, slots, CODE)})[0]


def proven_block(directory: Path, state_root: bytes, nodes: Sequence[bytes]) -> tuple[BlockWitness, Path]:
    """A block that changes ALICE's balance and a slot, with the values before it. state_root: in its header."""
    before: PreState = {
        ALICE: PreAccount(1, 3, ProvenState(PRE_ROOT, nodes_by_hash(NODES)).account(ALICE).storage_root, CODE, BEFORE),  # type: ignore[union-attr]
        BOB: None,
    }
    header = header_rlp(1, bytes(32), state_root)
    encoded: bytes = rlp.encode([rlp.decode(header), TRANSACTIONS, []])
    content = replace(
        CONTENT,
        hash=keccak256(header),
        block=encoded,
        witness=Witness(sorted(nodes), [], []),
        prestate=encode_prestate(before),
    )
    return content, write_witness_file(content, directory, sync=False)


def read_from_the_client(
    directory: Path, claimed: bytes, computed: bytes, held: int, nodes: Sequence[bytes] = NODES
) -> Localization:
    """claimed: the root that the execution client made the block with; held: what it has in the slot that changed.

    computed: the root of the one adapter.
    """
    content, path = proven_block(directory, claimed, nodes)
    right = replace(computed_for(decode_block_header(content.block)), receipts=RECEIPTS)
    theirs = replace(right, state_root=computed)
    node = FakeExecutor("node", "node", lambda _: right)
    eels = FakeExecutor("eels", "eels", lambda _: replace(theirs, state_root=None, post_state=post_state(5).post_state))
    reader = FakeStateReader("node", {ALICE: PostAccount(1, 7, CODE, {SLOT: held, OTHER_SLOT: 9})})
    found = localize(
        results_of(eels=theirs),
        [honest("node", right), honest("eels", theirs)],
        [node, eels],
        own=[accepted()],
        content=content,
        path=path,
        readers=[reader],
        root=PRE_ROOT,
    )
    assert reader.asked == [content.hash]
    assert [each.adapters for each in found.sides] == [("eels",), ("node",)]
    return found


def test_the_execution_clients_state_is_read_where_no_trace_differs(tmp_path: Path) -> None:
    found = read_from_the_client(tmp_path, root_of({SLOT: 6, OTHER_SLOT: 9}), root_of(AFTER), 6)
    assert found.place is Place.POST_STATE, found.notes
    assert [(each.address, each.what, each.values) for each in found.state] == [
        (ALICE, f"slot 0x{SLOT.hex()}", ("0x5", "0x6"))
    ]


def test_the_trie_where_the_clients_root_is_the_one_over_what_was_read(tmp_path: Path) -> None:
    found = read_from_the_client(tmp_path, root_of(AFTER), bytes(31) + b"\1", 5)
    assert (found.place, found.state) == (Place.TRIE, ())
    assert f"the state root over these values is 0x{root_of(AFTER).hex()}: that of node" in found.notes


def test_no_trie_where_the_client_may_have_changed_what_is_not_read(tmp_path: Path) -> None:
    """Everything that was read is equal, but nobody knew what to read."""
    found = read_from_the_client(tmp_path, root_of({**AFTER, UNKNOWN_SLOT: 1}), root_of(AFTER), 5)
    assert (found.place, found.state) == (Place.FIELD, ())
    assert "node may have changed values that nobody else did" in found.notes


def test_no_trie_where_the_witness_does_not_tell_the_root(tmp_path: Path) -> None:
    found = read_from_the_client(tmp_path, root_of(AFTER), bytes(31) + b"\1", 5, nodes=[])
    assert found.place is Place.FIELD
    assert any("cannot be told: missing node" in note for note in found.notes)


def test_a_slot_whose_change_is_lost_in_the_trie_alone(tmp_path: Path) -> None:
    """The client reads the right value, from a cache perhaps; its root has the old one."""
    found = read_from_the_client(tmp_path, root_of(BEFORE), root_of(AFTER), 5)
    assert found.place is Place.POST_STATE, found.notes
    assert [(each.address, each.what, each.values) for each in found.state] == [
        (ALICE, f"slot 0x{SLOT.hex()}", ("0x5", "0x4"))
    ]


def test_no_trie_where_neither_root_is_the_one_over_the_values(tmp_path: Path) -> None:
    content, path = proven_block(tmp_path, root_of({}), NODES)
    right = computed_for(decode_block_header(content.block))
    wrong = replace(right, state_root=b"\x99" * 32)
    asked = executors(post_state(5), post_state(5))
    tracers = honest("geth", right), honest("eels", wrong)
    found = localize(results_of(geth=right, eels=wrong), tracers, asked, content=content, path=path, root=PRE_ROOT)
    assert found.place is Place.FIELD, found.notes
    assert f"the state root over these values is 0x{root_of(AFTER).hex()}: nobody's" in found.notes


def test_values_of_an_adapter_that_changes_its_answer_are_not_its_sides() -> None:
    """On bare values it does what the others do: equal values would say that its trie is wrong."""
    wrong = wrong_from(1)
    found = localize(
        results_of(geth=RIGHT, eels=replace(wrong, receipts=())),
        [honest("geth"), honest("eels", wrong)],
        executors(post_state(5), post_state(5)),
    )
    assert found.place is Place.FIELD, found
    why = "on bare values it comes to another result than it voted on"
    assert f"eels gives no post-state to compare: {why}" in found.notes


def test_an_execution_client_that_tells_nothing() -> None:
    found = localize(results_of(eels=wrong_from(1)), [], own=[accepted()])
    assert (found.place, found.transaction) == (Place.FIELD, None)
    assert "nobody traces what node did" in found.notes


def test_an_execution_client_that_refuses() -> None:
    refused = Vote("node", "node", VoteKind.INVALID, "broken_rule: execution_client: invalid gas used")
    found = localize(results_of(eels=RIGHT), [honest("eels")], own=[refused])
    assert found.place is Place.RULE
    assert [each.values for each in found.fields] == [(None, "execution_client")]


def test_without_two_sides_there_is_nothing_to_find() -> None:
    found = localize(results_of(geth=RIGHT, eels=RIGHT), [honest("geth")])
    assert (found.place, found.fields, len(found.sides)) == (Place.FIELD, (), 1)
    assert found.notes == ("there are no two sides",)


@pytest.mark.parametrize("count", [2, 3])
def test_one_block_at_a_time(count: int) -> None:
    """Each holds its adapters' places while it waits for the other's: two at once could wait for ever."""
    running: list[str] = []

    class Counting(RangedTracer):
        async def trace(
            self, request: ExecutionRequest, first: int = 0, count: int = 0
        ) -> AsyncGenerator[TraceBatch | Result, None]:
            running.append(self.name)
            assert len(running) <= 2
            try:
                async with aclosing(super().trace(request, first, count)) as stream:
                    async for each in stream:
                        await asyncio.sleep(0)
                        yield each
            finally:
                running.remove(self.name)

    tracers = [Counting("geth", block(*LENGTHS), RIGHT), Counting("eels", block(*LENGTHS), WRONG_ROOT)]
    results = results_of(geth=RIGHT, eels=WRONG_ROOT)
    votes = [cast_vote(HEADER, result) for result in results]

    async def scenario() -> list[Localization]:
        localizer = Localizer(executors(post_state(5), post_state(6)), tracers)
        request = ExecutionRequest(Path("block.witness"), CONTENT.hash, bytes(32), 4.0)
        content = replace(CONTENT, prestate=b"\xc0")
        return await asyncio.gather(*(localizer.localize(request, content, results, votes) for _ in range(count)))

    found = asyncio.run(scenario())
    assert [each.place for each in found] == [Place.POST_STATE] * count
