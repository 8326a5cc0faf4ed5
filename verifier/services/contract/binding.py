"""Checks of what binds an answer: the block's hash, the trusted root, the header chain, the file, the chain config."""

from dataclasses import replace

from witness.file import encode_witness_file

from .bundle import BLOCK_HASH, TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .subject import Subject, request_for, right, with_part
from .tampering import flipped

FLIPS = 40  # positions in a file at which a bit is flipped
TRUNCATIONS = (0, 1, 63, 64, 200)  # lengths in bytes; the file's header has 64
BAD_CONFIGS = (b"{", b"[]", b'{"chainId":"one"}', b"\xff", b"null")


async def block_hash(subject: Subject, evidence: Evidence) -> None:
    """A block that has not the hash of the request, or of its own file, is REFUSED."""
    for block in _chosen(subject, evidence, TAMPERED):
        other = flipped(block.header.hash)
        answer = await subject.ask(block, block_hash=other)
        evidence.expect(answer.reason == "refused", f"{block.fork}, another hash in the request: {answer}")
        lying = replace(block.content, hash=other)
        for named in (other, block.header.hash):
            answer = await subject.ask(block, lying, block_hash=named)
            evidence.expect(answer.reason == "refused", f"{block.fork}, another hash in the file: {answer}")
    evidence.note("other hashes in request and file")


async def trusted_root(subject: Subject, evidence: Evidence) -> None:
    """A parent whose state root is not the trusted one is REFUSED, also where its header may be absent."""
    for block in _chosen(subject, evidence, TAMPERED):
        for root in (flipped(block.root), bytes(32)):
            for optional in (False, True):
                answer = await subject.ask(block, pre_state_root=root, parent_header_optional=optional)
                evidence.expect(answer.reason == "refused", f"{block.fork}, root 0x{root.hex()[:8]}…: {answer}")
    evidence.note("two untrusted roots a fork")


async def header_chain(subject: Subject, evidence: Evidence) -> None:
    """Headers that form no chain below the parent are REFUSED."""
    tried = 0
    for block in _chosen(subject, evidence, BLOCK_HASH):
        headers = [bytes(header) for header in block.content.witness.headers]
        descendant = bytes(subject.bundle.blocks[-1].content.witness.headers[-1])
        chains = [[flipped(headers[-1]), *headers], [b"\xc0", *headers], [b"garbage", *headers], [descendant, *headers]]
        if len(headers) > 2:
            chains.append([headers[1], headers[0], *headers[2:]])
            chains.append([flipped(headers[0]), *headers[1:]])
            chains.append([*headers[:-2], flipped(headers[-2]), headers[-1]])
        for chain in chains:
            answer = await subject.ask(block, with_part(block.content, "headers", chain))
            tried += 1
            evidence.expect(answer.reason == "refused", f"block {block.number}, {len(chain)} headers: {answer}")
    evidence.note(f"{tried} broken chains")


async def parent_header(subject: Subject, evidence: Evidence) -> None:
    """Without the parent's header it abstains, and names the parent's hash."""
    for block in _chosen(subject, evidence, TAMPERED):
        parent = block.header.parent_hash
        headers = [bytes(header) for header in block.content.witness.headers]
        for name, changed in (
            ("no headers", []),
            ("the parent's header changed", [*headers[:-1], flipped(headers[-1])]),
            ("garbage after the parent's header", [*headers, b"\xc0garbage"]),
        ):
            answer = await subject.ask(block, with_part(block.content, "headers", changed))
            evidence.expect(answer.names(parent), f"{block.fork}, {name}: {answer}")
        # What the verifier knows of ancestors proves no state.
        vouched = [{"number": block.number - 1, "hash": parent}]
        answer = await subject.ask(block, with_part(block.content, "headers", []), ancestor_hashes=vouched)
        evidence.expect(answer.names(parent), f"{block.fork}, no headers, but the parent's hash vouched for: {answer}")
    evidence.note("none, changed, and garbage, a fork")


