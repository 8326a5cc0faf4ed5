"""Command-line options of everything that can be configured, and what they amount to with file and environment."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.configuration.sections import KEYS, Key

Command = TypeVar("Command", bound=Callable[..., Any])
CONFIG_VARIABLE = "VERIFIER_CONFIG"


def configurable(command: Command) -> Command:
    """Adds --config and one option a key; the command gets them as `config` and `**flags`, see `effective`."""
    for key in reversed(KEYS):
        command = click.option(key.flag, _parameter(key), metavar=key.kind.name.upper(), help=_help(key))(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"TOML file (docs/verifier.example.toml); also ${CONFIG_VARIABLE}. Default: none, defaults alone.",
    )(command)


def effective(config: Path | None, flags: dict[str, Any]) -> EffectiveConfiguration:
    """The effective configuration of a command's options. Raises ConfigurationError."""
    environment = dict(os.environ)
    named = environment.pop(CONFIG_VARIABLE, "")
    given = {key.flag: flags[_parameter(key)] for key in KEYS if flags.get(_parameter(key)) is not None}
    return read_configuration(config or (Path(named) if named else None), environment, given)


def _parameter(key: Key) -> str:
    return f"{key.section}_{key.name}"


def _help(key: Key) -> str:
    if key.default is None:
        return f"{key.about[:1].upper()}{key.about[1:]}."
    shown = ",".join(key.default) if isinstance(key.default, tuple) else str(key.default)
    return f"{key.about[:1].upper()}{key.about[1:]}. Default: {shown.lower() if shown in ('True', 'False') else shown}"
