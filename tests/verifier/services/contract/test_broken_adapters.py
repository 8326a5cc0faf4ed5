"""Each broken adapter fails on exactly the obligations that its breakage concerns; the unbroken one on none.

By default each is tried on the groups of obligations that its breakage could touch; VERIFIER_EVERY_OBLIGATION=1 tries
all of them (a minute an adapter).
"""

import os
from collections.abc import Callable, Sequence

import pytest

from tests.verifier.services.contract.broken_adapter import MODES
from tests.verifier.services.contract.conftest import broken_manifest
from verifier.executors.stateless.manifest import Manifest
from verifier.services.contract.catalogue import select
from verifier.services.contract.obligation import Report, Standing

BINDING = (
    "execute.own-hashes",
    "execute.trusted-root",
    "execute.header-chain",
    "execute.parent-header",
    "execute.parent-header-optional",
    "execute.damaged-file",
    "execute.chain-config",
    "execute.bad-chain-config",
    "execute.unlisted-forks",
    "execute.listed-forks",
    "request",
)
MISSING = ("missing", "execute.parent-header-optional", "execute.ancestor-hashes")
NODES = {"missing.node", "missing.all", "missing.damaged", "missing.malformed"}
# A node missing in one of the requests that are under way together, and a trusted root without any node.
NODES_ELSEWHERE = {"concurrency.at-once", "execute.parent-header-optional"}

TRACED = tuple(f"trace.{name}" for name in ("outcome", "order", "steps", "consistent", "no-system-calls", "range"))
TRACED = (*TRACED, "trace.missing", "trace.malformed")
# Where every slot and code that is dropped is needed, nothing is computed that could be wrong.
CHANGED = {f"prestate.{name}" for name in ("post-state", "computes", "no-nodes", "missing-account", "reborn", "trace")}
UPLOADED = tuple(f"upload.{name}" for name in ("execute", "unknown", "digest", "length", "broken", "held"))

