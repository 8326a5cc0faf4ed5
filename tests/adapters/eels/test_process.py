"""The eels adapter as the process that adapter.toml starts."""

from importlib.util import find_spec

import pytest

from adapters.eels.description import ADAPTER
from tests.adapters.process_contract import ProcessContract

if find_spec("ethereum") is None:
    pytest.skip("ethereum-execution is not installed (Python 3.13)", allow_module_level=True)


class TestEelsProcess(ProcessContract):
    adapter = ADAPTER
    module = "adapters.eels"
