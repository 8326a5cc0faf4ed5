"""Disputes, put together: who may state, who localizes, where evidence goes, what goes back from an invalid block."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from verifier.configuration.reading import EffectiveConfiguration
from verifier.configuration.report import toml
from verifier.domain.dispute import Dispute
from verifier.domain.event import Observer
from verifier.domain.localization import Localization
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.rpc_tracer import RpcTracer
from verifier.executors.stateful.state_reader import RpcStateReader
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.pool import AdapterPool
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.analysis import Analyses
from verifier.services.chain import Chain
from verifier.services.disputing import Disputes
from verifier.services.evidence import Evidence, remove_superseded, write_bundle
from verifier.services.evidence.bundle import remove_leftovers
from verifier.services.evidence.versions import client_versions
from verifier.services.judgement import Case
from verifier.services.localizing import Localizer
from verifier.services.statements import Statements
from witness.store import WitnessStore

from .execution import Execution
from .identity import ChainIdentity
from .rollback import make_rollbacks
from .voters import Voters

HOUR = 3600.0  # seconds


@dataclass(frozen=True)
class Parts:
    """What disputes are made of that is there already. executors: the pool's, as they judge."""

    voters: Voters
    chain: Chain
    ledger: SqliteLedger
    store: WitnessStore
    pool: AdapterPool
    executors: Sequence[StatelessExecutor]
    follower: Follower | None
    execution: Execution
    identity: ChainIdentity


def make_disputes(effective: EffectiveConfiguration, parts: Parts, observer: Observer) -> Disputes:
    """The sidecar's disputes, as configured. Raises LedgerError."""
    values = effective.values
    section, name = values.disputes, values.execution.name
    remove_leftovers(section.evidence)
    node = RpcTracer(parts.execution.rpc, name, parts.voters.policy.adapters[name])
    reader = RpcStateReader(parts.execution.rpc, name)
    localizer = Localizer([*parts.executors, node], [*parts.pool.tracers, node], readers=(reader,))
    statements = Statements(parts.ledger, parts.voters.policy, observer, executor=name)
    rollbacks = make_rollbacks(
        parts.chain,
        parts.ledger,
        parts.store,
        parts.follower,
        parts.execution,
        observer,
        chain_config=parts.identity.chain_config,
        evidence=section.evidence,
    )
    return Disputes(
        parts.chain,
        parts.ledger,
        statements,
        parts.voters.rule,
        observer,
        rollbacks,
        Analyses(
            section.evidence,
            localizer,
            partial(_bundle, effective, parts.pool),
            observer,
            remove=partial(remove_superseded, section.evidence),
        ),
        enabled=section.enabled,
        kept=section.statements_hours * HOUR,
    )


def _bundle(
    effective: EffectiveConfiguration,
    pool: AdapterPool,
    dispute: Dispute,
    localization: Localization | None,
    case: Case,
) -> str:
    evidence = Evidence(
        dispute=dispute,
        request=case.request,
        results=case.results,
        versions=client_versions(pool),
        configuration=toml(effective),
        localization=localization,
    )
    return write_bundle(effective.values.disputes.evidence, evidence)
