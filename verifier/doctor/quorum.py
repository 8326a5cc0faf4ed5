"""The adapters and the quorum: whether those who count are there and fast enough, and whether n of m is sensible."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from verifier.app.voters import Adapter, Voters, find_voters
from verifier.configuration.reading import EffectiveConfiguration
from verifier.errors import ConfigurationError
from verifier.executors.stateful.follower import LINEAGE
from verifier.executors.stateless.inspection import Inspection, inspect
from verifier.executors.stateless.manifest import Manifest

from .finding import Finding, fail, ok, warn

# On full mainnet blocks these take seconds (docs/performance.md): as live ones they would often not count.
SLOW = frozenset({"eels", "pyevm"})


async def check_quorum(effective: EffectiveConfiguration) -> AsyncIterator[Finding]:
    """Findings on [adapters] and [quorum]. Has every adapter of this machine describe itself."""
    try:
        voters = find_voters(effective)
    except ConfigurationError as error:
        yield fail("quorum", str(error), "see docs/operations.md on choosing n")
        return
    inspections = await asyncio.gather(*(inspect(each) for each in voters.manifests))
    states = {each.manifest.name: each for each in inspections}
    for live, adapters in ((True, voters.live), (False, voters.late)):
        for each in adapters:
            yield _adapter(each, states.get(each.name), live=live)
    for finding in _policy(effective, voters, states):
        yield finding


def _adapter(adapter: Adapter, inspection: Inspection | None, *, live: bool) -> Finding:
    subject = f"adapter {adapter.name} ({'live' if live else 'late'})"
    if not isinstance(adapter, Manifest) or inspection is None:
        return ok(subject, f"elsewhere, lineage {adapter.lineage}; `verifier adapters check` tries it")
    if inspection.description is None:
        text = f"{inspection.state}: {inspection.reason}"
        if live:
            return fail(
                subject, f"{text}; it counts in m and can never agree", f"verifier adapters build {adapter.name}"
            )
        return warn(subject, text, f"verifier adapters build {adapter.name}, or take it out of [adapters] late")
    known = inspection.description
    text = f"{known.client_name} {known.client_version}, lineage {adapter.lineage}"
    if live and adapter.lineage in SLOW:
        remedy = "move it to [adapters] late, unless the chain is a small one"
        return warn(subject, f"{text}: too slow for full blocks before the deadline", remedy)
    return ok(subject, text)


def _policy(effective: EffectiveConfiguration, voters: Voters, states: dict[str, Inspection]) -> Iterator[Finding]:
    policy, own = voters.policy, effective.values.execution.lineage
    n, m = policy.required, len(policy.lineages)
    named = f"n = {n} of m = {m} ({', '.join(sorted(policy.lineages))}), {policy.rejecting} INVALID reject"
    there = {own} | {
        each.lineage for each in voters.live if each.name not in states or states[each.name].description is not None
    }
    there |= {LINEAGE} if voters.embedded else set()
    if len(there) < n:
        yield fail(
            "quorum", f"{named}: only {len(there)} of them are there, nothing would ever be attested", "see above"
        )
    elif 2 * n <= m:
        remedy = f"set [quorum] required to at least {m // 2 + 1}"
        yield warn("quorum", f"{named}: half of the lineages, or fewer, would be enough", remedy)
    elif n == m:
        yield warn("quorum", f"{named}: one that fails stops all attestations", "add a live lineage, or lower n")
    else:
        yield ok("quorum", named)
    if {each.lineage for each in voters.live} <= {own} and not voters.embedded:
        yield fail("quorum", f"all live adapters are of the execution client's lineage {own}", "add another lineage")
