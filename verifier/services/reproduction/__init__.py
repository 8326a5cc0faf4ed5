"""Minimal reproductions of disputes: the one transaction that differs, as a GeneralStateTest for `evm statetest`.

`making` makes one, `transaction`, `cut_block` and `state_test` are its parts.
"""

from .making import Reproduction, ReproductionError, reproduce

__all__ = ["Reproduction", "ReproductionError", "reproduce"]
