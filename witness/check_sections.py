"""What can be said about the sections prestate and poststate: their form, and what the file's own nodes say of them.

The prestate is compared with every account and slot that the nodes prove. The poststate, put into the tries before the
block, must give the state root of the block's header.
"""

from collections.abc import Iterator, Mapping

from .errors import EncodingError, WitnessFileError, WitnessInsufficientError
from .finding import Finding, Severity
from .model import BlockWitness, Header, PostState, PreAccount, PreState
from .prestate import decode_poststate, decode_prestate
from .proven_state import ProvenState, root_after
from .trie import NodeSource, nodes_by_hash

MAX_CONTRADICTIONS = 5  # told one by one; a section of another block has hundreds
FIELDS = ("nonce", "balance", "storage_root", "code_hash")


def check_sections(content: BlockWitness, header: Header, root: bytes | None) -> Iterator[Finding]:
    """Findings about both sections. root: of the state before the block, 32 bytes; None if nothing names it."""
    prestate = poststate = None
    try:
        prestate = None if content.prestate is None else decode_prestate(content.prestate)
    except WitnessFileError as error:
        yield Finding(Severity.ERROR, "prestate", f"malformed: {str(error).removeprefix('prestate: ')}")
    try:
        poststate = None if content.poststate is None else decode_poststate(content.poststate)
    except WitnessFileError as error:
        yield Finding(Severity.ERROR, "poststate", f"malformed: {str(error).removeprefix('poststate: ')}")
    if prestate is None and poststate is None:
        return
    nodes = nodes_by_hash(content.witness.state)
    if prestate is not None:
        yield from _check_prestate(prestate, None if root is None else ProvenState(root, nodes))
    if poststate is not None:
        if prestate is not None:
            yield from _check_against_prestate(poststate, prestate)
        if root is not None:
            yield from _check_root(poststate, root, nodes, header)


def extent(accounts: PreState | PostState, nothing: str) -> str:
    """How much a section holds, in words. nothing: what an address without an account means."""
    slots = sum(len(account.slots) for account in accounts.values() if account is not None)
    without = sum(account is None for account in accounts.values())
    return f"{len(accounts)} accounts ({without} {nothing}), {slots} slots"


def _check_prestate(prestate: PreState, state: ProvenState | None) -> Iterator[Finding]:
    contradictions: list[str] = []
    total = unproven = 0
    for address, account in prestate.items():
        slots: Mapping[bytes, int] = {} if account is None else account.slots
        total += 1 + len(slots)
        if state is None:
            continue
        try:
            proven = state.account(address)
        except (WitnessInsufficientError, EncodingError):
            unproven += 1 + len(slots)
            continue
        contradictions += [f"account 0x{address.hex()}: {text}" for text in _differences(account, proven)]
        for key, value in slots.items():
            try:
                held = 0 if proven is None else state.slot(proven.storage_root, key)
            except (WitnessInsufficientError, EncodingError):
                unproven += 1
                continue
            if held != value:
                slot = f"slot 0x{key.hex()} of 0x{address.hex()}"
                contradictions.append(f"{slot}: {value:#x}, the nodes prove {held:#x}")
    for text in contradictions[:MAX_CONTRADICTIONS]:
        yield Finding(Severity.ERROR, "prestate", text)
    if len(contradictions) > MAX_CONTRADICTIONS:
        yield Finding(Severity.ERROR, "prestate", f"{len(contradictions) - MAX_CONTRADICTIONS} further contradictions")
    if contradictions:
        return
    if state is None:
        proof = "nothing names the pre-state root, so nothing of it is proven"
    elif unproven:
        proof = f"{unproven} of these {total} are not proven by the nodes"
    else:
        proof = "all proven by the nodes"
    yield Finding(Severity.NOTE, "prestate", f"{extent(prestate, 'absent')}; {proof}")


def _differences(stated: PreAccount | None, proven: PreAccount | None) -> Iterator[str]:
    if stated is None or proven is None:
        if stated is not proven:
            yield "absent, the nodes prove that it is there" if stated is None else "there, the nodes prove it absent"
        return
    for name in FIELDS:
        left, right = getattr(stated, name), getattr(proven, name)
        if left != right:
            yield f"{name.replace('_', ' ')} {_shown(left)}, the nodes prove {_shown(right)}"


def _shown(value: int | bytes) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _check_against_prestate(poststate: PostState, prestate: PreState) -> Iterator[Finding]:
    unlisted = sum(address not in prestate for address in poststate)
    if unlisted:
        yield Finding(Severity.WARNING, "poststate", f"{unlisted} of {len(poststate)} accounts are not in the prestate")
    for address, account in poststate.items():
        if address not in prestate:
            continue
        old = prestate[address]
        if account is None:
            unchanged = old is None
        else:
            unchanged = (
                old is not None
                and (old.nonce, old.balance, old.code_hash) == (account.nonce, account.balance, account.code_hash)
                and not account.slots
            )
            slots = {} if old is None else old.slots
            for key, value in account.slots.items():
                if slots.get(key) == value:
                    text = f"slot 0x{key.hex()} of 0x{address.hex()} is listed and not changed"
                    yield Finding(Severity.ERROR, "poststate", text)
        if unchanged:
            yield Finding(Severity.ERROR, "poststate", f"account 0x{address.hex()} is listed and not changed")


def _check_root(poststate: PostState, root: bytes, nodes: NodeSource, header: Header) -> Iterator[Finding]:
    try:
        after = root_after(root, nodes, poststate)
    except (WitnessInsufficientError, EncodingError) as error:
        yield Finding(Severity.NOTE, "poststate", f"{extent(poststate, 'deleted')}; not proven: {error}")
        return
    if after == header.state_root:
        yield Finding(Severity.NOTE, "poststate", f"{extent(poststate, 'deleted')}; gives the header's state root")
        return
    text = f"gives the state root 0x{after.hex()}, not the header's 0x{header.state_root.hex()}"
    if header.excess_blob_gas is None:
        # Before EIP-6780, slots that nobody asked for could vanish with their account, which is then made again.
        yield Finding(Severity.WARNING, "poststate", f"{text}, unless an account was destroyed and made again")
    else:
        yield Finding(Severity.ERROR, "poststate", text)
