"""Measures what a verdict costs beyond the execution it compares (docs/performance.md gives the budgets).

Every figure is a median over runs of one session on this machine, and ratios compare figures of the same session.
"""
