"""Every obligation of adapters/CONTRACT.md that behaviour can prove, with its check, in the order they are tried.

What ends the process comes last. Not here, as nothing outside can see it: one line an event on standard error, exit
status 3 for a missing package.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from verifier.errors import UsageError

from . import (
    binding,
    concurrency,
    deadlines,
    descriptions,
    execution,
    listening,
    missing,
    prestate,
    processes,
    requests,
    rules,
    trace_flow,
    traces,
    uploads,
)
from .evidence import Evidence
from .obligation import Obligation
from .subject import Subject

Check = Callable[[Subject, Evidence], Awaitable[None]]

DESCRIBE = "executor.proto, Describe"
EXECUTE = "executor.proto, Execute"
TIMINGS = "executor.proto, Timings"
EXECUTING = "CONTRACT.md, executing"
OWN_HASHES = f"{EXECUTING}, 1 own hashes"
RULES = f"{EXECUTING}, 2 rules first"
COMPUTE = f"{EXECUTING}, 3 compute, do not compare"
MISSING = f"{EXECUTING}, 4 missing is missing"
CONTAIN = f"{EXECUTING}, 5 contain"
WARM = f"{EXECUTING}, 6 be warm when healthy"
CONFIG = f"{EXECUTING}, chain_config"
FORK = f"{EXECUTING}, a fork that the client lacks"
OPTIONAL = f"{EXECUTING}, parent_header_optional"
ANCESTORS = f"{EXECUTING}, ancestor_hashes"
PRESTATE = "CONTRACT.md, prestate mode"
TRACES = "CONTRACT.md, traces"
UPLOADS = "CONTRACT.md, uploads"
PROCESS = "CONTRACT.md, as a process"
LISTEN = f"{PROCESS}, --listen"


@dataclass(frozen=True, slots=True)
class Entry:
    """One obligation and its check."""

    obligation: Obligation
    check: Check


def _entry(id_: str, clause: str, check: Check) -> Entry:
    # What has to hold is said once, by the check itself.
    statement = (check.__doc__ or "").strip()
    return Entry(Obligation(id_, clause, statement), check)


CATALOGUE: tuple[Entry, ...] = (
    _entry("describe.contract-version", DESCRIBE, descriptions.contract_version),
    _entry("describe.identity", DESCRIBE, descriptions.identity),
    _entry("describe.forks", f"{EXECUTING}, fork names", descriptions.forks),
    _entry("describe.modes", DESCRIBE, descriptions.modes),
    _entry("describe.rules", RULES, descriptions.rules),
    _entry("describe.concurrency", DESCRIBE, descriptions.concurrency),
    _entry("health.serving", WARM, descriptions.health),
    _entry("command.describe", f"{PROCESS}, --describe", descriptions.describe_command),
    _entry("command.arguments", f"{PROCESS}, exit status", descriptions.wrong_arguments),
    _entry("command.bench", f"{PROCESS}, --bench", descriptions.bench_command),
    _entry("execute.values", COMPUTE, execution.values),
    _entry("execute.receipts", "executor.proto, Receipt", execution.receipts),
    _entry("execute.repeatable", COMPUTE, execution.repeatable),
    _entry("execute.content", "executor.proto, ExecuteRequest", execution.by_content),
    _entry("execute.timings", TIMINGS, execution.timings),
    _entry("execute.computes", COMPUTE, execution.computes),
    _entry("execute.unlisted-forks", FORK, execution.unlisted_forks),
    _entry("execute.listed-forks", FORK, execution.listed_forks),
    _entry("execute.chain-config", CONFIG, execution.chain_config),
    _entry("execute.bad-chain-config", CONFIG, binding.bad_chain_config),
    _entry("execute.own-hashes", OWN_HASHES, binding.block_hash),
    _entry("execute.trusted-root", OWN_HASHES, binding.trusted_root),
    _entry("execute.header-chain", OWN_HASHES, binding.header_chain),
    _entry("execute.parent-header", OWN_HASHES, binding.parent_header),
    _entry("execute.damaged-file", CONFIG, binding.damaged_file),
    _entry("execute.parent-header-optional", OPTIONAL, binding.parent_header_optional),
    _entry("execute.ancestor-hashes", ANCESTORS, binding.ancestor_hashes),
    _entry("rules.header", RULES, rules.header),
    _entry("rules.body", RULES, rules.body),
    _entry("rules.encoding", RULES, rules.encoding),
    _entry("rules.transaction", "executor.proto, Rule", rules.transaction),
    _entry("missing.node", MISSING, missing.nodes),
    _entry("missing.code", MISSING, missing.codes),
    _entry("missing.all", MISSING, missing.all_gone),
    _entry("missing.damaged", MISSING, missing.damaged),
    _entry("missing.malformed", MISSING, missing.malformed),
    _entry("missing.ancestor", MISSING, missing.ancestors),
    _entry("request.malformed", EXECUTE, requests.malformed),
    _entry("contain.hostile-block", CONTAIN, requests.hostile_blocks),
    _entry("contain.garbage-message", CONTAIN, requests.garbage_messages),
    _entry("contain.garbage-bytes", CONTAIN, requests.garbage_bytes),
    _entry("contain.large-content", f"{PROCESS}, message limits", requests.large_content),
    _entry("concurrency.at-once", CONTAIN, concurrency.at_once),
    _entry("concurrency.more", CONTAIN, concurrency.more),
    _entry("concurrency.exhausted", CONTAIN, concurrency.exhausted),
    _entry("deadline.tiny", CONTAIN, deadlines.tiny),
    _entry("deadline.passed", CONTAIN, deadlines.passed),
    _entry("deadline.cancelled", CONTAIN, deadlines.cancelled),
    _entry("prestate.values", PRESTATE, prestate.values),
    _entry("prestate.post-state", PRESTATE, prestate.post_state),
    _entry("prestate.computes", PRESTATE, prestate.computes),
    _entry("prestate.no-nodes", PRESTATE, prestate.no_nodes),
    _entry("prestate.missing-account", PRESTATE, prestate.missing_account),
    _entry("prestate.missing-slot", PRESTATE, prestate.missing_slot),
    _entry("prestate.missing-code", PRESTATE, prestate.missing_code),
    _entry("prestate.reborn", PRESTATE, prestate.reborn),
    _entry("prestate.absent-section", PRESTATE, prestate.absent_section),
    _entry("prestate.malformed-section", PRESTATE, prestate.malformed_section),
    _entry("prestate.obligations", PRESTATE, prestate.obligations),
    _entry("prestate.trace", TRACES, prestate.trace),
    _entry("trace.outcome", TRACES, traces.outcome),
    _entry("trace.order", "executor.proto, TraceEvent", traces.order),
    _entry("trace.steps", TRACES, traces.steps),
    _entry("trace.consistent", TRACES, traces.consistent),
    _entry("trace.no-system-calls", TRACES, traces.no_system_calls),
    _entry("trace.range", "executor.proto, TraceRequest", traces.ranges),
    _entry("trace.missing", MISSING, traces.missing),
    _entry("trace.malformed", "executor.proto, Trace", traces.malformed),
    _entry("trace.place", TRACES, trace_flow.place),
    _entry("trace.slow-reader", TRACES, trace_flow.slow_reader),
    _entry("trace.cancelled", TRACES, trace_flow.cancelled),
    _entry("trace.deadline", TRACES, trace_flow.deadline),
    _entry("upload.execute", UPLOADS, uploads.execute),
    _entry("upload.unknown", UPLOADS, uploads.unknown),
    _entry("upload.digest", "executor.proto, Upload", uploads.wrong_digest),
    _entry("upload.length", "executor.proto, Upload", uploads.wrong_length),
    _entry("upload.broken", UPLOADS, uploads.broken),
    _entry("upload.held", UPLOADS, uploads.held),
    _entry("upload.large", UPLOADS, uploads.large),
    _entry("upload.too-large", "executor.proto, Upload", uploads.too_large),
    _entry("listen.plain-loopback", LISTEN, listening.plain_loopback),
    _entry("listen.terminated", LISTEN, listening.terminated),
    _entry("listen.arguments", LISTEN, listening.arguments),
    _entry("listen.tls", LISTEN, listening.mutual_tls),
    _entry("listen.no-certificate", LISTEN, listening.no_certificate),
    _entry("listen.other-authority", LISTEN, listening.other_authority),
    _entry("process.socket-mode", f"{PROCESS}, --socket", processes.socket_mode),
    _entry("process.stale-socket", f"{PROCESS}, --socket", processes.stale_socket),
    _entry("process.lifeline", f"{PROCESS}, lifeline", processes.lifeline),
    _entry("process.terminated", f"{PROCESS}, SIGTERM and SIGINT", processes.terminated),
    _entry("process.interrupted", f"{PROCESS}, SIGTERM and SIGINT", processes.interrupted),
    _entry("process.killed", f"{PROCESS}, SIGTERM and SIGINT", processes.killed),
    _entry("process.standard-output", f"{PROCESS}, log lines", processes.standard_output),
    _entry("process.lifeline-busy", f"{PROCESS}, lifeline", processes.lifeline_busy),
)


def select(patterns: Sequence[str]) -> tuple[Entry, ...]:
    """The entries of these ids, or of whole groups ("missing"); all where none is given. Raises UsageError."""
    if not patterns:
        return CATALOGUE
    for pattern in patterns:
        if not any(_matches(entry, pattern) for entry in CATALOGUE):
            raise UsageError(f"no such obligation: {pattern} (--list shows them)")
    return tuple(entry for entry in CATALOGUE if any(_matches(entry, pattern) for pattern in patterns))


def _matches(entry: Entry, pattern: str) -> bool:
    return entry.obligation.id == pattern or entry.obligation.id.split(".")[0] == pattern
