"""Every instruction of a traced block, reported before the specification executes it, by its own hook `evm_trace`.

The hook tells of an instruction that the fork does not define only by the exception that it raises, and of the
transactions nothing that can be told apart from system calls: their starts and ends are reported by wrapping the two
functions of the fork that every transaction passes through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ethereum import trace

from verifier.rpc.host.responses import describe_error
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb

from .fork_modules import ForkModules

WORD = 32  # bytes on the stack
UNDEFINED, REVERTED = "InvalidOpcode", "Revert"  # the forks' exceptions, each fork's a class of its own


@contextmanager
def reporting(modules: ForkModules, tracer: Tracer) -> Iterator[None]:
    """Reports what the fork executes meanwhile in this process."""
    fork: Any = modules.fork
    process_transaction, process_message_call = fork.process_transaction, fork.process_message_call
    reporter = Reporter(tracer)

    def call(message: Any) -> Any:
        reporter.succeeded = False
        output = process_message_call(message)
        reporter.succeeded = output.error is None
        return output

    fork.process_message_call = call
    fork.process_transaction = _reporting(fork, process_transaction, reporter)
    previous = trace.set_evm_trace(reporter)
    try:
        yield
    finally:
        trace.set_evm_trace(previous)
        fork.process_message_call, fork.process_transaction = process_message_call, process_transaction


def _reporting(fork: Any, process_transaction: Callable[..., None], reporter: "Reporter") -> Callable[..., None]:
    tracer = reporter.tracer

    def process(block_env: Any, block_output: Any, tx: Any, index: Any) -> None:
        before = int(block_output.block_gas_used)
        encoded = fork.encode_transaction(tx) if hasattr(fork, "encode_transaction") else tx
        tracer.start_transaction(int(index), fork.get_transaction_hash(encoded))
        process_transaction(block_env, block_output, tx, index)
        tracer.end_transaction(int(block_output.block_gas_used) - before, succeeded=reporter.succeeded)

    return process


class Reporter:
    """The specification's `EvmTracer`. succeeded: whether the outermost call that ended last did."""

    def __init__(self, tracer: Tracer) -> None:
        self.succeeded = False
        self.tracer = tracer
        self._evm: Any = None  # the frame of the latest step, as long as its instruction is being executed
        self._step: Any = None

    def __call__(self, evm: Any, event: Any) -> None:
        """An event of the specification's; see `ethereum.trace`."""
        if not self.tracer.wanted:
            return
        kind = type(event)
        if kind is trace.OpStart:
            self._evm, self._step = evm, self._report(evm)
        elif kind is trace.GasAndRefund:
            # Also what a call hands on; not what a creation pays for its code, after its last instruction.
            if evm is self._evm:
                self._step.gas_cost += int(event.gas_cost)
        elif kind is trace.OpException:
            name = type(event.error).__name__
            if name == UNDEFINED:
                self._evm, self._step = evm, self._report(evm)
            if evm is self._evm and name != REVERTED:
                self._step.error = describe_error(event.error)
            self._evm = None
        elif kind is not trace.OpEnd or evm is self._evm:
            self._evm = None

    def _report(self, evm: Any) -> pb.Step:
        pc, message = int(evm.pc), evm.message
        words = b"".join([word._number.to_bytes(WORD, "big") for word in evm.stack])
        return self.tracer.step(
            int(message.depth) + 1,
            message.current_target,
            pc,
            evm.code[pc],
            int(evm.gas_left),
            words,
            len(evm.memory),
        )
