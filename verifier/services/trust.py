"""What the verifier takes as given when a block is replayed: the state before it, and its ancestors' hashes.

In replay there is no chain of our own to ask, so a root is trusted if the caller names it, or if the block's own parent
hash binds it through the parent's header. What a file merely claims counts only where the caller accepts claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from witness.file import parent_state_root
from witness.json_document import load_json
from witness.model import BlockWitness, Header

NO_TRUSTED_ROOT = bytes(32)  # no state has this root: an adapter cannot take it for one
HASH_LENGTH = 32


@dataclass(frozen=True)
class Trust:
    """What adapters are told to start from.

    pre_state_root: 32 bytes. withheld: why no statement may follow from it, or "". parent_header_optional: the root
    does not come from the parent's header, which is absent. ancestor_hashes: block number → hash. notes: for reports.
    """

    pre_state_root: bytes
    withheld: str = ""
    parent_header_optional: bool = False
    ancestor_hashes: Mapping[int, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def establish_trust(
    content: BlockWitness, header: Header, trusted_root: bytes | None, *, accept_claims: bool = False
) -> Trust:
    """The trust for one block. trusted_root: the caller's own, or None. Raises EncodingError for a broken parent."""
    bound = parent_state_root(content, header)
    claims = Claims.read(content) if accept_claims else Claims()
    ancestors = {number: hash_ for number, hash_ in claims.block_hashes.items() if number < header.number}
    notes = (f"{len(ancestors)} ancestor hashes are only claimed, and accepted",) if ancestors else ()
    if trusted_root is not None:
        if bound not in (None, trusted_root):
            why = f"pre-state root 0x{(bound or b'').hex()} is not the trusted 0x{trusted_root.hex()}"
            return Trust(trusted_root, withheld=why, notes=(why,))
        return Trust(trusted_root, "", bound is None, ancestors, notes)
    if bound is not None:
        return Trust(bound, "", False, ancestors, notes)
    if claims.parent_state_root is not None:
        note = "the pre-state root is only claimed, and accepted"
        return Trust(claims.parent_state_root, "", True, ancestors, (note, *notes))
    why = "no trusted pre-state root: the witness has no parent header"
    return Trust(NO_TRUSTED_ROOT, withheld=why, notes=(why,))


@dataclass(frozen=True)
class Claims:
    """The claims section of a witness file, as far as it can be read."""

    parent_state_root: bytes | None = None
    block_hashes: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, content: BlockWitness) -> "Claims":
        """The file's claims; what is not well formed is left out, as if it had not been claimed."""
        try:
            document = load_json(content.claims or b"{}")
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(document, dict):
            return cls()
        hashes = document.get("blockHashes")
        entries = hashes.items() if isinstance(hashes, dict) else ()
        read = {int(number): _hash(value) for number, value in entries if number.isdecimal() and len(number) < 20}
        return cls(
            _hash(document.get("parentStateRoot")), {key: each for key, each in read.items() if each is not None}
        )


def _hash(value: Any) -> bytes | None:
    try:
        decoded = bytes.fromhex(value.removeprefix("0x"))
    except (ValueError, AttributeError):
        return None
    return decoded if len(decoded) == HASH_LENGTH else None
