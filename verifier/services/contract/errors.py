"""Errors of the contract kit that a user can cause, below verifier.errors.AdapterError."""

from verifier.errors import AdapterError


class AdapterStartError(AdapterError):
    """The adapter to be checked cannot be started, or does not become healthy."""


class AdapterUnreachableError(AdapterError):
    """Nothing answers at the address of the adapter to be checked."""
