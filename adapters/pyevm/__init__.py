"""The pyevm adapter: py-evm executes a block from its witness. README.md says what it checks and what it cannot."""

import os

# py-evm's keccak: of the two libraries installed, the one that is three times faster. Read when eth_hash is imported.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
