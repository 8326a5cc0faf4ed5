"""JSON from outside, parsed without trusting its shape.

The standard parser recurses, and how deep it may go depends on the process: Ethereum libraries raise the recursion
limit, and then a document of brackets alone overflows the C stack. So the nesting is measured before it is parsed.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from .model import Octets

MAX_DEPTH = 64  # the deepest documents here, fixtures and genesis files, have below 12 levels
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
NOT_BRACKETS = bytes(octet for octet in range(256) if octet not in b"[]{}")
OPENING, CLOSING = b"[{", b"]}"


def load_json(encoded: Octets, members: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The JSON value that `encoded` (UTF-8) is. Raises ValueError, also if it nests deeper than MAX_DEPTH.

    members: makes an object of its names and values, in the order in which they stand there; dict if not given.
    """
    document = bytes(encoded)
    if document.count(b"[") + document.count(b"{") > MAX_DEPTH and nesting(document) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(document, object_pairs_hook=members)


def nesting(document: bytes) -> int:
    """How deep the brackets of a JSON document nest, those within strings left out."""
    depth = deepest = 0
    for bracket in STRING.sub(b"", document).translate(None, NOT_BRACKETS):
        if bracket in OPENING:
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest
