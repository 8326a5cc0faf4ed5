"""All of a small state, where a witness shall have more than was read: clients differ in what they look at."""

from witness.proven_state import decode_account
from witness.trie import EMPTY_ROOT
from witness.trie_node import Branch, Child, Extension, Leaf, decode_node

from .overlay import Overlay


def read_whole(overlay: Overlay, root: bytes, limit: int) -> None:
    """Records nodes and codes of the state with this root, until all or `limit` bytes are recorded.

    Raises DatabaseDamagedError, EncodingError.
    """
    size = sum(map(len, (*overlay.nodes.values(), *overlay.codes.values())))
    # Hashes of nodes to read, each with whether it is one of the account trie.
    waiting = [(root, True)]
    while waiting and size < limit:
        hash_, in_accounts = waiting.pop()
        if hash_ == EMPTY_ROOT:
            continue
        known = hash_ in overlay.nodes
        encoded = overlay.beneath(hash_)
        if encoded is None:
            overlay.missing.append(hash_)
            return
        size += 0 if known else len(encoded)
        found: list[Child] = [decode_node(encoded)]
        while found:
            each = found.pop()
            if isinstance(each, bytes):
                waiting.append((each, in_accounts))
            elif isinstance(each, Extension):
                found.append(each.child)
            elif isinstance(each, Branch):
                found += (each.hash_at(child) if isinstance(child, int) else child for child in each.children)
            elif isinstance(each, Leaf) and in_accounts:
                account = decode_account(each.value)
                waiting.append((account.storage_root, False))
                size += _read_code(overlay, account.code_hash)


def _read_code(overlay: Overlay, code_hash: bytes) -> int:
    """How many bytes that was not known. An account without code has no entry."""
    if code_hash in overlay.codes:
        return 0
    with overlay.reading_code():
        return len(overlay.beneath(code_hash) or b"")
