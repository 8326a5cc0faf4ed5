"""The embedded stateful executor: py-evm over LMDB.

`executor` imports blocks and rolls back, `execution` runs one block, `machine` is the completed py-evm per fork,
`overlay` and `accounts` record what was read, `database` keeps it, `building` makes blocks, `sample_chain` the chain of
our own.
"""
