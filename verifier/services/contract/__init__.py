"""The contract kit: proves by behaviour what an adapter owes by adapters/CONTRACT.md.

`obligation` has the values, `catalogue` every obligation with its check, `examination` runs them against a `subject`.
"""
