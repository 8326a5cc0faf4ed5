"""The eels adapter's client, in this process."""

from importlib.util import find_spec

import pytest

from tests.adapters.client_contract import ClientContract
from tests.adapters.prestate_contract import PrestateContract
from tests.adapters.trace_contract import TraceContract
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


class TestEels(TraceContract, PrestateContract, ClientContract):
    forks = SUPPORTED_FORKS
    unsupported = {  # noqa: RUF012 - not changed
        **dict.fromkeys(("cancunTime", "pragueTime", "osakaTime", "bpo3Time"), 0),
        "blobSchedule": {"bpo3": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11684671}},
    }
    stride = 60
    checks_gas_used = True
