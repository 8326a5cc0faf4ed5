"""Each broken adapter fails on exactly the obligations that its breakage concerns; the unbroken one on none.

By default each is tried on some of the obligations that it breaks and on some next to them; VERIFIER_EVERY_OBLIGATION=1
tries all of them (a minute an adapter).
"""

import os

import pytest

from tests.verifier.services.contract.broken_adapter import MODES
from tests.verifier.services.contract.conftest import Examine, broken_manifest
from verifier.services.contract.catalogue import select
from verifier.services.contract.obligation import Standing

NODES = {"missing.node", "missing.all", "missing.damaged", "missing.malformed"}
# A node missing in one of the requests that are under way together, and a trusted root without any node.
NODES_ELSEWHERE = {"concurrency.at-once", "execute.parent-header-optional"}
# Where every slot and code that is dropped is needed, nothing is computed that could be wrong.
CHANGED = {f"prestate.{name}" for name in ("post-state", "computes", "no-nodes", "missing-account", "reborn", "trace")}

# mode → (obligations tried by default: some that it breaks, and what is next to them; all that it breaks)
BREAKAGES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    # All obligations of an unbroken one: tests/end_to_end/test_contract_kit.py.
    "unbroken": (
        ("describe", "execute.values", "execute.computes", "missing.all", "trace.steps", "prestate.values"),
        set(),
    ),
    # Wrong ancestor hashes then change nothing either.
    "copies-results": (
        ("execute.values", "execute.computes", "rules.header"),
        {"execute.computes", "rules.header", "execute.ancestor-hashes"},
    ),
    # Another coinbase than the witness is for is a missing node too.
    "missing-node-is-invalid": (
        ("missing.node", "missing.code", "missing.malformed"),
        NODES | NODES_ELSEWHERE | {"rules.header"},
    ),
    "missing-node-is-some-root": (("missing.node", "missing.code", "missing.all"), NODES | NODES_ELSEWHERE),
    "missing-code-is-invalid": (("missing.node", "missing.code"), {"missing.code", "missing.all", "missing.damaged"}),
    "names-another-node": (("missing.node", "missing.code", "missing.damaged"), NODES | NODES_ELSEWHERE),
    "wrong-receipts": (("execute.values", "execute.receipts"), {"execute.receipts"}),
    "another-answer-each-time": (
        ("execute.values", "execute.repeatable", "execute.content"),
        {"execute.repeatable", "execute.content"},
    ),
    "trusts-any-root": (("execute.own-hashes", "execute.trusted-root"), {"execute.trusted-root"}),
    "believes-damaged-files": (("execute.own-hashes", "execute.damaged-file"), {"execute.damaged-file"}),
    "takes-another-block": (("execute.own-hashes", "execute.trusted-root"), {"execute.own-hashes"}),
    "ignores-chain-config": (
        ("execute.chain-config", "execute.bad-chain-config", "execute.unlisted-forks", "execute.own-hashes"),
        {"execute.chain-config", "execute.bad-chain-config", "execute.unlisted-forks"},
    ),
    "block-hash-is-zero": (("missing.code", "missing.ancestor", "execute.ancestor-hashes"), {"missing.ancestor"}),
    "skips-nonce": (("rules.header", "rules.body"), {"rules.header"}),
    "crashes-on-garbage": (
        ("missing.code", "missing.malformed", "contain.hostile-block"),
        {"missing.damaged", "missing.malformed", "contain.hostile-block", "prestate.no-nodes"},
    ),
    "claims-a-fork": (
        ("describe", "command.describe", "execute.unlisted-forks", "execute.listed-forks"),
        {"execute.listed-forks"},
    ),
    "takes-short-hash": (("execute.own-hashes", "request.malformed"), {"request.malformed"}),
    "misreports-time": (("execute.values", "execute.timings"), {"execute.timings"}),
    "mixes-up-answers": (
        ("execute.values", "concurrency.at-once", "concurrency.more"),
        {"concurrency.at-once", "concurrency.more"},
    ),
    "endless-queue": (("concurrency.at-once", "concurrency.exhausted"), {"concurrency.exhausted"}),
    "ignores-deadlines": (("deadline.passed",), {"deadline.passed", "deadline.cancelled"}),
    "half-healthy": (("describe", "health"), {"health.serving"}),
    "keeps-socket": (
        ("process.socket-mode", "process.lifeline", "process.terminated"),
        {"process.lifeline", "process.terminated", "process.interrupted", "process.lifeline-busy"},
    ),
    "ignores-lifeline": (
        ("process.lifeline", "process.terminated"),
        {"process.lifeline", "process.lifeline-busy"},
    ),
    "ignores-signals": (("process.lifeline", "process.terminated"), {"process.terminated", "process.interrupted"}),
    "open-socket": (("process.socket-mode", "process.stale-socket"), {"process.socket-mode", "process.stale-socket"}),
    "writes-output": (("process.socket-mode", "process.standard-output"), {"process.standard-output"}),
    # The instruction GAS leaves what the next step has; which blocks there is time for is left to the machine.
    "steps-with-more-gas": (("trace.steps", "trace.order"), {"trace.steps", "trace.consistent"}),
    "skips-steps": (("trace.steps", "trace.consistent", "trace.order"), {"trace.steps", "trace.consistent"}),
    "counts-a-step-more": (("trace.steps", "trace.order"), {"trace.order", "trace.range"}),
    "traces-every-transaction": (("trace.range", "trace.order"), {"trace.range"}),
    # A step that does not follow from those before it, and one too many.
    "traces-system-calls": (
        ("trace.no-system-calls", "trace.order"),
        {"trace.no-system-calls", "trace.steps", "trace.consistent"},
    ),
    "traces-blame-the-block": (("trace.missing", "trace.order"), {"trace.missing", "trace.outcome"}),
    "traces-another-rule": (("trace.outcome", "trace.order"), {"trace.outcome"}),
    "traces-malformed-requests": (("trace.malformed", "trace.order"), {"trace.malformed"}),
    "traces-in-no-place": (("trace.place",), {"trace.place"}),
    "traces-without-waiting": (("trace.slow-reader",), {"trace.slow-reader"}),
    "ignores-cancelled-traces": (("trace.cancelled",), {"trace.cancelled", "trace.place", "trace.slow-reader"}),
    "other-steps-on-prestate": (("prestate.trace", "trace.steps"), {"prestate.trace"}),
    "other-receipts-on-prestate": (("prestate.values", "prestate.post-state"), {"prestate.values"}),
    "forgets-a-changed-slot": (("prestate.values", "prestate.post-state", "prestate.reborn"), CHANGED),
    "no-rules-on-prestate": (("prestate.values", "prestate.obligations"), {"prestate.obligations"}),
    "code-missing-on-prestate-is-invalid": (
        ("prestate.missing-slot", "prestate.missing-code"),
        {"prestate.missing-code"},
    ),
    "copies-post-state": (
        ("prestate.post-state", "prestate.computes", "prestate.reborn"),
        {"prestate.computes", "prestate.reborn"},
    ),
    "unlisted-account-is-absent": (("prestate.missing-slot", "prestate.missing-account"), {"prestate.missing-account"}),
    "unlisted-slot-is-zero": (("prestate.missing-slot", "prestate.missing-account"), {"prestate.missing-slot"}),
    "does-without-section": (("prestate.absent-section", "prestate.malformed-section"), {"prestate.absent-section"}),
    "takes-any-section": (("prestate.absent-section", "prestate.malformed-section"), {"prestate.malformed-section"}),
    "looks-at-nodes": (("prestate.values", "prestate.no-nodes"), {"prestate.no-nodes"}),
    "believes-digests": (("upload.execute", "upload.digest"), {"upload.digest"}),
    "takes-any-length": (("upload.execute", "upload.length"), {"upload.length"}),
    # It waits for the end of every stream.
    "keeps-broken-uploads": (
        ("upload.execute", "upload.broken"),
        {"upload.broken", "upload.length", "upload.too-large"},
    ),
    "holds-one-upload": (("upload.execute", "upload.held"), {"upload.held"}),
    "forgets-uploads-after-use": (("upload.execute", "upload.unknown"), {"upload.execute", "upload.held"}),
    "unknown-upload-is-invalid": (
        ("upload.execute", "upload.unknown"),
        {"upload.unknown", "upload.digest", "upload.length", "upload.broken", "upload.held"},
    ),
    "takes-small-uploads": (("upload.large",), {"upload.large"}),
    "takes-huge-uploads": (("upload.too-large",), {"upload.too-large"}),
    "listens-anywhere": (("listen.arguments",), {"listen.arguments"}),
    "asks-for-no-certificate": (
        ("listen.tls", "listen.no-certificate"),
        {"listen.no-certificate", "listen.other-authority"},
    ),
    "ends-with-standard-input": (("listen.plain-loopback",), {"listen.plain-loopback"}),
}


def test_every_mode_is_tried() -> None:
    assert set(BREAKAGES) == set(MODES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", BREAKAGES)
def test_fails_on_exactly_what_it_breaks(mode: str, examined: Examine) -> None:
    tried, broken = BREAKAGES[mode]
    groups = () if os.environ.get("VERIFIER_EVERY_OBLIGATION") else tried
    # One worker starts faster than two; several are needed only for several requests at once.
    several = not groups or any(id_.startswith("concurrency.") for id_ in groups)
    expected = broken & {entry.obligation.id for entry in select(groups)}
    found = examined(broken_manifest(mode, 2 if several else 1), groups, hopeless=set(groups) == expected)
    unmet = {finding.obligation.id: finding.detail for finding in found.with_standing(Standing.UNMET)}
    assert set(unmet) == expected, unmet
    assert found.kept == (not expected)
    assert expected or not broken, "none of what it breaks is tried"
