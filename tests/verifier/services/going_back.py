"""A process to be killed: goes back from an invalid block, with real ledgers, witness files and embedded executor."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
from tests.verifier.services.observing import Recorder
from verifier.app.embedded import NoSink
from verifier.domain.block import BlockReference
from verifier.domain.rollback import Rollback
from verifier.domain.status import BlockStatus
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.mover import Moved
from verifier.executors.stateful.source import FakeSource
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.chain import Chain
from verifier.services.rollback import Rollbacks
from witness.file import publish
from witness.header import decode_block_header
from witness.store import WitnessStore

LAST = 20  # blocks; later ones load the KZG set-up
TARGET = 10  # the block to go back to: what stands on it is invalid
HEADERS = [decode_block_header(block) for block in sample_blocks()[:LAST]]
HASHES = [header.hash for header in HEADERS]
GENESIS = HEADERS[0].parent_hash
CHAIN_ID = sample_genesis().config.chain_id
BAD = HASHES[TARGET]


@dataclass(frozen=True)
class Places:
    """Where everything is that outlives the process."""

    root: Path

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.db"

    @property
    def witnesses(self) -> Path:
        return self.root / "witnesses"

    @property
    def evidence(self) -> Path:
        return self.root / "evidence"

    @property
    def embedded(self) -> Path:
        return self.root / "embedded"

    @property
    def client(self) -> Path:
        return self.root / "client"


class FileClient:
    """An ExecutionMover of a client whose head is a file: it outlives whoever moves it. Its head is one of HASHES."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def head(self) -> bytes:
        return bytes.fromhex(self._path.read_text())

    @head.setter
    def head(self, block_hash: bytes) -> None:
        publish([block_hash.hex().encode()], self._path, sync=False)

    async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:
        """As ExecutionMover.move."""
        if HASHES.index(self.head) < HASHES.index(invalid.hash):
            return Moved("already")
        self.head = target.hash
        return Moved("forkchoice")


class TellingLedger(SqliteLedger):
    """Tells of every step that is stored."""

    messages: Connection

    def put_rollback(self, rollback: Rollback) -> None:
        super().put_rollback(rollback)
        self.messages.send(("step", rollback.step))


class TellingFollower(Follower):
    """Tells when it has gone back."""

    messages: Connection

    async def rollback(self, target: bytes, dead: Collection[bytes]) -> str:
        note = await super().rollback(target, dead)
        self.messages.send(("embedded", ""))
        return note


def go_back(messages: Connection, root: Path) -> None:
    """Resumes or begins. Sends ("head", number of the embedded head), ("step", …) for each, ("end", "")."""
    places = Places(root)
    with (
        TellingLedger(places.ledger, CHAIN_ID, GENESIS) as ledger,
        WitnessStore(places.witnesses, sync=False) as store,
    ):
        ledger.messages = messages
        asyncio.run(_go_back(messages, places, ledger, store))
    messages.send(("end", ""))


async def _go_back(messages: Connection, places: Places, ledger: SqliteLedger, store: WitnessStore) -> None:
    chain = Chain(ledger, Recorder())
    follower = TellingFollower(
        lambda: EmbeddedExecutor(places.embedded, sample_genesis(), NoSink(), sync=False), FakeSource()
    )
    follower.messages = messages
    head = await follower.start()
    messages.send(("head", head.number))
    carrying_out = Rollbacks(
        chain, ledger, store, follower, FileClient(places.client), Recorder(), evidence=places.evidence
    )
    await carrying_out.resume()
    if chain.blocks[BAD].status is not BlockStatus.INVALID:  # concluded, and not begun
        await carrying_out.run("", BAD, "2 lineages of 3 say INVALID")
    chain.close()
    await follower.close()
