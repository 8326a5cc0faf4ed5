"""The eels adapter's client, in this process."""

from importlib.util import find_spec

import pytest

from tests.adapters.client_contract import ClientContract
from verifier.rpc.host.client import Client

if find_spec("ethereum") is None:
    pytest.skip("ethereum-execution is not installed (Python 3.13)", allow_module_level=True)

from adapters.eels.client import EelsClient
from adapters.eels.description import SUPPORTED_FORKS


@pytest.fixture(scope="module")
def client() -> Client:
    client = EelsClient()
    client.warm()
    return client


class TestEels(ClientContract):
    forks = SUPPORTED_FORKS
    unsupported = {"cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "bpo1Time": 0, "bpo2Time": 0, "bpo3Time": 0}  # noqa: RUF012 - not changed
    stride = 60
    checks_gas_used = True
