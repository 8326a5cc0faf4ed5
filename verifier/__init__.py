"""Executes one block by several independent clients, compares what they computed, and decides n of m.

A block's way: `executors.stateful` records a witness, `executors.stateless` lets adapters execute it, `domain` turns
results into votes and votes into a verdict, `services` drive many blocks, `cli` is the operator's way in.
"""
