"""The embedded stateful executor: py-evm over LMDB.

`executor` imports blocks and rolls back, `execution` runs one block, `machine` is the completed py-evm per fork,
`overlay` and `accounts` record what was read, `database` keeps it, `building` makes blocks, `sample_chain` the chain of
our own.
"""

import os

# py-evm's keccak: of the two libraries installed, the one that is three times faster. Read when eth_hash is imported.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
