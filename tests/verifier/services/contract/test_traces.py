"""The kit's checks of traces: the reference steps, the rules between steps, the order of a stream."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from tests.verifier.services.contract.scripted import ScriptedEvents, findings, honest, scripted
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.contract.answer import Answer
from verifier.services.contract.bundle import Bundle
from verifier.services.contract.frames import contradictions
from verifier.services.contract.instructions import INSTRUCTIONS, push_length
from verifier.services.contract.obligation import Standing
from verifier.services.contract.reference_chain import INIT
from verifier.services.contract.reference_steps import (
    ReferenceStep,
    ReferenceTransaction,
    read_listing,
    reference_transactions,
)
from verifier.services.contract.traces import alike
from verifier.services.contract.tracing import Traced, canonical

INIT_CODE = bytes.fromhex("30600055")


def message(step: ReferenceStep) -> pb.Step:
    """The step as an adapter sends it."""
    stack = b"".join(word.to_bytes(32, "big") for word in step.stack)
    return pb.Step(depth=step.depth, account=step.account, pc=step.pc, op=step.op, gas=step.gas, stack=stack)


def references(bundle: Bundle) -> list[ReferenceTransaction]:
    return [each for block in reference_transactions(bundle.reference.addresses) for each in block]


def codes(bundle: Bundle) -> list[bytes]:
    blocks = bundle.reference.blocks
    return [bytes(code) for block in blocks for code in block.content.witness.codes] + [INIT_CODE]


class TestReference:
    def test_the_listings_are_of_the_codes(self, bundle: Bundle) -> None:
        assert INIT == "ADDRESS 0 SSTORE"
        for transaction in references(bundle):
            steps = [message(step) for step in transaction.steps]
            assert list(contradictions(steps, codes(bundle))) == [], transaction.name

    def test_they_are_what_they_say(self, bundle: Bundle) -> None:
        by_name = {transaction.name: transaction for transaction in references(bundle)}
        assert by_name["transfer"].steps == ()
        assert {step.depth for step in by_name["hollow"].steps} == {1}
        assert [step.pc for step in by_name["truncated"].steps] == [0, 2]
        delegated = by_name["delegated"].steps
        assert {step.account for step in delegated} == {bundle.reference.addresses["authority"]}

    def test_a_listing(self) -> None:
        listing = """
            @ 1 one 100
            0 PUSH1 3
            2 UNDEFINED - one 0x10
        """
        address = b"\1" * 20
        word = int.from_bytes(address, "big")
        assert read_listing(listing, {"one": address}) == (
            ReferenceStep(1, address, 0, 0x60, 100, ()),
            ReferenceStep(1, address, 2, 0x0C, 97, (word, 16)),
        )

    def test_a_word_that_is_no_name(self) -> None:
        with pytest.raises(ValueError, match="other"):
            read_listing("@ 1 one 5\n0 ADD - other", {"one": bytes(20)})

    def test_instructions(self) -> None:
        assert [push_length(op) for op in (0x5F, 0x60, 0x7F, 0x80)] == [0, 1, 32, 0]
        assert (INSTRUCTIONS[0x9F].taken, INSTRUCTIONS[0x8F].left) == (17, 17)


Change = Callable[[list[pb.Step]], object]

# Each changes the steps of the program "calling" in one way that the rules of the EVM show.
WRONG: dict[str, Change] = {
    "a step left out": lambda steps: steps.pop(3),
    "a step twice": lambda steps: steps.insert(3, steps[3]),
    "two steps exchanged": lambda steps: steps.insert(3, steps.pop(4)),
    "another pc": lambda steps: setattr(steps[4], "pc", 9),
    "another op": lambda steps: setattr(steps[4], "op", 0x61),
    "another account": lambda steps: setattr(steps[9], "account", bytes(20)),
    "an account of 19 bytes": lambda steps: setattr(steps[0], "account", bytes(19)),
    "gas that rises": lambda steps: setattr(steps[5], "gas", 10**6),
    "more gas than the caller": lambda steps: setattr(steps[8], "gas", 10**6),
    "a depth that is too deep": lambda steps: setattr(steps[8], "depth", 3),
    "no depth": lambda steps: setattr(steps[0], "depth", 0),
    "a stack upside down": lambda steps: setattr(steps[7], "stack", steps[7].stack[-64:] + steps[7].stack[:-64]),
    "a stack without its last word": lambda steps: setattr(steps[7], "stack", steps[7].stack[:-32]),
    "half a word": lambda steps: setattr(steps[7], "stack", steps[7].stack[:-16]),
    "an inner frame that starts later": lambda steps: steps.pop(8),
    "a step after the end": lambda steps: steps.append(steps[-1]),
}


class TestContradictions:
    @pytest.mark.parametrize("name", WRONG)
    def test_each_is_seen(self, name: str, bundle: Bundle) -> None:
        transaction = next(each for each in references(bundle) if each.name == "calling")
        steps = [message(step) for step in transaction.steps]
        WRONG[name](steps)
        assert list(contradictions(steps, codes(bundle)))

    def test_no_steps_contradict_nothing(self) -> None:
        assert list(contradictions([], [])) == []


def start(index: int) -> pb.TraceEvent:
    return pb.TraceEvent(transaction_start=pb.TransactionStart(index=index))


def end(index: int) -> pb.TraceEvent:
    return pb.TraceEvent(transaction_end=pb.TransactionEnd(index=index))


STEPS = pb.TraceEvent(steps=pb.Steps(steps=[pb.Step(depth=1)]))
OUTCOME = pb.TraceEvent(outcome=pb.ExecuteResponse(computed=pb.Computed(gas_used=1)))


class TestOrder:
    @pytest.mark.parametrize(
        ("events", "breach"),
        [
            ([start(0), STEPS, STEPS, end(0), start(1), end(1), OUTCOME], ""),
            ([start(0), STEPS, OUTCOME], ""),
            ([OUTCOME], ""),
            ([STEPS, OUTCOME], "outside a transaction"),
            ([start(0), end(0), STEPS, OUTCOME], "outside a transaction"),
            ([start(0), start(1), OUTCOME], "before the end of 0"),
            ([end(0), OUTCOME], "has not started"),
            ([start(0), end(1), OUTCOME], "has not started"),
            ([OUTCOME, start(0)], "after the outcome"),
            ([OUTCOME, OUTCOME], "after the outcome"),
            ([start(0), end(0)], "without an outcome"),
            ([pb.TraceEvent(), OUTCOME], "of no kind"),
        ],
    )
    def test_breaches(self, events: list[pb.TraceEvent], breach: str) -> None:
        found = Traced()
        for event in events:
            found.add(event)
        found.end(Answer(grpc.StatusCode.OK))
        assert bool(found.breaches) == bool(breach)
        assert breach in "".join(found.breaches)

    def test_a_status_is_the_outcome(self) -> None:
        found = Traced()
        found.add(start(0))
        found.end(Answer(grpc.StatusCode.UNAVAILABLE))
        assert not found.breaches
        assert found.outcome.status is grpc.StatusCode.UNAVAILABLE


def answer(**outcome: object) -> Answer:
    return Answer(grpc.StatusCode.OK, pb.ExecuteResponse(**outcome))  # type: ignore[arg-type]


class TestAlike:
    def test_what_counts(self) -> None:
        assert alike(answer(computed=pb.Computed(gas_used=1)), answer(computed=pb.Computed(gas_used=1)))
        assert not alike(answer(computed=pb.Computed(gas_used=1)), answer(computed=pb.Computed(gas_used=2)))
        nonce, number = pb.BrokenRule(rule=pb.RULE_NONCE, detail="a"), pb.BrokenRule(rule=pb.RULE_NUMBER)
        assert alike(answer(broken_rule=nonce), answer(broken_rule=pb.BrokenRule(rule=pb.RULE_NONCE)))
        assert not alike(answer(broken_rule=nonce), answer(broken_rule=number))
        assert not alike(answer(broken_rule=nonce), answer(computed=pb.Computed()))
        assert not alike(answer(broken_rule=nonce), Answer(grpc.StatusCode.UNAVAILABLE))
        assert alike(Answer(grpc.StatusCode.UNAVAILABLE), Answer(grpc.StatusCode.UNAVAILABLE))

    def test_abstentions(self) -> None:
        reason = pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT
        one = pb.Abstention(reason=reason, missing=[pb.Missing(hash=b"\1" * 32)])
        other = pb.Abstention(reason=reason, missing=[pb.Missing(hash=b"\2" * 32)])
        assert alike(answer(abstention=one), answer(abstention=one))
        assert not alike(answer(abstention=one), answer(abstention=other))


def unchanged(transaction: ReferenceTransaction) -> ReferenceTransaction:
    return transaction


def without_last(transaction: ReferenceTransaction) -> ReferenceTransaction:
    return replace(transaction, steps=transaction.steps[:-1])


def with_more_gas(transaction: ReferenceTransaction) -> ReferenceTransaction:
    return replace(transaction, steps=tuple(replace(step, gas=step.gas + 1) for step in transaction.steps))


def failing_otherwise(transaction: ReferenceTransaction) -> ReferenceTransaction:
    return replace(transaction, succeeded=True)


class TestSteps:
    @pytest.mark.parametrize(
        ("change", "standing"),
        [
            (unchanged, Standing.MET),
            (without_last, Standing.UNMET),
            (with_more_gas, Standing.UNMET),
            (failing_otherwise, Standing.UNMET),
        ],
    )
    def test_against_the_reference(
        self,
        change: Callable[[ReferenceTransaction], ReferenceTransaction],
        standing: Standing,
        bundle: Bundle,
        tmp_path: Path,
    ) -> None:
        listed = reference_transactions(bundle.reference.addresses)
        pairs = {block.header.hash: (block, each) for block, each in zip(bundle.reference.blocks, listed, strict=True)}

        def script(request: pb.TraceRequest) -> ScriptedEvents:
            block, transactions = pairs[request.execution.block_hash]
            events = []
            for index, transaction in enumerate(map(change, transactions)):
                steps = [message(step) for step in transaction.steps]
                events += [start(index), pb.TraceEvent(steps=pb.Steps(steps=steps)), end(index)]
                events[-1].transaction_end.succeeded = transaction.succeeded
            return ScriptedEvents([*events, pb.TraceEvent(outcome=honest(block))])

        subject, connection = scripted(
            bundle, tmp_path, answer(computed=pb.Computed()), forks=["shanghai", "prague"], traces=True
        )
        connection.script = script
        (finding,) = findings(subject, "trace.steps").values()
        assert finding.standing is standing, finding.detail

    def test_without_traces_nothing_is_asked(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, _ = scripted(bundle, tmp_path, answer(computed=pb.Computed()))
        found = findings(subject, "trace")
        assert {finding.standing for finding in found.values()} == {Standing.NOT_APPLICABLE}

    def test_the_canonical_step(self) -> None:
        step = ReferenceStep(1, b"\1" * 20, 2, 3, 4, (5, 2**256 - 1))
        assert canonical(message(step)) == step
