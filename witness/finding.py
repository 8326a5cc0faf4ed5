"""What a check of a witness file can say: how bad, about which part, and what."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: the file cannot serve to judge its block. WARNING: it may, with care. NOTE: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file. subject: the part of the file; text: one line."""

    severity: Severity
    subject: str
    text: str
