"""An earlier bundle of a dispute goes once a later one is complete and has all that is in it; else both stay."""

import shutil
from dataclasses import replace
from pathlib import Path

from .bundle import TEMPORARY_PREFIX, read_bundle
from .errors import EvidenceError
from .model import Evidence


def supersedes(newer: Evidence, older: Evidence) -> bool:
    """Whether `newer` has every word, result, step and setting of `older`, but for how far the dispute had come."""
    executed = replace(older.request, witness=newer.request.witness, deadline=newer.request.deadline)
    return (
        newer.dispute.block == older.dispute.block
        and newer.request == executed
        and newer.versions == older.versions
        and newer.configuration == older.configuration
        and all(each in newer.results for each in older.results)
        and all(each in newer.dispute.statements for each in older.dispute.statements)
        and older.localization in (None, newer.localization)
        and all(newer.traces.get(adapter) == items for adapter, items in older.traces.items())
    )


def remove_superseded(directory: Path, older: str, newer: str) -> bool:
    """Removes the bundle `older` below `directory` if the bundle `newer` supersedes it; whether it did.

    Both are read and checked: what is not whole supersedes nothing, and what is damaged is for a person to look at. It
    is gone from its name at once; what a kill leaves of it then is removed by `remove_leftovers`. Blocks for the disk.
    Raises OSError.
    """
    if older == newer:
        return False
    try:
        if not supersedes(read_bundle(directory / newer), read_bundle(directory / older)):
            return False
    except EvidenceError:
        return False
    doomed = directory / f"{TEMPORARY_PREFIX}superseded-{older}"
    (directory / older).rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
    return True
