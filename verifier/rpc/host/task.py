"""A request opened and bound: the checks that adapters/CONTRACT.md asks of every adapter before its client runs.

They are about the witness (hashes, the header chain, the trusted root, the chain config, the fork), never about the
block's own rules: those are the client's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from witness.chain_config import FORKS, ChainConfig, parse_chain_config
from witness.errors import ChainConfigError, EncodingError, WitnessFileError
from witness.file import decode_witness_file, map_witness_file
from witness.header import HASH_LENGTH, decode_header, keccak256
from witness.model import BlockWitness, Header, Octets, PreState
from witness.prestate import decode_prestate
from witness.rlp_item import item_span

from ..v1 import executor_pb2 as pb
from .responses import broken_rule, insufficient, missing_header, refused, unsupported_fork

FIRST_WITH_STATUS = FORKS.index("byzantium")


@dataclass(frozen=True, slots=True)
class BlockTask:
    """One block to execute, its witness bound to the block's hash and to the trusted pre-state root.

    header: the block's own, decoded. block: its RLP, not yet checked beyond the header. fork: one of
    witness.chain_config.FORKS. parent: None where the request allows the parent's header to be absent and it is.
    ancestor_hashes: of every ancestor that the witness proves or the request vouches for, by number. nodes, codes: not
    yet hashed; each client keys them by its own keccak. pre_state_root: 32 bytes, the trusted one. prestate: what is
    read instead of the nodes in prestate mode, else None.
    """

    block: Octets
    header: Header
    config: ChainConfig
    fork: str
    parent: Header | None
    parent_rlp: Octets | None
    ancestor_hashes: dict[int, bytes]
    nodes: list[Octets]
    codes: list[Octets]
    pre_state_root: bytes
    prestate: PreState | None = None


def has_status(fork: str) -> bool:
    """Whether receipts tell of success (EIP-658), and not of the state after their transaction."""
    return FORKS.index(fork) >= FIRST_WITH_STATUS


class Answered(Exception):  # noqa: N818 - not an error: the request is answered before any client ran
    """Carries the answer out of the checks."""

    def __init__(self, response: pb.ExecuteResponse) -> None:
        super().__init__()
        self.response = response


def invalid_argument(request: pb.ExecuteRequest) -> str | None:
    """Why a request is not well formed (gRPC INVALID_ARGUMENT), or None."""
    which = request.WhichOneof("witness")
    if which is None:
        return "the request names no witness"
    if which == "path" and not Path(request.path).is_absolute():
        return f"the path {request.path!r} is not absolute"
    hashes = [("block_hash", request.block_hash), ("pre_state_root", request.pre_state_root)]
    if which == "uploaded":
        hashes.append(("uploaded", request.uploaded))
    for name, value in hashes:
        if len(value) != HASH_LENGTH:
            return f"{name} has {len(value)} bytes, {HASH_LENGTH} expected"
    for ancestor in request.ancestor_hashes:
        if len(ancestor.hash) != HASH_LENGTH:
            return f"the hash of ancestor {ancestor.number} has {len(ancestor.hash)} bytes, {HASH_LENGTH} expected"
    if request.mode not in (pb.MODE_UNSPECIFIED, pb.MODE_PROOF, pb.MODE_PRESTATE):
        return f"mode {request.mode} is not known"
    return None


def open_task(request: pb.ExecuteRequest, supported_forks: Collection[str]) -> BlockTask:
    """Opens the request's witness and binds it. Raises Answered where that already is the answer."""
    content = _open(request)
    header = _block_header(content, request.block_hash)
    config = _chain_config(request, content)
    fork = config.fork_at(header)
    if fork not in supported_forks:
        raise Answered(unsupported_fork(fork))
    vouched = {each.number: each.hash for each in request.ancestor_hashes if each.number < header.number}
    parent, proven = _ancestors(content, header, optional=request.parent_header_optional)
    if parent is not None and parent.state_root != request.pre_state_root:
        raise Answered(
            refused(
                f"pre-state root 0x{parent.state_root.hex()} of the parent's header is not the trusted "
                f"0x{request.pre_state_root.hex()}"
            )
        )
    return BlockTask(
        block=content.block,
        header=header,
        config=config,
        fork=fork,
        parent=parent,
        parent_rlp=content.witness.headers[-1] if parent is not None else None,
        ancestor_hashes=vouched | proven,
        nodes=list(content.witness.state),
        codes=list(content.witness.codes),
        pre_state_root=request.pre_state_root,
        prestate=_prestate(content) if request.mode == pb.MODE_PRESTATE else None,
    )


