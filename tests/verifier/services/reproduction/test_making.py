"""A state test made of a recorded block, with an executor that tells what we want of the block cut short."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.builders import block_witness, header_rlp
from tests.verifier.services.builders import computed_for as paris_values
from tests.verifier.services.test_derivation import recorded
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Outcome, Receipt
from verifier.domain.trace import Step
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.executors.stateless.tracer import FakeTracer, TraceBatch
from verifier.services.reproduction import Reproduction, ReproductionError, reproduce
from verifier.services.reproduction.making import AT_THE_END
from verifier.services.reproduction.state_test import EMPTY_CODE, root_of, state_of
from verifier.services.reproduction.transaction import SET_CODE, block_transactions, decode_transaction
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.model import BlockWitness, PostAccount
from witness.prestate import decode_prestate

CAME_TO_ITS_END = BrokenRule("some", "rule")  # of a trace: an outcome as any other
RICH = b"\xee" * 20
BLOCK = 20


def answer(request: ExecutionRequest) -> Outcome:
    """One account more for each transaction; a receipt for each."""
    assert request.mode is Mode.PRESTATE
    content = map_witness_file(request.witness)
    header = check_binding(content)
    assert request.block_hash == header.hash
    count = len(block_transactions(bytes(content.block)))
    receipts = tuple(Receipt(21_000, bytes([number]) * 32, True) for number in range(count))
    post_state = {RICH: PostAccount(0, count, EMPTY_CODE)} if count else {}
    return replace(paris_values(header), state_root=None, receipts=receipts, post_state=post_state)


def step(op: int) -> Step:
    return Step(1, RICH, 0, op, 100, b"")


def made(
    directory: Path,
    content: BlockWitness,
    index: int,
    how: Callable[[ExecutionRequest], Outcome],
    traced: Sequence[TraceBatch] = (),
    outcome: Outcome = CAME_TO_ITS_END,
) -> Reproduction:
    path = write_witness_file(content, directory, sync=False)
    request = ExecutionRequest(path, content.hash, b"\x05" * 32, 30.0)
    tracer = FakeTracer("geth", "geth", traced, outcome)
    reproduction = asyncio.run(reproduce(FakeExecutor("geth", "geth", how), tracer, request, index))
    ((asked, first, count),) = tracer.requests
    assert (asked.mode, first, count) == (Mode.PRESTATE, index, 1)
    return reproduction


def test_state_before_and_after_come_from_the_cut_blocks(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    transactions = block_transactions(bytes(content.block))
    reproduction = made(tmp_path, content, 2, answer)
    test = json.loads(reproduction.encoded())[f"block_{BLOCK}_transaction_2"]
    assert test["pre"][f"0x{RICH.hex()}"]["balance"] == "0x2"
    assert test["transaction"]["sender"] == f"0x{decode_transaction(transactions[2]).sender.hex()}"
    (expected,) = test["post"]["Prague"]
    assert content.prestate is not None
    after = state_of(decode_prestate(content.prestate), {RICH: PostAccount(0, 3, EMPTY_CODE)})
    assert expected["hash"] == f"0x{root_of(after).hex()}"
    assert expected["logs"] == "0x" + "02" * 32
    assert set(test["pre"]) > {f"0x{check_binding(content).coinbase.hex()}"}


def test_a_witness_without_the_section_has_it_derived(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    derived = made(tmp_path, replace(content, prestate=None, poststate=None), 0, answer)
    assert derived == made(tmp_path, content, 0, answer)


def test_notes_are_about_what_was_executed(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    assert made(tmp_path, content, 0, answer, [(step(0x60), step(0x55))]).notes == ()
    chain_id, block_hash = made(tmp_path, content, 0, answer, [(step(0x46),), (step(0x40),)]).notes
    assert chain_id == "CHAINID answers 1 in a state test, not 7330001"
    assert block_hash.startswith("BLOCKHASH answers otherwise")
    assert made(tmp_path, replace(content, chain_id=1), 0, answer, [(step(0x46),)]).notes == ()


def test_without_a_trace_notes_say_what_may_be(tmp_path: Path) -> None:
    abstained = Abstention(AbstentionReason.REFUSED, "this adapter serves no traces")
    notes = made(tmp_path, recorded(BLOCK), 0, answer, [(step(0x60),)], abstained).notes
    assert [note.split()[0] for note in notes] == ["CHAINID", "BLOCKHASH"]


def test_authorizations_for_another_chain_are_named(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    kinds = [decode_transaction(each).kind for each in block_transactions(bytes(content.block))]
    (note,) = made(tmp_path, content, kinds.index(SET_CODE), answer).notes
    assert note.startswith("authorizations for chain 7330001 do not count")


def test_requests_are_named(tmp_path: Path) -> None:
    def requesting(request: ExecutionRequest) -> Outcome:
        computed = answer(request)
        assert isinstance(computed, Computed)
        queue = {AT_THE_END[1]: PostAccount(1, len(computed.receipts), EMPTY_CODE)}
        return replace(computed, post_state=queue)

    (note,) = made(tmp_path, recorded(BLOCK), 0, requesting).notes
    assert note.startswith(f"0x{AT_THE_END[1].hex()} is changed by a system call at the end of the block")


def test_a_contract_of_unknown_code_is_without_it(tmp_path: Path) -> None:
    """What was created earlier in the block is named; what was there before was never run."""
    content = recorded(BLOCK)
    assert content.prestate is not None
    known = decode_prestate(content.prestate)
    there = next(address for address, account in known.items() if account and account.code_hash != EMPTY_CODE)

    def creating(request: ExecutionRequest) -> Outcome:
        computed = answer(request)
        assert isinstance(computed, Computed)
        return replace(computed, post_state={RICH: PostAccount(1, len(computed.receipts), b"\x77" * 32)})

    codeless = replace(content, witness=replace(content.witness, codes=[]))
    reproduction = made(tmp_path, codeless, 1, creating)
    test = reproduction.document[reproduction.name]
    assert test["pre"][f"0x{RICH.hex()}"] == {"nonce": "0x1", "balance": "0x1", "code": "0x", "storage": {}}
    assert test["pre"][f"0x{there.hex()}"]["code"] == "0x"
    (note,) = reproduction.notes
    assert note == f"0x{RICH.hex()} is without its code: the block created it earlier, and nobody tells it"
    changes = {RICH: PostAccount(1, 2, EMPTY_CODE)}
    after = {address: replace(account, code_hash=EMPTY_CODE) for address, account in state_of(known, changes).items()}
    assert test["post"]["Prague"][0]["hash"] == f"0x{root_of(after).hex()}"


def test_what_cannot_be_reproduced_is_said(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    with pytest.raises(ReproductionError, match="transactions, none of index 99"):
        made(tmp_path, content, 99, answer)

    def refuse(_: ExecutionRequest) -> Outcome:
        return Abstention(AbstentionReason.REFUSED, "does not execute in prestate mode")

    with pytest.raises(ReproductionError, match="geth computes nothing of the block cut short"):
        made(tmp_path, content, 0, refuse)
    early, _ = block_witness(1, header_rlp(0, bytes(32)))
    early = replace(early, chain_config=b'{"chainId":1337,"londonBlock":0}')
    with pytest.raises(ReproductionError, match="only from Paris on"):
        made(tmp_path, early, 0, answer)
