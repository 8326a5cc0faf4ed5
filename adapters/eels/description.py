"""What this adapter is, told without importing the specification."""

from importlib.metadata import version

from verifier.rpc.host.client import Adapter
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import FORKS

ADAPTER_VERSION = "1"
# The specification goes from Byzantium to Petersburg (which it calls Constantinople): the rules of Constantinople
# itself, EIP-1283, were never in force on mainnet and are not in it.
SUPPORTED_FORKS = tuple(fork for fork in FORKS[: FORKS.index("bpo2") + 1] if fork != "constantinople")
# The seal needs the ethash cache of the block's epoch: minutes in Python.
UNCHECKED_RULES = (pb.RULE_PROOF_OF_WORK,)


def describe() -> pb.DescribeResponse:
    """Client, versions, lineage, forks and the rules that are never checked."""
    return pb.DescribeResponse(
        client_name="ethereum-execution",
        client_version=version("ethereum-execution"),
        adapter_version=ADAPTER_VERSION,
        lineage="eels",
        forks=SUPPORTED_FORKS,
        unchecked_rules=UNCHECKED_RULES,
        traces=True,
    )


ADAPTER = Adapter(
    name="eels",
    factory="adapters.eels.client:EelsClient",
    required_modules=("ethereum", "coincurve"),
    description=describe,
)
