"""The pyevm adapter's client, in this process."""

import pytest

from adapters.pyevm.client import PyEvmClient
from adapters.pyevm.description import SUPPORTED_FORKS
from tests.adapters.client_contract import ClientContract
from tests.adapters.prestate_contract import PrestateContract
from tests.adapters.trace_contract import TraceContract
from verifier.rpc.host.client import Client


@pytest.fixture(scope="module")
def client() -> Client:
    client = PyEvmClient()
    client.warm()
    return client


class TestPyEvm(TraceContract, PrestateContract, ClientContract):
    forks = SUPPORTED_FORKS
    unsupported = {"cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "amsterdamTime": 0}  # noqa: RUF012 - not changed
    stride = 30
    checks_gas_used = False
