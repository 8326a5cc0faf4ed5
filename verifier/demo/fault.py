"""What can be made wrong in the demonstration's execution client, as the stage uses it."""

from collections.abc import Sequence
from typing import Protocol

from .driver import Built


class Fault(Protocol):
    """One error of the execution client, which is there while `active` is set. Not there at first.

    what: said on the screen, one line. symptom: words that have to be in where it is found.
    """

    what: str
    symptom: str
    active: bool

    def transactions(self) -> Sequence[bytes]:
        """What brings it about, for the pool; empty where nothing is needed."""

    def told(self, block: Built) -> Built:
        """A block that the client has built, as it comes out of it."""
