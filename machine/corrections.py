"""Corrections to py-evm itself, for the whole process: found by fixtures and by measuring, each with its reason."""

import importlib
from functools import cache
from typing import Any

from . import exponentiation
from .frames import touched_accounts


def correct_py_evm() -> None:
    """Applies the corrections; more than once does no harm.

    MODEXP of an empty base (EIP-198): see `exponentiation`. The KZG trusted setup: py-evm reads and expands it, seconds
    of work, in every call of the point evaluation precompile (EIP-4844); it never changes, so it is kept.
    Touched accounts (EIP-161): see `frames`.
    """
    # The package exports functions of the same names as its modules.
    modexp: Any = importlib.import_module("eth.precompiles.modexp")
    if modexp._modexp.__module__ != exponentiation.__name__:
        modexp._modexp = exponentiation.corrected_modexp(modexp._modexp)
    point_evaluation: Any = importlib.import_module("eth.precompiles.point_evaluation")
    if not hasattr(point_evaluation.load_trusted_setup, "cache_info"):
        point_evaluation.load_trusted_setup = cache(point_evaluation.load_trusted_setup)
    spurious_dragon_state: Any = importlib.import_module("eth.vm.forks.spurious_dragon.state")
    spurious_dragon_state.collect_touched_accounts = touched_accounts
