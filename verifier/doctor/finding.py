"""What an examination says: one line of what was found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """OK: as it should be. WARN: works, but less safely or not for long. FAIL: the sidecar would not do its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """subject: what was looked at, a few words. text: what was found. remedy: what to do, "" where nothing is."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, subject, text)


def warn(subject: str, text: str, remedy: str) -> Finding:
    """Works, and somebody should look at it."""
    return Finding(Level.WARN, subject, text, remedy)


def fail(subject: str, text: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding(Level.FAIL, subject, text, remedy)
