"""A recorded block that adapters are asked about."""

from dataclasses import dataclass
from pathlib import Path

from verifier.errors import InputError
from witness.chain_config import parse_chain_config
from witness.file import check_binding, map_witness_file, parent_state_root
from witness.model import BlockWitness, Header


@dataclass(frozen=True)
class BundledBlock:
    """One recorded block. root: the pre-state root, 32 bytes, that its parent's header proves."""

    path: Path
    content: BlockWitness
    header: Header
    fork: str
    root: bytes

    @property
    def number(self) -> int:
        """The block's number."""
        return self.header.number


def bundled(path: Path) -> BundledBlock:
    """The block of a witness file that holds its parent's header. Raises InputError, WitnessFileError."""
    content = map_witness_file(path)
    header = check_binding(content)
    root = parent_state_root(content, header)
    if root is None:
        raise InputError(f"{path}: the witness has no header of the parent")
    return BundledBlock(path, content, header, parse_chain_config(content.chain_config).fork_at(header), root)
