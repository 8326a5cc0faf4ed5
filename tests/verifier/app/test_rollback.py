"""Who may be moved, by mode and gate; and that an invalid block is kept out of the embedded executor's chain."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.verifier.domain.block_trees import name, tracked
from tests.verifier.services.builders import CONFIG, header_rlp
from tests.verifier.services.observing import Recorder
from verifier.app.execution import Execution
from verifier.app.rollback import make_rollbacks
from verifier.domain.event import Alarm
from verifier.domain.gate import GateMode
from verifier.domain.rollback import RollbackStep
from verifier.domain.status import Anchored, Concluded, advance
from verifier.executors.stateful.engine_api import ExecutionRpc
from verifier.executors.stateful.fake import FakeStatefulExecutor
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.source import FakeSource
from verifier.ledger.base import FakeLedger
from verifier.ledger.dispute_ledger import FakeDisputeLedger
from verifier.services.chain import Chain
from witness.store import WitnessStore


@pytest.mark.parametrize(
    ("mode", "gate", "why"),
    [
        (GateMode.MONITOR, True, 'nothing is moved in mode "monitor"'),
        (GateMode.EVERY_BLOCK, False, "without the engine gate it cannot be moved"),
        (GateMode.EVERY_BLOCK, True, "cannot be reached"),
    ],
)
def test_who_may_be_moved(tmp_path: Path, mode: GateMode, gate: bool, why: str) -> None:
    recorder = Recorder()

    async def scenario() -> RollbackStep:
        chain = Chain(FakeLedger(), recorder, mode)
        chain.receive(advance(tracked(1, 0, 7), Anchored("configured")), tracked(2, 1, 8))
        follower = Follower(lambda: FakeStatefulExecutor(header_rlp(0, bytes(32))), FakeSource())
        async with aiohttp.ClientSession() as session:
            client = ExecutionRpc("http://127.0.0.1:1", session)  # nothing listens there
            rollbacks = make_rollbacks(
                chain,
                FakeDisputeLedger(),
                WitnessStore(tmp_path / "witnesses"),
                follower,
                Execution(None, client, client if gate else None),
                recorder,
                chain_config=CONFIG,
                evidence=tmp_path / "evidence",
            )
            rollbacks.pause = _at_once
            rollback = await rollbacks.run("", name(2), "a person said so")
        chain.apply(name(2), Concluded(valid=False, why="a person"))
        assert follower.invalid(name(2))
        assert not follower.invalid(name(1))
        assert not follower.invalid(name(3))
        return rollback.step

    step = asyncio.run(scenario())
    assert step is (RollbackStep.EMBEDDED if "reached" in why else RollbackStep.DONE)
    (alarm,) = [each for each in recorder.of(Alarm) if each.name == "execution_client_not_moved"]
    assert why in alarm.text


async def _at_once(_: float) -> None:
    """No time passes."""
