"""py-evm behind the host's Client protocol."""

from itertools import product

from eth.precompiles import point_evaluation
from eth_keys import keys
from eth_keys.backends import CoinCurveECCBackend

from machine.configuration import VIRTUAL_MACHINES, parameters
from verifier.rpc.host.task import BlockTask
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import known_chain_config, parse_chain_config

from .composition import machine_class
from .execution import compute, execute

POINT_AT_INFINITY = b"\xc0" + bytes(47)  # BLS12-381 G1, compressed: the commitment and proof of the zero polynomial


class PyEvmClient:
    """py-evm in this process."""

    def warm(self) -> None:
        """KZG set-up, virtual machines, signature library.

        Raises RuntimeError where answers would be wrong or take a hundred times longer.
        """
        if not __debug__:
            # The point evaluation precompile checks its proof by assert.
            raise RuntimeError("py-evm must not run with assertions switched off (python -O)")
        if not isinstance(keys.backend, CoinCurveECCBackend):
            raise RuntimeError(f"signatures would be recovered by {type(keys.backend).__name__}, not by coincurve")
        _evaluate_point()  # reads the trusted setup, which is then kept (machine.corrections)
        mainnet = parse_chain_config(known_chain_config(1))
        for fork in VIRTUAL_MACHINES:
            for traced, prestate in product((False, True), repeat=2):
                machine_class(parameters(mainnet, fork), traced=traced, prestate=prestate)

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        return execute(task)

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        return execute(task, tracer)

    def measure(self, task: BlockTask) -> bytes:
        """See the host's Client protocol. py-evm keeps no senders between blocks: they belong to its objects."""
        return compute(task)


def _evaluate_point() -> None:
    setup = point_evaluation.load_trusted_setup(point_evaluation.TRUSTED_SETUP_PATH, 0)
    zero = bytes(32)
    if not point_evaluation.verify_kzg_proof(POINT_AT_INFINITY, zero, zero, POINT_AT_INFINITY, setup):
        raise RuntimeError("KZG proofs are not verified as they should be")
