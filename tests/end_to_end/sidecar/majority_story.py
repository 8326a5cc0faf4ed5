"""A chain whose every block is attested and final; then its execution client turns out to have a bug.

The story of one network, told once for many tests: a geth with one rule changed, which nothing trips before the story
wants it, the sidecar, Lodestar's beacon node and validator client. Everybody who proposes here has the bug.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.sidecar.beacon_tap import BeaconTap, Posted
from tests.end_to_end.sidecar.guarded_participant import POLL, GuardedParticipant
from tests.peers.installation import require_geth
from tests.peers.lodestar import SLOTS_PER_EPOCH
from tests.peers.mutated_geth import POWER_INIT, WRONG_POWER, mutated_geth
from tests.peers.network import Participant, Participation, free_port, participation
from verifier.demo.genesis import wallets
from verifier.demo.traffic import Traffic
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call

HONEST_SLOTS = 3 * SLOTS_PER_EPOCH
BAD_PROPOSALS = 3  # until the operator replaces the client
NEW_BLOCKS = 4  # after that
DESCENDANTS = 3  # of the bad block that the beacon node was told to be VALID
SETTINGS: dict[str, dict[str, Any]] = {
    # With geth behind the gate: m = 4, n = 3. Slots have 3 s, attestations are due after one.
    "adapters": {"live": ["geth", "ethrex", "revm", "ethereumjs"], "late": ["pyevm"], "verdict_seconds": 2.0},
    "engine": {"hold_answer": "error", "hold_seconds": 2.0},
    "beacon": {"hold_seconds": 1.0},
}
STEP_TIMEOUT = 60.0  # seconds for what takes a few slots
Block = dict[str, Any]  # a beacon block, as the Beacon API has it
Logged = list[dict[str, Any]]


@dataclass(repr=False)  # it is long
class Story:
    """What was seen. blocks: that the beacon node imported, by root, in their order. Hashes and roots are 0x-hex.

    First act, all honest: `honest` is what slots 1 to `honest_slot` hold, `honest_log` what the sidecar logged.
    Second act, the bug, with hold_answer = "error": `parent` is the last good block's slot, `refused` the bad payloads.
    Third act, the client replaced: `recovered` is what slots up to `recovered_slot` hold.
    Fourth act, the bug again, with "pass": `bad` are the roots of the bad block and its descendants.
    votes: what reached the beacon node. pool: its aggregates in the fourth act. log: of both acts with the bug.
    """

    blocks: dict[str, Block] = field(default_factory=dict)
    honest_slot: int = 0
    honest: Participation = field(default_factory=lambda: Participation({}, frozenset()))
    honest_log: Logged = field(default_factory=list)
    finalized: int = 0
    parent: int = 0
    refused: list[str] = field(default_factory=list)
    refused_log: Logged = field(default_factory=list)
    recovered_slot: int = 0
    recovered: Participation = field(default_factory=lambda: Participation({}, frozenset()))
    bad: list[str] = field(default_factory=list)
    passed_log: Logged = field(default_factory=list)
    pool: list[dict[str, Any]] = field(default_factory=list)
    votes: list[Posted] = field(default_factory=list)

    @property
    def good(self) -> set[str]:
        """Roots of all blocks that may be voted for: those that are not bad, the genesis block too."""
        good = self.blocks.keys() - set(self.bad)
        return good | {self.blocks[root]["parent_root"] for root in good}

    @property
    def bad_hashes(self) -> set[str]:
        """Hashes of the payloads that the bug made, and of those that stand on them."""
        return {payload(self.blocks[root])["block_hash"] for root in self.bad} | set(self.refused)


def payload(block: Block) -> dict[str, Any]:
    """The execution payload of a beacon block."""
    found: dict[str, Any] = block["body"]["execution_payload"]
    return found


def tell(directory: Path) -> Story:
    """Runs the network through the story. Takes about three and a half minutes. Raises PeerError, TimeoutError."""
    port = free_port()
    with ExitStack() as stack:
        tap = stack.enter_context(BeaconTap(f"http://127.0.0.1:{port}"))
        clients = Participant(directory, mutated_geth(WRONG_POWER))
        guarded = GuardedParticipant(clients, SETTINGS, beacon_url=tap.url, beacon_port=port)
        stack.enter_context(guarded)
        teller = _Teller(guarded)
        teller.honest()
        teller.refused()
        teller.replaced()
        teller.passed()
        teller.story.votes = tap.votes
        return teller.story


class _Teller:
    def __init__(self, guarded: GuardedParticipant) -> None:
        self.story = Story()
        self._guarded = guarded
        self._traffic = Traffic("shanghai")
        self._visitor = wallets()["visitor"]
        self._number = 0
        self._tripping = ""
        self._events: Iterator[tuple[str, Any]] = iter(())

    def honest(self) -> None:
        """Three epochs and more, until something is final."""
        guarded, story = self._guarded, self.story
        guarded.start_sidecar()
        guarded.start_beacon()
        guarded.start_validator()
        self._events = guarded.beacon.events("block", timeout=STEP_TIMEOUT)  # one stream: none is missed
        story.honest_slot = self._follow(lambda head: head >= HONEST_SLOTS and guarded.beacon.finalized_epoch() > 0)
        story.finalized = guarded.beacon.finalized_epoch()
        story.honest = participation(guarded.beacon, story.honest_slot)
        story.honest_log = guarded.sidecar.logged()

    def refused(self) -> None:
        """Every proposal trips the bug, as its transaction stays in the pool; none is imported."""
        guarded, story = self._guarded, self.story
        mark = guarded.sidecar.mark()
        self._trip()
        self._until(lambda: len(self._disputed(mark)) >= BAD_PROPOSALS)
        story.parent = self._head()
        story.refused = self._disputed(mark)
        story.refused_log = guarded.sidecar.logged(mark)

    def replaced(self) -> None:
        """The operator starts a correct geth on the same data and ports; nothing else is touched."""
        guarded, story = self._guarded, self.story
        self._replace_geth(require_geth())
        head = self._follow(lambda head: head > story.parent)
        story.recovered_slot = self._follow(lambda slot: slot >= head + NEW_BLOCKS)
        story.recovered = participation(guarded.beacon, story.recovered_slot)

    def passed(self) -> None:
        """The geth with the bug again, and a beacon node that is told VALID: proposals stand on the bad block."""
        guarded, story = self._guarded, self.story
        guarded.sidecar.stop()
        guarded.sidecar.settings["engine"]["hold_answer"] = "pass"
        # A dispute's INVALID would come after VALID, which stops Lodestar's fork choice (docs/operations.md).
        guarded.sidecar.settings["disputes"]["enabled"] = False
        guarded.start_sidecar()
        self._replace_geth(mutated_geth(WRONG_POWER))
        head = self._head()
        self._follow(lambda slot: slot > head)  # all is well again
        mark = guarded.sidecar.mark()
        self._trip()
        self._follow(lambda _: len(self._find_bad()) > DESCENDANTS)
        story.bad = self._find_bad()
        story.passed_log = guarded.sidecar.logged(mark)

    def _find_bad(self) -> list[str]:
        """Roots of blocks with the last transaction that trips the bug, and of those that stand on them."""
        bad: list[str] = []
        for root, block in self.story.blocks.items():
            if self._tripping in payload(block)["transactions"] or block["parent_root"] in bad:
                bad.append(root)
        return bad

    def _trip(self) -> None:
        encoded = self._visitor.sign(DYNAMIC_FEE, Call(data=POWER_INIT, gas=200_000))
        self._tripping = f"0x{encoded.hex()}"
        self._guarded.clients.geth.send([encoded])

    def _replace_geth(self, binary: Path) -> None:
        geth = self._guarded.clients.geth
        geth.stop()
        geth.binary = binary
        geth.start()

    def _disputed(self, mark: int) -> list[str]:
        """Hashes of payloads that came to be disputed, each once."""
        return list(dict.fromkeys(each["hash"] for each in self._guarded.events("disputed", mark)))

    def _head(self) -> int:
        return int(self._guarded.beacon.get("/eth/v1/beacon/headers/head")["header"]["message"]["slot"])

    def _follow(self, enough: Callable[[int], bool]) -> int:
        """Collects the beacon node's blocks, with new transactions after each, until one's slot is enough."""
        beacon = self._guarded.beacon
        for _, event in self._events:
            slot, root = int(event["slot"]), str(event["block"])
            block = beacon.block(root)
            assert block is not None, root
            self.story.blocks[root] = block
            self.story.pool += beacon.get("/eth/v1/beacon/pool/attestations")
            if enough(slot):
                return slot
            self._number += 1
            self._guarded.clients.geth.send(self._traffic.transactions(self._number))
        raise AssertionError("the stream of events ended")

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STEP_TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self._guarded.sidecar.process.tail())
            time.sleep(POLL)
