"""Errors of the engine gate that an operator can cause."""

from verifier.errors import VerifierError


class EngineListenError(VerifierError):
    """The engine gate cannot listen on the configured address."""


class EngineApiError(VerifierError):
    """The execution client cannot be reached, does not answer in time, or answers what is no answer."""


class ConnectionClosedError(EngineApiError):
    """The execution client closed the connection before it answered anything: it was kept open too long."""


class EngineApiTokenError(EngineApiError):
    """The execution client refuses this verifier's token: the secrets or the clocks differ."""
