"""Every error that a user of this package can cause. Each prints as one line and ends the command with its exit code.

VerifierError
├── UsageError               arguments that contradict each other
├── InputError               a file or document given by the user that cannot be used
│   └── JwtSecretError       a JWT secret file that cannot be used
├── TokenError               a token of the Engine API that is not accepted
├── ConfigurationError       a configured value that is unknown, of the wrong kind, or impossible
├── ExecutorError            the stateful executor cannot go on
│   ├── UnknownBlockError    a block that it does not have (rollback target, parent)
│   └── RollbackDepthError   a block deeper than the configured rollback depth
└── AdapterError             an adapter that cannot be used
    ├── AdapterManifestError   adapter.toml is wrong
    ├── AdapterUnavailableError  not built, toolchain or packages missing
    └── AdapterBuildError    its build command failed
"""


class VerifierError(Exception):
    """Base of this package's errors. `str(error)` is one line, fit for a user."""

    exit_code = 2


class UsageError(VerifierError):
    """Arguments that contradict each other or name something that does not exist."""


class InputError(VerifierError):
    """A file or document given by the user that cannot be read or used."""


class ConfigurationError(VerifierError):
    """A configured value that is unknown, of the wrong kind, or impossible: where it was set, the key, the reason."""


class ExecutorError(VerifierError):
    """The stateful executor cannot go on: its database is damaged, of another chain, or in use."""


class UnknownBlockError(ExecutorError):
    """A block hash that the stateful executor does not have."""


class RollbackDepthError(ExecutorError):
    """A rollback target deeper below the head than configured."""


class AdapterError(VerifierError):
    """An adapter that cannot be used."""


class AdapterManifestError(AdapterError):
    """An adapter.toml that cannot be read or lacks what adapters/CONTRACT.md asks for."""


class AdapterUnavailableError(AdapterError):
    """An adapter that is not built, or whose toolchain or packages are missing."""


class AdapterBuildError(AdapterError):
    """An adapter's build command failed."""


class JwtSecretError(InputError):
    """A JWT secret file that cannot be read, or does not hold 32 bytes in hexadecimal. Never says what it holds."""


class TokenError(VerifierError):
    """A request's token is missing, malformed, signed with another secret, or not of now."""
