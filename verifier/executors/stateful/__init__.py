"""Executors with full state: they execute a block first and record its witness.

`base` is the seam, `genesis` what a chain starts from, `fake` the double for tests, `embedded` py-evm over LMDB.
"""
