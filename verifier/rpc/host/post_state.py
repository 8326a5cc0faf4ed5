"""What a block changed, canonically: out of the prestate section and what the client says of the accounts it touched.

adapters/CONTRACT.md ("Prestate mode") defines "changed". Clients touch more than they change, and each something else;
so this is decided here, once, and not in the clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from witness.errors import WitnessInsufficientError
from witness.model import PreAccount, PreState
from witness.rlp_encoding import encode_integer
from witness.trie import EMPTY_ROOT

from ..v1 import executor_pb2 as pb


@dataclass(frozen=True, slots=True)
class TouchedAccount:
    """An account after the block. balance: wei. code_hash: 32 bytes, also of no code. slots: those read or written.

    emptied: all its storage was deleted in the block, or it was created in it: slots that are not in `slots` are zero.
    """

    nonce: int
    balance: int
    code_hash: bytes
    slots: Mapping[bytes, int] = field(default_factory=dict)
    emptied: bool = False


def post_accounts(before: PreState, touched: Mapping[bytes, TouchedAccount | None]) -> list[pb.PostAccount]:
    """The changed ones among the touched accounts (by address; None: there is none after the block), ascending.

    Raises WitnessInsufficientError for an account or slot whose value before the block is unknown: none can be touched
    without being read.
    """
    changed = []
    for address in sorted(touched):
        if address not in before:
            raise WitnessInsufficientError("account", address=address)
        account = _changed(address, before[address], touched[address])
        if account is not None:
            changed.append(account)
    return changed


def _changed(address: bytes, old: PreAccount | None, new: TouchedAccount | None) -> pb.PostAccount | None:
    if new is None:
        return None if old is None else pb.PostAccount(address=address, deleted=True)
    slots = _changed_slots(address, old, new)
    values = new.nonce, new.balance, new.code_hash
    if old is not None and not slots and values == (old.nonce, old.balance, old.code_hash):
        return None
    return pb.PostAccount(
        address=address,
        nonce=new.nonce,
        balance=encode_integer(new.balance),
        code_hash=new.code_hash,
        slots=[pb.PostSlot(key=key, value=encode_integer(slots[key])) for key in sorted(slots)],
    )


def _changed_slots(address: bytes, old: PreAccount | None, new: TouchedAccount) -> dict[bytes, int]:
    known = old.slots if old is not None else {}
    is_zero_elsewhere = old is None or old.storage_root == EMPTY_ROOT or new.emptied
    changed = {}
    for key, value in new.slots.items():
        previous = known.get(key)
        if previous is None:
            if not is_zero_elsewhere:
                raise WitnessInsufficientError("slot", address=address, key=key)
            previous = 0
        if value != previous:
            changed[key] = value
    if new.emptied:
        changed |= {key: 0 for key, previous in known.items() if previous and key not in new.slots}
    return changed
