"""Everything that can be said about a witness file without executing its block.

A pure function of the content. What it cannot see: whether the nodes and codes are all that execution will ask for.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from .chain_config import parse_chain_config
from .check_sections import check_sections
from .errors import ChainConfigError, EncodingError, WitnessFileError
from .file import check_binding
from .finding import Finding, Severity
from .header import HASH_LENGTH, decode_header, keccak256
from .json_document import load_json
from .model import BlockWitness, Header, Octets
from .proven_state import decode_account
from .rlp_item import list_items
from .trie import EMPTY_ROOT, list_root, nodes_by_hash
from .trie_node import EMPTY_STRING, Branch, Leaf, Node, decode_node

BODY_PARTS = 3  # header, transactions, uncles


def check_witness(content: BlockWitness) -> list[Finding]:
    """What is wrong or remarkable in the content of a witness file, in the order of its parts. Never raises."""
    try:
        header = check_binding(content)
    except WitnessFileError as error:
        return [Finding(Severity.ERROR, "block", str(error))]
    findings = [*check_body(content.block, header), *_check_chain_config(content, header)]
    claimed_root = _claimed_root(content)
    findings += _check_headers(content.witness.headers, header, claimed_root is not None)
    findings += [*_check_order("state", content.witness.state), *_check_order("codes", content.witness.codes)]
    root = _bound_root(content.witness.headers, header) or claimed_root
    findings += _check_nodes(content, root)
    findings += check_sections(content, header, root)
    findings += _check_documents(content, header)
    return findings


def is_usable(findings: Sequence[Finding]) -> bool:
    """Whether none of the findings is an error."""
    return all(finding.severity is not Severity.ERROR for finding in findings)


def _error(subject: str, text: str) -> Finding:
    return Finding(Severity.ERROR, subject, text)


def _warning(subject: str, text: str) -> Finding:
    return Finding(Severity.WARNING, subject, text)


def _note(subject: str, text: str) -> Finding:
    return Finding(Severity.NOTE, subject, text)


def check_body(block: Octets, header: Header) -> Iterator[Finding]:
    """A body that is not the one the header names is not bound by the block hash: no verdict on it is the block's."""
    try:
        parts = list_items(block)
        if len(parts) < BODY_PARTS or not all(nested for nested, *_ in parts):
            yield _error("block", f"{len(parts)} parts, header, transactions, uncles and perhaps withdrawals expected")
            return
        bodies = [block[at:stop] for _, at, _, stop in parts[1:]]
        transactions = [bodies[0][at if nested else start : stop] for nested, at, start, stop in list_items(bodies[0])]
        if not _has_root(transactions, header.transactions_root):
            yield _error("block", "the transactions do not have the header's transactions root")
        if keccak256(bodies[1]) != header.uncles_hash:
            yield _error("block", "the uncles do not have the header's uncles hash")
        if (header.withdrawals_root is None) != (len(bodies) < BODY_PARTS):
            yield _error("block", "withdrawals are there without a root in the header, or the other way round")
        elif header.withdrawals_root is not None:
            withdrawals = [bodies[2][at:stop] for _, at, _, stop in list_items(bodies[2])]
            if not _has_root(withdrawals, header.withdrawals_root):
                yield _error("block", "the withdrawals do not have the header's withdrawals root")
    except EncodingError as error:
        yield _error("block", f"the body is not RLP: {error}")


def _has_root(values: Sequence[Octets], root: bytes) -> bool:
    return all(len(value) for value in values) and list_root(values) == root


def _check_chain_config(content: BlockWitness, header: Header) -> Iterator[Finding]:
    try:
        config = parse_chain_config(content.chain_config)
        config.fork_at(header)
        if config.chain_id != content.chain_id:
            yield _error("chain_config", f"is of chain {config.chain_id}, the file of chain {content.chain_id}")
    except ChainConfigError as error:
        yield _error("chain_config", str(error))


def _check_headers(headers: Sequence[Octets], block: Header, root_is_claimed: bool) -> Iterator[Finding]:
    parent_hash = block.parent_hash
    number = block.number
    for index in range(len(headers) - 1, -1, -1):
        try:
            header = decode_header(headers[index])
        except EncodingError as error:
            yield _error("headers", f"[{index}]: {error}")
            return
        if header.hash != parent_hash:
            child = f"of {number}" if index < len(headers) - 1 else "of the block"
            yield _error(
                "headers", f"[{index}], number {header.number}, is not the parent {child}: 0x{parent_hash.hex()}"
            )
            return
        if header.number != number - 1:
            yield _warning("headers", f"[{index}] has number {header.number} below {number}")
        parent_hash, number = header.parent_hash, header.number
    if not headers:
        missing = f"the parent's header 0x{parent_hash.hex()} is missing"
        if root_is_claimed:
            yield _warning("headers", f"{missing}; the pre-state root is only claimed, and must come from elsewhere")
        else:
            yield _error("headers", f"{missing}; nothing names the pre-state root")


def _check_order(name: str, elements: Sequence[Octets]) -> Iterator[Finding]:
    octets = [bytes(element) for element in elements]
    repeated = len(octets) - len(set(octets))
    if repeated:
        yield _warning(name, f"{repeated} elements are there more than once")
    if any(left > right for left, right in pairwise(octets)):
        yield _warning(name, "is not sorted bytewise")


