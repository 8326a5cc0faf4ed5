"""Every missing node and code that py-evm meets in one block, also where py-evm swallows the exception.

py-evm tells of a miss by exceptions, and catches some of them: the processing of an EIP-7702 authorization ignores
whatever is raised, and elsewhere a miss comes out as a ValidationError, as if the block were invalid. So the
constructors of its exceptions keep a list. The hook is process-wide, the list is the context's: what runs in another
thread, or outside `collecting`, is recorded elsewhere or nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from eth.vm.interrupt import MissingBytecode
from trie.exceptions import MissingTrieNode

from verifier.rpc.host.responses import identity, missing_header
from verifier.rpc.v1 import executor_pb2 as pb

_misses: ContextVar[dict[tuple[object, ...], pb.Missing] | None] = ContextVar("misses", default=None)


@contextmanager
def collecting() -> Iterator[dict[tuple[object, ...], pb.Missing]]:
    """A mapping that fills with what this context misses, in the order of asking; its values are the misses."""
    misses: dict[tuple[object, ...], pb.Missing] = {}
    token = _misses.set(misses)
    try:
        yield misses
    finally:
        _misses.reset(token)


def record(missing: pb.Missing) -> None:
    """Adds a miss to the context's list; a later, more precise `where` of the same thing replaces an earlier one."""
    misses = _misses.get()
    if misses is None:
        return
    key = identity(missing)
    known = misses.get(key)
    if known is None or len(missing.where) > len(known.where):
        misses[key] = missing


def record_ancestor(number: int) -> None:
    """Adds a block whose hash BLOCKHASH asked for."""
    record(missing_header(number=number, where="BLOCKHASH"))


def _where(arguments: tuple[Any, ...]) -> str:
    # MissingStorageTrieNode: missing hash, storage root, key, prefix, account; MissingTrieNode: the first four.
    key = bytes(arguments[2]).hex()
    if len(arguments) > 4:
        return f"storage of account 0x{arguments[4].hex()}, slot's hash 0x{key}"
    return f"key 0x{key}"


def _hook() -> None:
    original_node, original_code = MissingTrieNode.__init__, MissingBytecode.__init__

    def node(self: MissingTrieNode, *arguments: Any, **keywords: Any) -> None:
        original_node(self, *arguments, **keywords)
        record(pb.Missing(kind=pb.Missing.KIND_NODE, hash=bytes(self.missing_node_hash), where=_where(self.args)))

    def code(self: MissingBytecode, missing_code_hash: Any) -> None:
        original_code(self, missing_code_hash)
        record(pb.Missing(kind=pb.Missing.KIND_CODE, hash=bytes(missing_code_hash)))

    # MissingAccountTrieNode and MissingStorageTrieNode construct themselves through MissingTrieNode.
    MissingTrieNode.__init__ = node  # type: ignore[method-assign]
    MissingBytecode.__init__ = code  # type: ignore[method-assign]


_hook()  # at import, once a process: the module is imported once
