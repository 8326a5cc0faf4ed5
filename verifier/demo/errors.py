"""Errors of the private chain, below verifier.errors.VerifierError."""

from verifier.errors import VerifierError


class DemoError(VerifierError):
    """The private chain cannot go on."""


class CallError(DemoError):
    """A client answered a JSON-RPC call with an error, with something else than JSON-RPC, or not at all."""


class PayloadError(DemoError):
    """The execution client would not build a block."""
