"""Recorders: clients that import the blocks of a test with full state and make their witnesses.

`client` (an adapter's own recorder, as geth has one), `embedded` (py-evm, in this process).
"""
