"""The examination of one adapter: check after check, each finding as it comes, and the process kept up between them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence

from .catalogue import Entry
from .errors import AdapterStartError
from .evidence import Evidence
from .obligation import Finding, Report
from .subject import Subject

log = logging.getLogger(__name__)

CHECK_TIMEOUT = 300.0  # seconds for one check; the longest, with recoveries, take a third of it
LAST = "process.lifeline-busy"  # it ends the process, and nothing has to be started again after it


async def examine(subject: Subject, entries: Sequence[Entry]) -> AsyncIterator[Finding]:
    """One finding an entry, in order. Never raises for what the adapter does: that is what the findings are about."""
    gone = ""
    for entry in entries:
        started = time.monotonic()
        evidence = Evidence()
        if gone:
            evidence.expect(False, f"not tried: {gone}")
        else:
            await _run(subject, entry, evidence)
            if entry.obligation.id != LAST:
                gone = await _kept_up(subject, evidence)
        yield evidence.finding(entry.obligation, time.monotonic() - started)


async def _run(subject: Subject, entry: Entry, evidence: Evidence) -> None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await entry.check(subject, evidence)
    except TimeoutError:
        evidence.expect(False, f"not done within {CHECK_TIMEOUT:.0f} s")
    except AdapterStartError as error:
        evidence.expect(False, str(error))


async def _kept_up(subject: Subject, evidence: Evidence) -> str:
    """Starts the adapter anew where the check ended it, which is a breach; says why if that is not possible."""
    instance = subject.instance
    if instance is None:
        if await subject.connection.describe() is None:
            evidence.expect(False, "it does not answer any more")
            return "the adapter does not answer any more"
        return ""
    if instance.running:
        return ""
    evidence.expect(False, f"the process ended: {instance.ending()}")
    try:
        await subject.restart()
    except AdapterStartError as error:
        return f"it could not be started again: {error}"
    return ""


def report(subject: Subject, findings: Sequence[Finding]) -> Report:
    """All findings of one examination."""
    described = subject.description
    return Report(subject.name, f"{described.client_name} {described.client_version}", tuple(findings))
