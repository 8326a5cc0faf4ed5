"""A block's witness, wherever it comes from, published for the adapters to read."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, Observer, WitnessPublished
from verifier.errors import VerifierError
from verifier.executors.stateful.errors import NoWitnessError
from verifier.executors.stateful.source import BlockSource
from witness.errors import WitnessError
from witness.file import check_binding
from witness.model import BlockWitness, Header
from witness.store import WitnessStore

GIVEN = "engine"  # the source of a witness that came with the execution client's answer


@dataclass(frozen=True, slots=True)
class Supplied:
    """A published witness. content: of the file at `path`. executed: the execution client has just executed it."""

    path: Path
    content: BlockWitness
    header: Header
    executed: bool


class WitnessSupply:
    """Takes, fetches and publishes witnesses.

    prepare: what is done to each before it is published (derive the sections of prestate mode); may raise as `obtain`.
    """

    def __init__(
        self,
        store: WitnessStore,
        source: BlockSource,
        observer: Observer,
        *,
        prepare: Callable[[BlockWitness], BlockWitness] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._source = source
        self._observer = observer
        self._prepare = prepare
        self._clock = clock
        self._store_fails = False

    async def obtain(
        self, block: BlockReference, given: BlockWitness | None, encoded: bytes | None, *, fresh: bool = False
    ) -> Supplied:
        """The witness of a block, published.

        given: the one that came with the execution client's answer. encoded: RLP of the block, if it is at hand.
        fresh: not the one that is stored already, if another can be had. Raises NoWitnessError, and whatever else of
        VerifierError says in one line why there is none.
        """
        started = self._clock()
        if given is not None:
            return await self._publish(block, given, GIVEN, started)
        stored = None if fresh else await self._stored(block)
        if stored is not None:
            return stored
        try:
            if encoded is None:
                encoded = await self._source.block(block.hash)
                if encoded is None:
                    raise NoWitnessError(f"the execution client does not have block {block}")
            recorded = await self._source.witness(encoded)
        except VerifierError:
            stored = await self._stored(block) if fresh else None
            if stored is None:
                raise
            return stored
        published = await self._publish(block, recorded.content, recorded.origin, started)
        return replace(published, executed=recorded.accepted)

    async def _stored(self, block: BlockReference) -> Supplied | None:
        try:
            content = await asyncio.to_thread(self._store.open, block.hash)
            path = self._store.path(block.hash)
            if content is None or path is None:
                return None
            return Supplied(path, content, _checked(block, content), executed=False)
        except (WitnessError, NoWitnessError):
            return None  # damaged, or another's: it is fetched again

    async def _publish(self, block: BlockReference, content: BlockWitness, source: str, started: float) -> Supplied:
        header = _checked(block, content)
        try:
            if self._prepare is not None:
                content = await asyncio.to_thread(self._prepare, content)
            # In a thread: some milliseconds a megabyte, tens where the store forces files to the disk.
            path = await asyncio.to_thread(self._store.publish, content)
        except (WitnessError, OSError) as error:
            why = f"the witness of block {block} cannot be published: {error}"
            if not self._store_fails:
                self._store_fails = True
                self._observer.notify(Alarm("witness_store_failed", why))
            raise NoWitnessError(why) from error
        self._store_fails = False
        size = sum(map(len, (*content.witness.state, *content.witness.codes, *content.witness.headers, content.block)))
        self._observer.notify(WitnessPublished(block, size, self._clock() - started, source))
        return Supplied(path, content, header, executed=False)


def _checked(block: BlockReference, content: BlockWitness) -> Header:
    """The header, if the content is of this block. Raises NoWitnessError."""
    if (content.chain_id, content.number, content.hash) != (block.chain_id, block.number, block.hash):
        named = BlockReference(content.chain_id, content.number, content.hash)
        raise NoWitnessError(f"the witness is of block {named} of chain {content.chain_id}, not of block {block}")
    try:
        return check_binding(content)
    except WitnessError as error:
        raise NoWitnessError(f"the witness of block {block}: {error}") from None