# mode → (groups tried by default, the obligations that it breaks)
BREAKAGES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    # All obligations of an unbroken one: tests/end_to_end/test_contract_kit.py.
    "unbroken": (("describe", "execute", "request", "missing.all", "trace.steps", "prestate.values"), set()),
    # Wrong ancestor hashes then change nothing either.
    "copies-results": (("execute", "rules"), {"execute.computes", "rules.header", "execute.ancestor-hashes"}),
    # Another coinbase than the witness is for is a missing node too.
    "missing-node-is-invalid": ((*MISSING, "rules"), NODES | NODES_ELSEWHERE | {"rules.header"}),
    "missing-node-is-some-root": ((*MISSING, "rules"), NODES | NODES_ELSEWHERE),
    "missing-code-is-invalid": (MISSING, {"missing.code", "missing.all", "missing.damaged"}),
    "names-another-node": (MISSING, NODES | NODES_ELSEWHERE),
    "wrong-receipts": (("execute",), {"execute.receipts"}),
    "another-answer-each-time": (("execute",), {"execute.repeatable", "execute.content"}),
    "trusts-any-root": (BINDING, {"execute.trusted-root"}),
    "believes-damaged-files": (BINDING, {"execute.damaged-file"}),
    "takes-another-block": (BINDING, {"execute.own-hashes"}),
    "ignores-chain-config": (
        BINDING,
        {"execute.chain-config", "execute.bad-chain-config", "execute.unlisted-forks"},
    ),
    "block-hash-is-zero": (MISSING, {"missing.ancestor"}),
    "skips-nonce": (("rules",), {"rules.header"}),
    "crashes-on-garbage": (
        (*MISSING, "contain.hostile-block"),
        {"missing.damaged", "missing.malformed", "contain.hostile-block", "prestate.no-nodes"},
    ),
    "claims-a-fork": (("describe", "command", *BINDING), {"execute.listed-forks"}),
    "takes-short-hash": (BINDING, {"request.malformed"}),
    "misreports-time": (("execute",), {"execute.timings"}),
    "mixes-up-answers": (("execute.values", "concurrency"), {"concurrency.at-once", "concurrency.more"}),
    "endless-queue": (("concurrency", "deadline"), {"concurrency.exhausted"}),
    "ignores-deadlines": (("deadline",), {"deadline.passed", "deadline.cancelled"}),
    "half-healthy": (("describe", "health"), {"health.serving"}),
    "keeps-socket": (
        ("process",),
        {"process.lifeline", "process.terminated", "process.interrupted", "process.lifeline-busy"},
    ),
    "ignores-lifeline": (
        ("process.lifeline", "process.lifeline-busy", "process.terminated"),
        {"process.lifeline", "process.lifeline-busy"},
    ),
    "ignores-signals": (("process",), {"process.terminated", "process.interrupted"}),
    "open-socket": (("process",), {"process.socket-mode", "process.stale-socket"}),
    "writes-output": (("process",), {"process.standard-output"}),
    # The instruction GAS leaves what the next step has; which blocks there is time for is left to the machine.
    "steps-with-more-gas": (("trace.steps", "trace.order", "trace.range"), {"trace.steps", "trace.consistent"}),
    "skips-steps": (TRACED, {"trace.steps", "trace.consistent"}),
    "counts-a-step-more": (TRACED, {"trace.order", "trace.range"}),
    "traces-every-transaction": (TRACED, {"trace.range"}),
    # A step that does not follow from those before it, and one too many.
    "traces-system-calls": (TRACED, {"trace.no-system-calls", "trace.steps", "trace.consistent"}),
    "traces-blame-the-block": (TRACED, {"trace.missing", "trace.outcome"}),
    "traces-another-rule": (TRACED, {"trace.outcome"}),
    "traces-malformed-requests": (TRACED, {"trace.malformed"}),
    "traces-in-no-place": (("trace.place",), {"trace.place"}),
    "traces-without-waiting": (("trace.slow-reader",), {"trace.slow-reader"}),
    "ignores-cancelled-traces": (("trace.cancelled",), {"trace.cancelled", "trace.place", "trace.slow-reader"}),
    "other-steps-on-prestate": (("prestate.trace", "trace.steps"), {"prestate.trace"}),
    "other-receipts-on-prestate": (("prestate",), {"prestate.values"}),
    "forgets-a-changed-slot": (("prestate",), CHANGED),
    "no-rules-on-prestate": (("prestate",), {"prestate.obligations"}),
    "code-missing-on-prestate-is-invalid": (("prestate",), {"prestate.missing-code"}),
    "copies-post-state": (("prestate",), {"prestate.computes", "prestate.reborn"}),
    "unlisted-account-is-absent": (("prestate",), {"prestate.missing-account"}),
    "unlisted-slot-is-zero": (("prestate",), {"prestate.missing-slot"}),
    "does-without-section": (("prestate",), {"prestate.absent-section"}),
    "takes-any-section": (("prestate",), {"prestate.malformed-section"}),
    "looks-at-nodes": (("prestate",), {"prestate.no-nodes"}),
    "believes-digests": (UPLOADED, {"upload.digest"}),
    "takes-any-length": (UPLOADED, {"upload.length"}),
    # It waits for the end of every stream.
    "keeps-broken-uploads": (UPLOADED, {"upload.broken", "upload.length", "upload.too-large"}),
    "holds-one-upload": (UPLOADED, {"upload.held"}),
    "forgets-uploads-after-use": (UPLOADED, {"upload.execute", "upload.held"}),
    "unknown-upload-is-invalid": (
        UPLOADED,
        {"upload.unknown", "upload.digest", "upload.length", "upload.broken", "upload.held"},
    ),
    "takes-small-uploads": (("upload.large",), {"upload.large"}),
    "takes-huge-uploads": (("upload.too-large",), {"upload.too-large"}),
    "listens-anywhere": (("listen.arguments",), {"listen.arguments"}),
    "asks-for-no-certificate": (("listen",), {"listen.no-certificate", "listen.other-authority"}),
    "ends-with-standard-input": (("listen",), {"listen.plain-loopback"}),
}


def test_every_mode_is_tried() -> None:
    assert set(BREAKAGES) == set(MODES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", BREAKAGES)
def test_fails_on_exactly_what_it_breaks(mode: str, examined: Callable[[Manifest, Sequence[str]], Report]) -> None:
    tried, broken = BREAKAGES[mode]
    groups = () if os.environ.get("VERIFIER_EVERY_OBLIGATION") else tried
    # One worker starts faster than two; several are needed only for several requests at once.
    workers = 2 if not groups or "concurrency" in groups else 1
    found = examined(broken_manifest(mode, workers), groups)
    unmet = {finding.obligation.id: finding.detail for finding in found.with_standing(Standing.UNMET)}
    expected = broken & {entry.obligation.id for entry in select(groups)}
    assert set(unmet) == expected, unmet
    assert found.kept == (not expected)
    assert expected or not broken, "none of what it breaks is tried"
