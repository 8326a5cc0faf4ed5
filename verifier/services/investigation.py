"""What is to be found out of each dispute, and when: the witness is secured, the place looked for, evidence kept."""

import asyncio
from functools import partial

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Dispute, with_evidence
from verifier.domain.event import DisagreementLocalized, Observer
from verifier.domain.localization import Localization

from .analysis import Analyst
from .background import Background
from .docket import Docket
from .judgement import Case


class Investigations:
    """Of all disputes of a sidecar, in the background. analyst: None where nothing is analysed. For one event loop."""

    def __init__(self, docket: Docket, analyst: Analyst | None, background: Background, observer: Observer) -> None:
        self._docket = docket
        self._analyst = analyst
        self._background = background
        self._observer = observer
        self._cases: dict[bytes, Case] = {}
        self._localizations: dict[bytes, Localization] = {}
        self._analysing: dict[bytes, asyncio.Lock] = {}
        docket.evidence_replaced = self._discard
        # The disputes as their bundles have them.
        self._bundled = {each.block.hash: with_evidence(each, "") for each in docket if each.evidence}

    def take(self, case: Case) -> None:
        """All that is known of a disputed block by now."""
        self._cases[case.block.hash] = case

    def unseen(self, dispute: Dispute) -> bool:
        """Whether nothing is there to analyse: the dispute was opened or ended by words alone."""
        return self._analyst is not None and not dispute.evidence and dispute.block.hash not in self._cases

    async def secure(self, block_hash: bytes) -> None:
        """Keeps the block's witness, if one is known, where nothing takes it away."""
        case = self._cases.get(block_hash)
        if self._analyst is not None and case is not None:
            await self._analyst.secure(case)

    def look_into(self, dispute: Dispute) -> None:
        """Localizes once there is a conclusion, or nobody is left to ask; bundles when all have answered."""
        case = self._cases.get(dispute.block.hash)
        if self._analyst is None or case is None or (dispute.open and not case.ended):
            return
        if self._bundled.get(dispute.block.hash) == with_evidence(dispute, ""):
            return  # nothing new was said
        self._background.begin(partial(self._localize_and_keep, self._analyst, case.block), f"analysis {dispute.id}")

    async def _localize_and_keep(self, analyst: Analyst, block: BlockReference) -> None:
        async with self._analysing.setdefault(block.hash, asyncio.Lock()):
            case = self._cases.get(block.hash)
            if case is None:
                return
            await analyst.secure(case)
            localization = self._localizations.get(block.hash)
            if localization is None:
                localization = await analyst.localize(case)
                if localization is not None:
                    self._localizations[block.hash] = localization
                    self._observer.notify(DisagreementLocalized(localization))
            case, dispute = self._cases[block.hash], self._docket.on(block.hash)
            if case.ended and dispute is not None:
                name = await analyst.keep(dispute, localization, case)
                if name:
                    self._bundled[block.hash] = with_evidence(dispute, "")
                    self._docket.put(with_evidence(self._docket.on(block.hash) or dispute, name))
                if not dispute.open:
                    self._forget(block.hash)

    def _discard(self, dispute: Dispute, older: str) -> None:
        if self._analyst is not None:
            work = partial(self._analyst.discard, older, dispute.evidence)
            self._background.begin(work, f"evidence {dispute.id}")

    def _forget(self, block_hash: bytes) -> None:
        self._cases.pop(block_hash, None)
        self._localizations.pop(block_hash, None)
        self._analysing.pop(block_hash, None)
