"""What is found out about a disputed block: where the sides part, and the evidence that is kept of it.

The block's witness is secured first: retention, or going back from the block, may take it away at any time.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from verifier.domain.dispute import Dispute
from verifier.domain.event import Alarm, Observer
from verifier.domain.localization import Localization
from verifier.domain.result import Result
from verifier.domain.vote import Vote
from verifier.errors import VerifierError
from verifier.executors.stateless.base import ExecutionRequest
from witness.errors import WitnessError
from witness.file import map_witness_file
from witness.model import BlockWitness

from .judgement import Case

log = logging.getLogger(__name__)

SECURED = "witnesses"  # below the evidence directory: of blocks whose bundle is not written yet


class Localizing(Protocol):
    """Finds where sides part. `verifier.services.localizing.Localizer` does."""

    async def localize(
        self, request: ExecutionRequest, content: BlockWitness, results: Sequence[Result], votes: Sequence[Vote]
    ) -> Localization:
        """Where the sides part, as near as can be found. results: of the adapters. votes: the execution client's too.

        Raises WitnessError.
        """


# Writes a bundle and returns its name: the dispute, where its sides part, the case. Blocks for the disk.
BundleWriter = Callable[[Dispute, Localization | None, Case], str]
# Removes a bundle if a newer one has all that is in it; both by name, the older one first. Blocks for the disk.
BundleRemover = Callable[[str, str], object]


class Analyst(Protocol):
    """What `disputing.Disputes` asks for."""

    async def secure(self, case: Case) -> None:
        """Keeps the block's witness where nothing takes it away. May be called again."""

    async def localize(self, case: Case) -> Localization | None:
        """Where the sides part; None where that could not be looked for."""

    async def keep(self, dispute: Dispute, localization: Localization | None, case: Case) -> str:
        """Writes the evidence and returns its name, "" where it could not be written."""

    async def discard(self, older: str, newer: str) -> None:
        """Removes evidence of that name that is all in the newer one, which the ledger has by now."""


class Analyses:
    """An Analyst. directory: of the evidence, made when it is needed. One block is localized at a time.

    remove: without it every bundle is kept.

    Alarms: evidence_not_kept, disagreement_not_localized.
    """

    def __init__(
        self,
        directory: Path,
        localizer: Localizing,
        write: BundleWriter,
        observer: Observer,
        *,
        remove: BundleRemover = lambda *_: None,
    ) -> None:
        self._directory = directory
        self._localizer = localizer
        self._write = write
        self._remove = remove
        self._observer = observer
        self._secured: dict[bytes, Path] = {}
        self._alone = asyncio.Lock()
        self._securing = asyncio.Lock()  # going back and the analysis both ask for it

    async def secure(self, case: Case) -> None:
        """As Analyst.secure."""
        async with self._securing:
            if case.block.hash in self._secured:
                return
            target = self._directory / SECURED / case.request.witness.name
            try:
                await asyncio.to_thread(_copy, case.request.witness, target)
            except OSError as error:
                self._alarm("evidence_not_kept", case, f"its witness: {error.strerror or error}")
            else:
                self._secured[case.block.hash] = target

    async def localize(self, case: Case) -> Localization | None:
        """As Analyst.localize."""
        request = self._request(case)
        try:
            content = await asyncio.to_thread(map_witness_file, request.witness)
            async with self._alone:
                return await self._localizer.localize(request, content, case.results, case.given)
        except (VerifierError, WitnessError, OSError) as error:
            self._alarm("disagreement_not_localized", case, str(error))
            return None

    async def keep(self, dispute: Dispute, localization: Localization | None, case: Case) -> str:
        """As Analyst.keep. The witness is then in the bundle, and is secured besides only while the dispute is open."""
        try:
            name = await asyncio.to_thread(self._write, dispute, localization, self._with_secured(case))
        except (VerifierError, WitnessError, OSError) as error:
            self._alarm("evidence_not_kept", case, str(error))
            return ""
        if not dispute.open:
            secured = self._secured.pop(case.block.hash, None)
            if secured is not None:
                secured.unlink(missing_ok=True)
        return name

    async def discard(self, older: str, newer: str) -> None:
        """As Analyst.discard."""
        try:
            await asyncio.to_thread(self._remove, older, newer)
        except OSError as error:  # then there are two: nothing is lost
            log.warning("the evidence %s, which is all in %s, is not removed: %s", older, newer, error)

    def _request(self, case: Case) -> ExecutionRequest:
        secured = self._secured.get(case.block.hash)
        return case.request if secured is None else replace(case.request, witness=secured)

    def _with_secured(self, case: Case) -> Case:
        return replace(case, request=self._request(case))

    def _alarm(self, name: str, case: Case, why: str) -> None:
        self._observer.notify(Alarm(name, f"block {case.block}: {' '.join(why.split())}"))


def _copy(source: Path, target: Path) -> None:
    """Makes a file appear at `target`, whole: a link where that is possible, else a copy. Raises OSError."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            os.link(source, temporary)
        except OSError:  # on another file system; or it is gone, and copying says so
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeAnalyst:
    """An Analyst that finds what it is told, while `opened` is set; it secures while `secured` is.

    asked: (what, block hash) in their order; what is secured when it is. name: of every bundle; "" for numbered ones.
    discarded: names of evidence, each with that of the newer one.
    """

    localization: Localization | None = None
    name: str = "bundle"
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    bundled: list[tuple[Dispute, Localization | None, Case]] = field(default_factory=list)
    discarded: list[tuple[str, str]] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=_set)
    secured: asyncio.Event = field(default_factory=_set)

    async def secure(self, case: Case) -> None:
        """As Analyst.secure."""
        await self.secured.wait()
        self.asked.append(("secure", case.block.hash))

    async def localize(self, case: Case) -> Localization | None:
        """As Analyst.localize."""
        self.asked.append(("localize", case.block.hash))
        await self.opened.wait()
        return self.localization

    async def keep(self, dispute: Dispute, localization: Localization | None, case: Case) -> str:
        """As Analyst.keep."""
        self.asked.append(("keep", case.block.hash))
        self.bundled.append((dispute, localization, case))
        return self.name if self.name else f"bundle {len(self.bundled)}"

    async def discard(self, older: str, newer: str) -> None:
        """As Analyst.discard."""
        self.discarded.append((older, newer))
