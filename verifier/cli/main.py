"""`verifier`: the entry point. Turns every error that a user can cause into one line and an exit code."""

import logging
import os
import sys

import click

from verifier.cli.adapters import adapters
from verifier.cli.bench import bench
from verifier.cli.config import config
from verifier.cli.demo import demo
from verifier.cli.doctor import doctor
from verifier.cli.ledger import ledger
from verifier.cli.record import record
from verifier.cli.replay import replay
from verifier.cli.sidecar import sidecar
from verifier.cli.trace import trace
from verifier.cli.witness import witness
from verifier.errors import VerifierError
from witness.errors import WitnessError

EXIT_INPUT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="execution-verifier", prog_name="verifier")
@click.option("-v", "--verbose", count=True, help="Log more to standard error; -vv also debugging.")
def verifier(verbose: int) -> None:
    """Judge Ethereum blocks by several independent execution clients: n of m must agree."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


verifier.add_command(adapters)
verifier.add_command(bench)
verifier.add_command(config)
verifier.add_command(demo)
verifier.add_command(doctor)
verifier.add_command(ledger)
verifier.add_command(record)
verifier.add_command(replay)
verifier.add_command(sidecar)
verifier.add_command(trace)
verifier.add_command(witness)


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
