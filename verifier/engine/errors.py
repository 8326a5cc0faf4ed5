"""Errors of the engine gate that an operator can cause."""

from verifier.errors import InputError, VerifierError


class JwtSecretError(InputError):
    """A JWT secret file that cannot be read, or does not hold 32 bytes in hexadecimal. Never says what it holds."""


class TokenError(VerifierError):
    """A request's token is missing, malformed, signed with another secret, or not of now."""


class EngineListenError(VerifierError):
    """The engine gate cannot listen on the configured address."""


class ExecutionClientError(VerifierError):
    """The execution client cannot be reached, does not answer in time, or answers what is no answer."""


class ConnectionClosedError(ExecutionClientError):
    """The execution client closed the connection before it answered anything: it was kept open too long."""


class ExecutionClientTokenError(ExecutionClientError):
    """The execution client refuses this verifier's token: the secrets or the clocks differ."""
