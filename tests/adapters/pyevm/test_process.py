"""The pyevm adapter as the process that adapter.toml starts."""

from adapters.pyevm.description import ADAPTER
from tests.adapters.process_contract import ProcessContract


class TestPyEvmProcess(ProcessContract):
    adapter = ADAPTER
    module = "adapters.pyevm"
