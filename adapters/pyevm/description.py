"""What this adapter is, told without importing py-evm (which takes a second)."""

from importlib.metadata import version

from verifier.rpc.host.client import Adapter
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import FORKS

ADAPTER_VERSION = "1"
SUPPORTED_FORKS = FORKS[: FORKS.index("bpo5") + 1]
# The seal needs the ethash cache of the block's epoch: minutes in Python. gasUsed above the limit shows as a
# difference instead, because what is computed never is above.
UNCHECKED_RULES = (pb.RULE_PROOF_OF_WORK, pb.RULE_GAS_USED)


def describe() -> pb.DescribeResponse:
    """Client, versions, lineage, forks and the rules that are never checked."""
    return pb.DescribeResponse(
        client_name="py-evm",
        client_version=version("py-evm"),
        adapter_version=ADAPTER_VERSION,
        lineage="pyevm",
        forks=SUPPORTED_FORKS,
        unchecked_rules=UNCHECKED_RULES,
        traces=True,
    )


ADAPTER = Adapter(
    name="pyevm",
    factory="adapters.pyevm.client:PyEvmClient",
    required_modules=("eth", "coincurve"),
    description=describe,
)
