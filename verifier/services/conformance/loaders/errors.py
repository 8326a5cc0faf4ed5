"""What a loader raises."""

from verifier.errors import InputError


class FixtureError(InputError):
    """A genesis document, block file or test fixture that is not of its form. `str(error)` says where."""


class NotFixtureError(FixtureError):
    """A JSON document that holds no tests at all, such as a suite's index."""
