"""The two Python lineages, written independently, compute the same of real blocks: all of it, to each receipt."""

from importlib.util import find_spec

import pytest

from adapters.pyevm.client import PyEvmClient
from adapters.pyevm.description import SUPPORTED_FORKS
from tests.adapters.asking import ask
from tests.adapters.prestate_section import derive
from tests.adapters.real_block import MAINNET, load_block, needs_real_data, trusted_root
from tests.adapters.tracing import trace_block
from verifier.rpc.host.client import Client
from verifier.rpc.v1 import executor_pb2 as pb

if find_spec("ethereum") is None:
    pytest.skip("ethereum-execution is not installed (Python 3.13)", allow_module_level=True)

from adapters.eels.client import EelsClient

NAMES = ("1_1150001_zeth", "1_2675000_zeth", "1_4370000_zeth", "1_20612842_raiko", "1_22615247_keth")

# As far as they have contracts that run.
TRACED = ("1_1150000_zeth", "1_2675000_zeth", "1_4370000_zeth", "1_20612842_raiko", "1_22615247_keth")


@pytest.fixture(scope="module")
def clients() -> tuple[Client, Client]:
    first, second = PyEvmClient(), EelsClient()
    first.warm()
    second.warm()
    return first, second


@needs_real_data
@pytest.mark.parametrize("name", NAMES)
def test_same_results(clients: tuple[Client, Client], name: str) -> None:
    content = load_block(MAINNET / f"{name}.json.gz")
    first, second = (ask(client, SUPPORTED_FORKS, content).computed for client in clients)
    assert first == second
    assert first.receipts


@needs_real_data
@pytest.mark.parametrize("name", TRACED)
def test_same_steps(clients: tuple[Client, Client], name: str) -> None:
    content = load_block(MAINNET / f"{name}.json.gz")
    (first, _), (second, _) = (trace_block(client, SUPPORTED_FORKS, content) for client in clients)
    for one, other in zip(first, second, strict=True):
        assert (one.start, one.end) == (other.start, other.end)
        assert one.steps == other.steps
    assert sum(len(each.steps) for each in first) > 1000


@needs_real_data
@pytest.mark.parametrize("name", [*NAMES, "1_1920000_zeth"])
def test_same_changes(clients: tuple[Client, Client], name: str) -> None:
    content = load_block(MAINNET / f"{name}.json.gz")
    sections = [derive(content, SUPPORTED_FORKS, client) for client in clients]
    assert sections[0].accounts == sections[1].accounts
    complete, root = sections[0].of(content), trusted_root(content)
    first, second = (ask(client, SUPPORTED_FORKS, complete, root, mode=pb.MODE_PRESTATE) for client in clients)
    assert first.computed == second.computed
    assert first.computed.post_state