def _bound_root(headers: Sequence[Octets], block: Header) -> bytes | None:
    if not headers or keccak256(headers[-1]) != block.parent_hash:
        return None
    try:
        return decode_header(headers[-1]).state_root
    except EncodingError:
        return None


def _claimed_root(content: BlockWitness) -> bytes | None:
    try:
        claims = load_json(content.claims or b"{}")
        root = bytes.fromhex(claims["parentStateRoot"].removeprefix("0x"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return root if len(root) == HASH_LENGTH else None


def _check_nodes(content: BlockWitness, root: bytes | None) -> Iterator[Finding]:
    nodes = nodes_by_hash(content.witness.state)
    malformed: dict[bytes, str] = {}
    decoded: dict[bytes, Node] = {}
    for hash_, encoded in nodes.items():
        try:
            decoded[hash_] = decode_node(encoded)
        except EncodingError as error:
            if encoded == EMPTY_STRING:
                yield _note("state", "holds 0x80, the empty trie's node, which nothing needs")
            else:
                malformed[hash_] = str(error)
    if root is None:
        reached: set[bytes] = set()
        codes: set[bytes] = set()
    else:
        reached, codes, broken = _walk(root, decoded)
        if root != EMPTY_ROOT and root not in nodes:
            missing = f"the pre-state root's node 0x{root.hex()} is missing"
            yield _error("state", missing) if nodes else _warning("state", f"no nodes: {missing}")
        for hash_, reason in broken.items():
            yield _error("state", f"node 0x{hash_.hex()}: {reason}")
        unreachable = len(decoded) - len(reached & decoded.keys())
        if unreachable:
            yield _warning("state", f"{unreachable} of {len(nodes)} nodes cannot be reached from the pre-state root")
    for hash_, reason in malformed.items():
        severity = Severity.ERROR if hash_ in reached else Severity.WARNING
        yield Finding(severity, "state", f"node 0x{hash_.hex()} is malformed: {reason}")
    unnamed = sum(keccak256(code) not in codes for code in content.witness.codes)
    if unnamed and root is not None:
        yield _note("codes", f"{unnamed} of {len(content.witness.codes)} codes are of no account in the witness")


def _walk(root: bytes, nodes: dict[bytes, Node]) -> tuple[set[bytes], set[bytes], dict[bytes, str]]:
    """From the state root down: hashes named (also of nodes not there), code hashes of accounts, and bad accounts."""
    reached: set[bytes] = set()
    codes: set[bytes] = set()
    broken: dict[bytes, str] = {}
    seen: set[tuple[bytes, bool]] = set()
    pending: list[tuple[bytes, bool]] = [(root, False)]  # a node's hash, and whether it is of a storage trie
    while pending:
        hash_, storage = pending.pop()
        if (hash_, storage) in seen:
            continue
        seen.add((hash_, storage))
        reached.add(hash_)
        if hash_ not in nodes:
            continue
        for found in _contents(nodes[hash_]):
            if isinstance(found, bytes):
                pending.append((found, storage))
            elif not storage:
                try:
                    account = decode_account(found.value)
                except EncodingError as error:
                    broken[hash_] = f"account: {error}"
                    continue
                codes.add(account.code_hash)
                if account.storage_root != EMPTY_ROOT:
                    pending.append((account.storage_root, True))
    return reached, codes, broken


def _contents(node: Node) -> Iterator[bytes | Leaf]:
    """The hashes that a node names and the leaves in it, embedded nodes included."""
    if isinstance(node, Leaf):
        yield node
        return
    children = node.children if isinstance(node, Branch) else [node.child]
    for child in children:
        if isinstance(child, int):
            assert isinstance(node, Branch)
            yield node.hash_at(child)
        elif isinstance(child, bytes):
            yield child
        elif child is not None:
            yield from _contents(child)


def _printable(value: object) -> str:
    """Text out of the file, on one line and without control characters."""
    return "".join(character if character.isprintable() else "?" for character in str(value))


def _check_documents(content: BlockWitness, header: Header) -> Iterator[Finding]:
    documents = {"expected": content.expected, "producer": content.producer, "claims": content.claims}
    for name, encoded in documents.items():
        if encoded is None:
            continue
        try:
            document = load_json(encoded)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            yield _warning(name, "is not a JSON object")
        elif name == "claims" and document:
            yield _note(name, f"asserted, not proven: {', '.join(map(_printable, sorted(document)))}")
        elif name == "expected":
            yield from _check_expected(document, header)
    for kind in sorted(content.extra):
        yield _note("sections", f"kind {kind} is not known to this version")


def _check_expected(document: dict[str, object], header: Header) -> Iterator[Finding]:
    stated = {
        "stateRoot": header.state_root,
        "receiptsRoot": header.receipts_root,
        "logsBloom": header.logs_bloom,
        "transactionsRoot": header.transactions_root,
        "withdrawalsRoot": header.withdrawals_root,
        "requestsHash": header.requests_hash,
    }
    texts = {name: None if value is None else f"0x{value.hex()}" for name, value in stated.items()}
    texts["gasUsed"] = hex(header.gas_used)
    texts["blobGasUsed"] = None if header.blob_gas_used is None else hex(header.blob_gas_used)
    for name, text in texts.items():
        if name in document and document[name] != text:
            yield _note("expected", f"the producer computed another {name} than the header's")
    if "invalid" in document:
        yield _note("expected", f"the producer found the block invalid: {_printable(document['invalid'])}")
