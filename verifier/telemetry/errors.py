"""Errors of what watches, below VerifierError."""

from verifier.errors import VerifierError


class StatusServerError(VerifierError):
    """The status page cannot be served: its address is in use, not this host's, or not allowed."""
