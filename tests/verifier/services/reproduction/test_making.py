"""A state test made of a recorded block, with an executor that tells what we want of the block cut short."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.builders import block_witness, header_rlp
from tests.verifier.services.builders import computed_for as paris_values
from tests.verifier.services.test_derivation import recorded
from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Receipt
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.services.reproduction import Reproduction, ReproductionError, reproduce
from verifier.services.reproduction.state_test import EMPTY_CODE, root_of, state_of
from verifier.services.reproduction.transaction import block_transactions, decode_transaction
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.model import BlockWitness, PostAccount
from witness.prestate import decode_prestate

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


def made(
    directory: Path, content: BlockWitness, index: int, how: Callable[[ExecutionRequest], Outcome]
) -> Reproduction:
    path = write_witness_file(content, directory, sync=False)
    request = ExecutionRequest(path, content.hash, b"\x05" * 32, 30.0)
    return asyncio.run(reproduce(FakeExecutor("geth", "geth", how), request, index))


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


def test_what_cannot_be_reproduced_is_said(tmp_path: Path) -> None:
    content = recorded(BLOCK)
    with pytest.raises(ReproductionError, match="transactions, none of index 99"):
        made(tmp_path, content, 99, answer)

    def refuse(_: ExecutionRequest) -> Outcome:
        return Abstention(AbstentionReason.REFUSED, "does not execute in prestate mode")

    with pytest.raises(ReproductionError, match="geth computes nothing of the block cut short"):
        made(tmp_path, content, 0, refuse)
    codeless = replace(content, witness=replace(content.witness, codes=[]))
    with pytest.raises(ReproductionError, match="the witness lacks the code"):
        made(tmp_path, codeless, 0, answer)
    early, _ = block_witness(1, header_rlp(0, bytes(32)))
    early = replace(early, chain_config=b'{"chainId":1337,"londonBlock":0}')
    with pytest.raises(ReproductionError, match="only from Paris on"):
        made(tmp_path, early, 0, answer)