async def damaged_file(subject: Subject, evidence: Evidence) -> None:
    """A damaged, absent or cut file is REFUSED."""
    chosen = _chosen(subject, evidence, TAMPERED)[:1]
    tried = 0
    for block in chosen:
        encoded = encode_witness_file(block.content)
        damaged = []
        for position in range(0, len(encoded), max(1, len(encoded) // FLIPS)):
            changed = bytearray(encoded)
            changed[position] ^= 0x10
            damaged.append((f"byte {position} changed", bytes(changed)))
        damaged += [(f"cut to {length} bytes", encoded[:length]) for length in (*TRUNCATIONS, len(encoded) - 1)]
        damaged += [("a byte more", encoded + b"\0"), ("garbage", b"\xa5" * 4096)]
        path = subject.new_path()
        for name, octets in damaged:
            path.write_bytes(octets)
            answer = await subject.execute(request_for(block, path))
            tried += 1
            evidence.expect(answer.reason == "refused", f"{name}: {answer}")
        answer = await subject.execute(request_for(block, path, content=encoded[:-1]))
        evidence.expect(answer.reason == "refused", f"content a byte short: {answer}")
        path.unlink()
        for name, where in (("absent", path), ("a directory", subject.scratch)):
            answer = await subject.execute(request_for(block, where))
            evidence.expect(answer.reason == "refused", f"{name}: {answer}")
        tried += 3
    evidence.note(f"{tried} files that are none")


async def bad_chain_config(subject: Subject, evidence: Evidence) -> None:
    """A chain config that cannot be read is REFUSED, in the request and in the file."""
    for block in _chosen(subject, evidence, TAMPERED)[:1]:
        for config in BAD_CONFIGS:
            answer = await subject.ask(block, chain_config=config)
            evidence.expect(answer.reason == "refused", f"{config!r} in the request: {answer}")
            answer = await subject.ask(block, replace(block.content, chain_config=config))
            evidence.expect(answer.reason == "refused", f"{config!r} in the file: {answer}")
    evidence.note(f"{2 * len(BAD_CONFIGS)} configs")


async def parent_header_optional(subject: Subject, evidence: Evidence) -> None:
    """Where the parent's header may be absent: computed with rules left unchecked, or an abstention naming it."""
    computed = abstained = 0
    for block in _chosen(subject, evidence, TAMPERED):
        bare = with_part(block.content, "headers", [])
        answer = await subject.ask(block, bare, parent_header_optional=True)
        can_do_without = answer.kind == "computed"
        if can_do_without and answer.response is not None:
            computed += 1
            evidence.expect(right(answer, block), f"{block.fork}: {answer.vote(block.header).reason}")
            unchecked = answer.response.computed.unchecked_rules
            evidence.expect(bool(unchecked), f"{block.fork}: Computed without unchecked_rules, yet without the parent")
        else:
            abstained += 1
            evidence.expect(answer.names(block.header.parent_hash), f"{block.fork}: {answer}")
        other = flipped(block.root)
        answer = await subject.ask(block, bare, parent_header_optional=True, pre_state_root=other)
        held = answer.names(other if can_do_without else block.header.parent_hash)
        evidence.expect(held, f"{block.fork}, a root that is not in the witness: {answer}")
        # Where the header is there, everything is as always.
        answer = await subject.ask(block, parent_header_optional=True)
        evidence.expect(right(answer, block), f"{block.fork}, with the parent's header: {answer}")
    evidence.note(f"{computed} computed without the parent's header, {abstained} abstained")


async def ancestor_hashes(subject: Subject, evidence: Evidence) -> None:
    """BLOCKHASH answers with the verifier's hashes where the witness has no header, else with its headers."""
    used = 0
    for block in _chosen(subject, evidence, BLOCK_HASH):
        true = subject.bundle.ancestors_of(block)
        false = {number: flipped(hash_) for number, hash_ in true.items()}
        only_parent = with_part(block.content, "headers", [bytes(block.content.witness.headers[-1])])
        answer = await subject.ask(block, only_parent, ancestor_hashes=_messages(true))
        evidence.expect(right(answer, block), f"block {block.number}, hashes instead of headers: {answer}")
        answer = await subject.ask(block, ancestor_hashes=_messages(false))
        evidence.expect(right(answer, block), f"block {block.number}, wrong hashes beside headers: {answer}")
        answer = await subject.ask(block, only_parent, ancestor_hashes=_messages(false))
        used += answer.vote(block.header).kind == "INVALID"
    if subject.chosen(BLOCK_HASH):
        evidence.expect(used > 0, "wrong hashes instead of headers change nothing: they are not used")
    evidence.note(f"{used} blocks with BLOCKHASH")


def _messages(hashes: dict[int, bytes]) -> list[dict[str, object]]:
    return [{"number": number, "hash": hash_} for number, hash_ in hashes.items()]


def _chosen(subject: Subject, evidence: Evidence, numbers: tuple[int, ...]) -> list[BundledBlock]:
    chosen = subject.chosen(numbers)
    if not chosen:
        evidence.not_applicable(NO_BLOCKS)
    return chosen