def file_task(path: Path) -> BlockTask:
    """The task of a witness file that is trusted as it is (for measuring). Raises Answered, also for any fork."""
    content = _open(pb.ExecuteRequest(path=str(path)))
    header = _block_header(content, content.hash)
    config = _chain_config(pb.ExecuteRequest(), content)
    parent, hashes = _ancestors(content, header, optional=False)
    assert parent is not None  # not optional
    return BlockTask(
        content.block,
        header,
        config,
        config.fork_at(header),
        parent,
        content.witness.headers[-1],
        hashes,
        list(content.witness.state),
        list(content.witness.codes),
        parent.state_root,
    )


def _open(request: pb.ExecuteRequest) -> BlockWitness:
    try:
        if request.WhichOneof("witness") == "path":
            return map_witness_file(Path(request.path))
        return decode_witness_file(memoryview(request.content))
    except WitnessFileError as error:
        raise Answered(refused(str(error))) from None


def _block_header(content: BlockWitness, block_hash: bytes) -> Header:
    """The block's header, if it is the one that file and request name.

    Only the header is cut out here: what follows it in the block (also trailing bytes) is for the client to judge.
    """
    block = content.block
    try:
        is_list, at, end = item_span(block, 0, len(block))
        if not is_list:
            raise EncodingError("not a list")
        is_list, _, stop = item_span(block, at, end)
        if not is_list:
            raise EncodingError("does not start with a header")
    except EncodingError as error:
        raise Answered(refused(f"block: {error}")) from None
    encoded = block[at:stop]
    computed = keccak256(encoded)
    for name, expected in (("the file", content.hash), ("the request", block_hash)):
        if computed != expected:
            raise Answered(refused(f"the block has hash 0x{computed.hex()}, {name} names 0x{expected.hex()}"))
    try:
        header = decode_header(encoded)
    except EncodingError as error:
        # The hash is right, so this is the block: no client could decode it.
        raise Answered(broken_rule(pb.RULE_BLOCK_ENCODING, error)) from None
    if header.number != content.number:
        raise Answered(refused(f"the block has number {header.number}, the file names {content.number}"))
    return header


def _chain_config(request: pb.ExecuteRequest, content: BlockWitness) -> ChainConfig:
    try:
        config = parse_chain_config(request.chain_config or content.chain_config)
        config.blob_schedule("amsterdam")  # raises if any schedule that may be used is no schedule
    except ChainConfigError as error:
        raise Answered(refused(f"chain config: {error}")) from None
    if config.chain_id != content.chain_id:
        # Signatures are bound to the chain: the wrong config would make every transaction look invalid.
        raise Answered(refused(f"chain config of chain {config.chain_id}, the file is of chain {content.chain_id}"))
    return config


def _ancestors(content: BlockWitness, header: Header, *, optional: bool) -> tuple[Header | None, dict[int, bytes]]:
    """The parent's header, and every ancestor hash by number: each header proves the hash of the one below it."""
    headers = content.witness.headers
    hashes = {header.number - 1: header.parent_hash}
    if not headers and optional:
        return None, hashes
    if not headers or keccak256(headers[-1]) != header.parent_hash:
        raise Answered(
            insufficient([missing_header(header.parent_hash, max(0, header.number - 1), "the parent's header")])
        )
    number, expected = header.number - 1, header.parent_hash
    for encoded in reversed(headers):
        if keccak256(encoded) != expected:
            raise Answered(
                refused(f"header of block {number} has not the hash 0x{expected.hex()} that its child names")
            )
        try:
            expected = _parent_hash(encoded)
        except EncodingError as error:
            raise Answered(refused(f"header of block {number}: {error}")) from None
        number -= 1
        hashes[number] = expected
    try:
        return decode_header(headers[-1]), hashes
    except EncodingError as error:
        raise Answered(refused(f"the parent's header: {error}")) from None


def _prestate(content: BlockWitness) -> PreState:
    if content.prestate is None:
        raise Answered(refused("the file has no prestate section"))
    try:
        return decode_prestate(content.prestate)
    except WitnessFileError as error:
        raise Answered(refused(str(error))) from None


def _parent_hash(encoded: Octets) -> bytes:
    is_list, at, end = item_span(encoded, 0, len(encoded))
    if not is_list or end != len(encoded):
        raise EncodingError("not one RLP list")
    nested, start, stop = item_span(encoded, at, end)
    if nested or stop - start != HASH_LENGTH:
        raise EncodingError("its parent hash is not 32 bytes")
    return bytes(encoded[start:stop])
