"""What counts as changed, against a plain reading of the definition in adapters/CONTRACT.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rpc.host.post_state import TouchedAccount, post_accounts
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import WitnessInsufficientError
from witness.model import PreAccount
from witness.trie import EMPTY_ROOT

ADDRESS = b"\xaa" * 20
CODE, OTHER_CODE = b"\1" * 32, b"\2" * 32
ROOT = b"\3" * 32
KEYS = [number.to_bytes(32, "big") for number in range(5)]

addresses = st.integers(0, 6).map(lambda number: bytes([number]) * 20)
numbers = st.sampled_from([0, 1, 2, 255, 256, 2**64 - 1])
slots = st.dictionaries(st.sampled_from(KEYS), st.sampled_from([0, 1, 2**256 - 1]))
codes = st.sampled_from([CODE, OTHER_CODE])
# With every slot listed, so that nothing is unknown.
full_slots = slots.map(lambda some: dict.fromkeys(KEYS, 0) | some)
before_accounts = st.none() | st.builds(PreAccount, numbers, numbers, st.just(ROOT), codes, full_slots)
after_accounts = st.none() | st.builds(TouchedAccount, numbers, numbers, codes, slots, st.booleans())


def whole(account: PreAccount | TouchedAccount | None, old: PreAccount | None) -> object:
    """All that there is to know of an account: existence, values, every slot."""
    if account is None:
        return None
    values = dict.fromkeys(KEYS, 0)
    if isinstance(account, TouchedAccount) and not account.emptied and old is not None:
        values |= old.slots
    return account.nonce, account.balance, account.code_hash, values | dict(account.slots)


@given(
    before=st.fixed_dictionaries({bytes([number]) * 20: before_accounts for number in range(7)}),
    touched=st.dictionaries(addresses, after_accounts),
)
def test_definition(before: dict[bytes, PreAccount | None], touched: dict[bytes, TouchedAccount | None]) -> None:
    changed = post_accounts(before, touched)
    found = {account.address: account for account in changed}
    assert list(found) == sorted(found)
    assert len(found) == len(changed)
    for address, new in touched.items():
        old = before[address]
        assert (address in found) == (whole(new, old) != whole(old, old))
        if address not in found:
            continue
        account = found[address]
        if new is None:
            assert account == pb.PostAccount(address=address, deleted=True)
            continue
        assert not account.deleted
        assert (account.nonce, int.from_bytes(account.balance, "big"), account.code_hash) == (
            new.nonce,
            new.balance,
            new.code_hash,
        )
        keys = [slot.key for slot in account.slots]
        assert keys == sorted(set(keys))
        assert all(slot.value[:1] != b"\0" for slot in account.slots)
        values = dict(old.slots) if old is not None else dict.fromkeys(KEYS, 0)
        was = dict(values)
        values |= {slot.key: int.from_bytes(slot.value, "big") for slot in account.slots}
        assert (new.nonce, new.balance, new.code_hash, values) == whole(new, old)
        assert all(values[key] != was[key] for key in keys)
    assert set(found) <= set(touched)


def test_unlisted_account_is_missing() -> None:
    with pytest.raises(WitnessInsufficientError) as caught:
        post_accounts({}, {ADDRESS: TouchedAccount(0, 0, CODE)})
    assert (caught.value.kind, caught.value.address) == ("account", ADDRESS)


def test_unlisted_slot_is_missing_unless_it_was_zero() -> None:
    written = TouchedAccount(0, 0, CODE, {KEYS[1]: 5})
    with pytest.raises(WitnessInsufficientError) as caught:
        post_accounts({ADDRESS: PreAccount(0, 0, ROOT, CODE)}, {ADDRESS: written})
    assert (caught.value.kind, caught.value.address, caught.value.key) == ("slot", ADDRESS, KEYS[1])
    emptied = TouchedAccount(0, 0, CODE, {KEYS[1]: 5}, emptied=True)
    for old, new in (
        (PreAccount(0, 0, EMPTY_ROOT, CODE), written),
        (PreAccount(0, 0, ROOT, CODE), emptied),
        (None, written),
    ):
        (account,) = post_accounts({ADDRESS: old}, {ADDRESS: new})
        assert list(account.slots) == [pb.PostSlot(key=KEYS[1], value=b"\5")]
