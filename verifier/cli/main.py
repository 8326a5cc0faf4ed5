"""`verifier`: the entry point. Turns every error that a user can cause into one line and an exit code."""

import logging
import os
import sys
from importlib import import_module

import click

from verifier.errors import VerifierError
from witness.errors import WitnessError

EXIT_INPUT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


# Each is a module of this package, and the command in it.
COMMANDS = (
    "adapters", "bench", "config", "conformance", "demo", "dispute", "doctor", "fuzz", "ledger", "record", "replay",
    "sidecar", "trace", "witness",
)  # fmt: skip


class Commands(click.Group):
    """Imports a command when it is asked for: a sidecar that was killed is to be back before the next slot."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """As click.Group."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """As click.Group."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"verifier.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="execution-verifier", prog_name="verifier")
@click.option("-v", "--verbose", count=True, help="Log more to standard error; -vv also debugging.")
def verifier(verbose: int) -> None:
    """Judge Ethereum blocks by several independent execution clients: n of m must agree."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


def main() -> None:
    """Runs the command line and exits."""
    try:
        status = verifier.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (VerifierError, WitnessError) as error:
        click.echo(f"verifier: {error}", err=True)
        status = getattr(error, "exit_code", EXIT_INPUT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("verifier: interrupted", err=True)
        status = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`verifier … | head`). Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


if __name__ == "__main__":
    main()
