"""Where the trusted chain starts: said loudly, and nowhere that cannot be trusted."""

import asyncio

import pytest

from tests.verifier.services.builders import header_rlp
from tests.verifier.services.observing import Recorder
from verifier.domain.standing import Standing
from verifier.domain.status import Concluded, ExecutorAnswered, ExecutorStatus
from verifier.ledger.base import FakeLedger
from verifier.ledger.errors import LedgerError, LedgerFullError
from verifier.services.anchoring import CheckpointError, establish_anchor
from verifier.services.catch_up import tracked_from
from verifier.services.chain import Chain
from witness.header import decode_header
from witness.model import Header

GENESIS, FINAL, OTHER = (decode_header(header_rlp(number, bytes(32))) for number in (0, 7, 9))


class Client:
    def __init__(self, final: Header | None = None) -> None:
        self.final = final

    async def header(self, block_hash: bytes) -> Header | None:
        return next((each for each in (GENESIS, FINAL, OTHER) if each.hash == block_hash), None)

    async def header_at(self, tag: str | int) -> Header | None:
        return GENESIS if tag == 0 else self.final


def start(ledger: FakeLedger, client: Client, **options: bytes) -> tuple[Chain, Recorder, str]:
    recorder = Recorder()
    chain = Chain(ledger, recorder)
    said = asyncio.run(establish_anchor(chain, client, recorder, 1, **options))
    return chain, recorder, said


@pytest.mark.parametrize(("final", "anchor"), [(None, GENESIS), (FINAL, FINAL)])
def test_without_anything_what_the_client_calls_final(final: Header | None, anchor: Header) -> None:
    chain, recorder, said = start(FakeLedger(), Client(final))
    assert chain.standing(anchor.hash).standing is Standing.VERIFIED
    assert recorder.alarms() == ["anchored"]
    assert said.startswith(f"starts from block {anchor.number} (0x")


def test_a_ledger_with_a_trusted_chain_goes_on() -> None:
    ledger = FakeLedger()
    start(ledger, Client(FINAL))
    chain, _, said = start(ledger, Client(OTHER))
    assert said.startswith("goes on from block 7 (0x")
    assert set(chain.blocks) == {FINAL.hash}


def test_a_configured_checkpoint() -> None:
    ledger = FakeLedger()
    chain, _, said = start(ledger, Client(FINAL), checkpoint=OTHER.hash, state_root=OTHER.state_root)
    assert set(chain.blocks) == {OTHER.hash}
    assert said.endswith("the configured checkpoint")
    chain, _, _ = start(ledger, Client(), checkpoint=OTHER.hash)
    assert chain.standing(OTHER.hash).standing is Standing.VERIFIED


def test_checkpoints_that_cannot_be_started_from() -> None:
    with pytest.raises(CheckpointError, match="does not have this block"):
        start(FakeLedger(), Client(), checkpoint=b"\x77" * 32)
    with pytest.raises(CheckpointError, match="not the configured one"):
        start(FakeLedger(), Client(), checkpoint=FINAL.hash, state_root=bytes(32))
    ledger = FakeLedger()
    chain = Chain(ledger, Recorder())
    chain.receive(tracked_from(1, FINAL))
    chain.apply(FINAL.hash, Concluded(False, "traces"))
    with pytest.raises(CheckpointError, match="is invalid: traces"):
        start(ledger, Client(), checkpoint=FINAL.hash)


def test_a_disputed_anchor_is_not_left_silently() -> None:
    ledger = FakeLedger()
    chain, _, _ = start(ledger, Client(FINAL))
    chain.apply(FINAL.hash, ExecutorAnswered(ExecutorStatus.INVALID))
    with pytest.raises(CheckpointError, match="is disputed"):
        start(ledger, Client(OTHER))


def test_a_restart_does_not_end_the_dispute_of_a_checkpoint() -> None:
    ledger = FakeLedger()
    chain, _, _ = start(ledger, Client(), checkpoint=FINAL.hash)
    chain.apply(FINAL.hash, ExecutorAnswered(ExecutorStatus.INVALID, "bad root"))
    with pytest.raises(CheckpointError, match="was trusted, and is disputed"):
        start(ledger, Client(), checkpoint=FINAL.hash)


def test_a_ledger_that_cannot_be_written() -> None:
    with pytest.raises(LedgerError, match="full"):
        start(FakeLedger(fail_with=LedgerFullError("ledger.db: full")), Client(FINAL))
