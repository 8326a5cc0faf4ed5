"""Two beacon nodes behind sidecars hold a block, and import it, before they are told that it is INVALID.

The story of one network, told once for many tests. Five of eight validators stand behind an unguarded beacon node whose
geth has a bug; it proposes the bad block, and goes on upon it. The others are two guarded participants. The first has a
correct geth that is too busy to answer just then. The second has the bug too; its operator puts a correct geth on the
same data, and rejects the block. The bad branch has the most votes all the time, so that nobody leaves it but who is
told that it is INVALID; it never has the two thirds that would justify it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.sidecar.beacon_tap import BeaconTap, Posted
from tests.end_to_end.sidecar.guarded_participant import POLL, GuardedParticipant
from tests.end_to_end.sidecar.majority_story import Block, Logged, payload
from tests.peers.installation import require_geth
from tests.peers.json_rpc import get
from tests.peers.lodestar import BeaconNode, Rules
from tests.peers.mutated_geth import POWER_INIT, WRONG_POWER, mutated_geth
from tests.peers.network import Participant, free_port, shanghai_genesis
from verifier.demo.genesis import wallets
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call

# Three participants on two cores need four seconds. The long epoch leaves a guarded validator the time to get its turn.
RULES = Rules("mainnet", validators=64, seconds_per_slot=4)
GENESIS_DELAY = 30  # seconds; three beacon nodes and validator clients start meanwhile
SETTLED_SLOT = 4  # when everybody follows everybody's blocks
DESCENDANTS = 2  # of the bad block, while it is held: more votes than a proposal of the valid branch has at once
NEW_BLOCKS = 2  # of the valid branch, above the parent of the bad block
STEP_TIMEOUT = 120.0  # seconds for what waits for somebody's turn to propose, three slots in eight
SETTINGS: dict[str, dict[str, Any]] = {
    # m = 3, n = 2: light, as there are two of them.
    "adapters": {"live": ["ethrex", "revm"], "late": [], "verdict_seconds": 2.0},
    "engine": {"hold_answer": "syncing", "hold_seconds": 1.0},
    "beacon": {"hold_seconds": 1.0},
}
GUARDED, UNGUARDED = range(24), range(24, RULES.validators)
EACH = len(GUARDED) // 2


@dataclass(repr=False)  # it is long
class Seen:
    """What one guarded participant did. optimistic: that it imported the bad block without knowing whether it is valid.

    chain: its canonical blocks at the end, by slot; head: the root of the last. canonical: the execution block that its
    geth has at the height of the bad one. votes: that its validator client got through.
    """

    log: Logged = field(default_factory=list)
    optimistic: bool = False
    chain: dict[int, Block] = field(default_factory=dict)
    canonical: str = ""
    votes: list[Posted] = field(default_factory=list)
    head: str = ""


@dataclass(repr=False)  # it is long
class Story:
    """bad: roots of the bad block and its descendants, hashes: of their payloads. parent: slot of the last good block.

    seen: by the two guarded participants.
    """

    parent: int = 0
    bad: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


def tell(directory: Path) -> Story:
    """Runs the network through the story. Takes about two minutes. Raises PeerError, TimeoutError."""
    document = shanghai_genesis()
    with ExitStack() as stack:
        guarded: list[GuardedParticipant] = []
        taps: list[BeaconTap] = []
        members = (
            ("first", require_geth(), GUARDED[:EACH]),
            ("second", mutated_geth(WRONG_POWER), GUARDED[EACH:]),
        )
        for name, binary, keys in members:
            port = free_port()
            taps.append(stack.enter_context(BeaconTap(f"http://127.0.0.1:{port}")))
            clients = Participant(directory / name, binary, document, RULES, keys)
            participant = GuardedParticipant(clients, SETTINGS, beacon_url=taps[-1].url, beacon_port=port)
            guarded.append(stack.enter_context(participant))
        buggy = Participant(directory / "buggy", mutated_geth(WRONG_POWER), document, RULES, UNGUARDED)
        stack.enter_context(buggy)
        _start(guarded, buggy)
        return _hold_and_refuse(guarded, taps, buggy)


def _start(guarded: Sequence[GuardedParticipant], buggy: Participant) -> None:
    first, *others = guarded
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(each.start_sidecar) for each in guarded]:
            done.result()
        first.start_beacon(delay=GENESIS_DELAY)
        genesis = first.clients.genesis
        starting = [pool.submit(each.start_beacon, genesis) for each in others]
        starting.append(pool.submit(buggy.start_beacon, genesis=genesis))
        for each in starting:
            each.result()
        nodes = [each.beacon for each in guarded] + [buggy.beacon]
        for at, node in enumerate(nodes):
            for other in nodes[at + 1 :]:
                node.connect(other)
        for each in [*(pool.submit(each.start_validator) for each in guarded), pool.submit(buggy.start_validator)]:
            each.result()


def _hold_and_refuse(guarded: Sequence[GuardedParticipant], taps: Sequence[BeaconTap], buggy: Participant) -> Story:
    nodes = [each.beacon for each in guarded]
    _until(
        lambda: len({_head(node)["root"] for node in [*nodes, buggy.beacon]}) == 1 and _slot(nodes[0]) >= SETTLED_SLOT
    )
    story = Story(seen=[Seen() for _ in guarded])
    first, second = guarded
    _wait_for_turn(buggy, nodes)
    with _frozen(first.clients.geth.process.pid):
        transaction = wallets()["visitor"].sign(DYNAMIC_FEE, Call(data=POWER_INIT, gas=200_000))
        sent = buggy.geth.call("eth_sendRawTransaction", f"0x{transaction.hex()}")
        _until(lambda: buggy.geth.call("eth_getTransactionReceipt", sent) is not None)
        bad_hash = buggy.geth.call("eth_getTransactionReceipt", sent)["blockHash"]
        _until(lambda: bool(_found(buggy.beacon, bad_hash)))  # its own client was the first to know
        ((root, bad),) = _found(buggy.beacon, bad_hash)
        story.parent = _slot_of(buggy.beacon, bad["parent_root"])
        for node, seen in zip(nodes, story.seen, strict=True):
            _until(lambda node=node: root in _chain(node, story.parent))  # type: ignore[misc]
            seen.optimistic = _optimistic(node)
        branch = _Branch(buggy.beacon, root, story.parent)
        _until(lambda: len(branch.blocks()) > DESCENDANTS)
    first.sidecar.wait_for_log(rf'"hash": "{bad_hash}".*"event": "invalid"', timeout=STEP_TIMEOUT)
    second.sidecar.wait_for_log(rf'"hash": "{bad_hash}".*"event": "disputed"', timeout=STEP_TIMEOUT)
    story.seen[1].log = second.sidecar.logged()
    _replace_and_reject(second, bad_hash, int(payload(bad)["block_number"]) - 1)
    _until(lambda: bool(branch.blocks()) and all(_rebuilt(_chain(node, story.parent), root) for node in nodes))
    for node, tap in zip(nodes, taps, strict=True):
        _until(lambda node=node, tap=tap: bool(tap.votes_for(_chain(node, story.parent))))  # type: ignore[misc]
    _until(lambda: len({_head(node)["root"] for node in nodes}) == 1)
    story.bad = list(branch.blocks())
    story.hashes = [payload(block)["block_hash"] for block in branch.blocks().values()]
    for each, tap, seen in zip(guarded, taps, story.seen, strict=True):
        seen.votes = tap.votes
        seen.head, head = _head(each.beacon)["root"], _slot(each.beacon)
        found = {slot: each.beacon.block(slot) for slot in range(1, head + 1)}
        seen.chain = {slot: block for slot, block in found.items() if block is not None}
        seen.canonical = each.clients.geth.block_hash(hex(int(payload(bad)["block_number"])))
        seen.log += each.sidecar.logged()
    return story


def _replace_and_reject(participant: GuardedParticipant, block_hash: str, parent: int) -> None:
    """What an operator does whose execution client is wrong (docs/operations.md). parent: its block number."""
    geth, sidecar = participant.clients.geth, participant.sidecar
    sidecar.stop()
    geth.stop()
    geth.binary = require_geth()
    geth.start()
    geth.call("debug_setHead", hex(parent))  # just started, it ignores a fork choice of an ancestor of its head
    command = [sys.executable, "-m", "verifier.cli.main", "ledger", "reject", "--ledger", str(sidecar.ledger)]
    done = subprocess.run(
        [*command, block_hash, "--why", "two of three lineages refuse it"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    participant.start_sidecar()


def _wait_for_turn(proposer: Participant, nodes: Sequence[BeaconNode]) -> None:
    """Waits until it proposes the next block, all have this one, and there is time left to put something into it.

    The client that is about to be busy must miss the bad block alone: without its parent it would never judge it.
    """
    genesis = proposer.genesis
    for _, event in proposer.beacon.events("block", timeout=STEP_TIMEOUT):
        slot = int(event["slot"])
        duties = proposer.beacon.get(f"/eth/v1/validator/duties/proposer/{(slot + 1) // RULES.slots_per_epoch}")
        turns = {int(each["slot"]): int(each["validator_index"]) for each in duties}
        index = turns.get(slot + 1, -1)  # it may not be told yet where an epoch begins
        in_time = genesis.time + (slot + 0.5) * RULES.seconds_per_slot
        while index in proposer.keys and time.time() < in_time:
            if all(_head(node)["root"] == event["block"] and not _optimistic(node) for node in nodes):
                return
            time.sleep(POLL)
    raise AssertionError("the stream of events ended")


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile, as on a machine that is out of memory."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class _Branch:
    """The blocks from `root` on that a beacon node has had in its chain, above a slot."""

    def __init__(self, node: BeaconNode, root: str, above: int) -> None:
        self._node, self._root, self._above = node, root, above
        self._seen: dict[str, Block] = {}

    def blocks(self) -> dict[str, Block]:
        """By root, the lowest first; it is looked at now."""
        chain = _chain(self._node, self._above)
        if self._root in chain:  # else it has left the branch
            self._seen.update(chain)
        return self._seen


def _rebuilt(above: dict[str, Block], bad: str) -> bool:
    """Whether a chain above the last good block stands without the bad one."""
    return len(above) >= NEW_BLOCKS and bad not in above


def _chain(node: BeaconNode, above: int) -> dict[str, Block]:
    """The blocks of its chain above a slot, by root, the lowest first."""
    found: dict[str, Block] = {}
    root = _head(node)["root"]
    while (block := node.block(root)) is not None and int(block["slot"]) > above:
        found[root] = block
        root = block["parent_root"]
    return dict(reversed(found.items()))


def _found(node: BeaconNode, block_hash: str) -> list[tuple[str, Block]]:
    """The root and the beacon block with this payload, if its chain has it by now."""
    return [(root, block) for root, block in _chain(node, 0).items() if payload(block)["block_hash"] == block_hash]


def _head(node: BeaconNode) -> dict[str, Any]:
    head: dict[str, Any] = node.get("/eth/v1/beacon/headers/head")
    return head


def _slot(node: BeaconNode) -> int:
    return int(_head(node)["header"]["message"]["slot"])


def _slot_of(node: BeaconNode, root: str) -> int:
    return int(node.get(f"/eth/v1/beacon/headers/{root}")["header"]["message"]["slot"])


def _optimistic(node: BeaconNode) -> bool:
    return bool(get(f"{node.url}/eth/v1/beacon/headers/head")["execution_optimistic"])


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STEP_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what the network was to do did not happen: see the logs of its clients")
        time.sleep(POLL)
