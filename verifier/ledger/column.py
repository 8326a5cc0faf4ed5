"""What SQLite's columns can hold of the values of the core."""

HASH_LENGTH = 32
# SQLite's integers are 64 bits with a sign; a header may claim any number (witness.header).
LARGEST_INTEGER = (1 << 63) - 1


def fitting(number: int) -> int:
    """A number that a column holds: itself, or the largest that one does."""
    return min(number, LARGEST_INTEGER)


def storable(text: str) -> str:
    """Text that UTF-8 can hold: what clients say may have half a surrogate pair in it."""
    return text.encode(errors="replace").decode()
