"""What goes back from an invalid block, put together: which parts there are here, and which may be moved."""

from pathlib import Path

from verifier.domain.event import Observer
from verifier.domain.gate import GateMode
from verifier.domain.standing import Standing
from verifier.executors.stateful.engine_mover import EngineMover
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.mover import ExecutionMover, LeftAlone
from verifier.ledger.dispute_ledger import DisputeLedger
from verifier.services.chain import Chain
from verifier.services.rollback import Rollbacks
from witness.chain_config import parse_chain_config
from witness.store import WitnessStore

from .execution import Execution

WITNESSES = "witnesses"  # the directory of dead branches' witnesses, beside the bundles


def make_rollbacks(
    chain: Chain,
    ledger: DisputeLedger,
    store: WitnessStore,
    follower: Follower | None,
    execution: Execution,
    observer: Observer,
    *,
    chain_config: bytes,
    evidence: Path,
) -> Rollbacks:
    """Rollbacks of the sidecar. From now on the embedded executor takes no invalid block into its chain.

    evidence: the directory in which dead branches' witnesses get one of their own. chain_config: geth-genesis JSON.
    """
    if follower is not None:
        follower.invalid = lambda block_hash: chain.standing(block_hash).standing is Standing.INVALID
    mover = _mover(chain.mode, execution, chain_config)
    return Rollbacks(chain, ledger, store, follower, mover, observer, evidence=evidence / WITNESSES)


def _mover(mode: GateMode, execution: Execution, chain_config: bytes) -> ExecutionMover:
    """In monitor mode nothing is done to the client, and without the engine gate it is not ours to move."""
    if mode is GateMode.MONITOR:
        return LeftAlone('nothing is moved in mode "monitor"')
    if execution.calls is None:
        return LeftAlone("without the engine gate it cannot be moved")
    return EngineMover(execution.calls, execution.rpc, parse_chain_config(chain_config))
