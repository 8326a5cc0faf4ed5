"""Changes of a block made whole with the values before it, so that they compare with what a client reads afterwards."""

from collections.abc import Mapping, Sequence

from witness.model import PostAccount, PostState, PreState

Keys = Mapping[bytes, frozenset[bytes]]
"""Address (20 bytes) → keys of slots (32 bytes)."""


def keys_of(prestate: PreState, states: Sequence[PostState]) -> Keys:
    """Every account and slot that is known before the block or changed by somebody."""
    keys: dict[bytes, set[bytes]] = {}
    for state in (prestate, *states):
        for address, account in state.items():
            keys.setdefault(address, set()).update(() if account is None else account.slots)
    return {address: frozenset(slots) for address, slots in keys.items()}


def whole(state: PostState, prestate: PreState, keys: Keys) -> PostState:
    """The value of everything in `keys` after the block. state: what changed. A slot that nobody tells is zero."""
    made: dict[bytes, PostAccount | None] = {}
    for address, slots in keys.items():
        before, after = prestate.get(address), state.get(address)
        if address in state and after is None:
            made[address] = None
            continue
        account = after or before
        if account is None:
            made[address] = None
            continue
        known = {**(before.slots if before is not None else {}), **(after.slots if after is not None else {})}
        values = {key: known.get(key, 0) for key in slots}
        made[address] = PostAccount(account.nonce, account.balance, account.code_hash, values)
    return made
