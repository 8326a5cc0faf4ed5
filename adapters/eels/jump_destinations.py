"""Where a code may be jumped to: the specification's analysis on plain integers, and remembered.

The specification analyses each code anew in every call frame, byte by byte with bounded integers: three quarters of a
block's time. Here the same walk is taken over a table made of the fork's own opcodes; the tests compare the two.
"""

from collections import OrderedDict
from typing import Any

from ethereum_types.numeric import Uint

MAX_DESTINATIONS = 500_000  # remembered, in all codes together; some 100 bytes each


class JumpDestinations:
    """`get_valid_jump_destinations` for a fork. opcodes: its enumeration `Ops`.

    Forgets the least recently used codes beyond MAX_DESTINATIONS.
    """

    def __init__(self, opcodes: Any) -> None:
        self._destination = int(opcodes.JUMPDEST.value)
        first, last = int(opcodes.PUSH1.value), int(opcodes.PUSH32.value)
        self._lengths = [op - first + 2 if first <= op <= last else 1 for op in range(256)]
        self._known: OrderedDict[bytes, set[Uint]] = OrderedDict()
        self._size = 0

    def __call__(self, code: Any) -> set[Uint]:
        """The positions a jump may go to. The set must not be changed."""
        if not isinstance(code, bytes):
            return self._analyse(bytes(code))  # a missing code raises when it is read
        known = self._known.get(code)
        if known is not None:
            self._known.move_to_end(code)
            return known
        known = self._known[code] = self._analyse(code)
        self._size += len(known) + 1
        while self._size > MAX_DESTINATIONS:
            _, forgotten = self._known.popitem(last=False)
            self._size -= len(forgotten) + 1
        return known

    def clear(self) -> None:
        """Forgets everything."""
        self._known.clear()
        self._size = 0

    def _analyse(self, code: bytes) -> set[Uint]:
        destination, lengths, position, end = self._destination, self._lengths, 0, len(code)
        destinations = set()
        while position < end:
            op = code[position]
            if op == destination:
                destinations.add(Uint(position))
            position += lengths[op]
        return destinations
