"""The sections prestate and poststate: one encoding a content, and nothing but WitnessFileError for anything else."""

import random
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from witness.errors import WitnessFileError
from witness.model import PostAccount, PreAccount
from witness.prestate import decode_poststate, decode_prestate, encode_poststate, encode_prestate
from witness.rlp_encoding import Item, encode_item, encode_list

hashes = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
values = st.one_of(st.integers(0, 2), st.integers(0, 2**256 - 1))
slots = st.dictionaries(
    st.one_of(hashes, st.integers(0, 3).map(lambda key: key.to_bytes(32, "big"))), values, max_size=4
)
nonces = st.integers(0, 2**64 - 1)
prestates = st.dictionaries(
    addresses, st.none() | st.builds(PreAccount, nonces, values, hashes, hashes, slots), max_size=5
)
poststates = st.dictionaries(addresses, st.none() | st.builds(PostAccount, nonces, values, hashes, slots), max_size=5)
nested = st.recursive(st.binary(max_size=40), lambda items: st.lists(items, max_size=7), max_leaves=20)

KEYS = [bytes([key]) * 32 for key in range(3)]
FIELDS: list[Item] = [b"\x01", b"", b"\x11" * 32, b"\x22" * 32]
A, B = b"\x0a" * 20, b"\x0b" * 20


def entry(address: Item = A, *, position: int = 0, field: Any = None, slots: Any = ()) -> Any:
    """A prestate entry, with the field at `position` replaced."""
    fields: list[Any] = [*FIELDS, list(slots) if isinstance(slots, tuple) else slots]
    if field is not None:
        fields[position] = field
    return [address, *fields]


@given(prestates)
def test_a_prestate_comes_back_as_it_was(accounts: dict[bytes, PreAccount | None]) -> None:
    section = encode_prestate(accounts)
    decoded = decode_prestate(memoryview(section))
    assert decoded == accounts
    assert list(decoded) == sorted(accounts)
    assert rlp.decode(section) == [
        [address]
        if account is None
        else [
            address,
            rlp.sedes.big_endian_int.serialize(account.nonce),
            rlp.sedes.big_endian_int.serialize(account.balance),
            account.storage_root,
            account.code_hash,
            [[key, rlp.sedes.big_endian_int.serialize(value)] for key, value in sorted(account.slots.items())],
        ]
        for address, account in sorted(accounts.items())
    ]


@given(poststates)
def test_a_poststate_comes_back_as_it_was(accounts: dict[bytes, PostAccount | None]) -> None:
    decoded = decode_poststate(encode_poststate(accounts))
    assert decoded == accounts
    assert list(decoded) == sorted(accounts)


def test_the_documented_bytes() -> None:
    account = PreAccount(1, 0, b"\x11" * 32, b"\x22" * 32, {KEYS[1]: 0, KEYS[0]: 0x80})
    slots_ = encode_list(encode_list(b"\xa0" + KEYS[0] + b"\x81\x80") + encode_list(b"\xa0" + KEYS[1] + b"\x80"))
    body = b"\x94" + A + b"\x01\x80\xa0" + b"\x11" * 32 + b"\xa0" + b"\x22" * 32 + slots_
    absent = encode_list(b"\x94" + B)
    assert encode_prestate({B: None, A: account}) == encode_list(encode_list(body) + absent)
    after = PostAccount(1, 0, b"\x22" * 32, account.slots)
    body = b"\x94" + A + b"\x01\x80\xa0" + b"\x22" * 32 + slots_
    assert encode_poststate({B: None, A: after}) == encode_list(encode_list(body) + absent)
    assert encode_prestate({}) == encode_poststate({}) == b"\xc0"


REFUSED: dict[str, tuple[Any, str]] = {
    "no list": (b"abc", "not exactly one RLP list"),
    "entry no list": ([A], "an entry is no list"),
    "empty entry": ([[]], "an entry has 0 items"),
    "same address": ([[A], [A]], "addresses are not in ascending order"),
    "same address, other account": ([[A], entry()], "addresses are not in ascending order"),
    "descending": ([[B], [A]], "addresses are not in ascending order"),
    "short address": ([[A[1:]]], "address has not 20 bytes"),
    "long address": ([[A + b"\0"]], "address has not 20 bytes"),
    "address is a list": ([[[A]]], "address has not 20 bytes"),
    "nonce with zero": ([entry(position=0, field=b"\x00\x01")], "nonce is no integer"),
    "nonce zero as a byte": ([entry(position=0, field=b"\x00")], "nonce is no integer"),
    "nonce a list": ([entry(position=0, field=[])], "nonce is no integer"),
    "nonce of 65 bits": ([entry(position=0, field=b"\x01" + bytes(8))], "nonce is too large"),
    "balance with zero": ([entry(position=1, field=b"\x00\x01")], "balance is no integer"),
    "balance of 257 bits": ([entry(position=1, field=b"\x01" + bytes(32))], "balance is too large"),
    "short root": ([entry(position=2, field=b"\x11" * 31)], "storage root has not 32 bytes"),
    "no root": ([entry(position=2, field=b"")], "storage root has not 32 bytes"),
    "long code hash": ([entry(position=3, field=b"\x11" * 33)], "code hash has not 32 bytes"),
    "slots no list": ([entry(slots=b"")], "slots are no list"),
    "slot no list": ([entry(slots=[KEYS[0]])], "a slot is no pair"),
    "slot without value": ([entry(slots=[[KEYS[0]]])], "a slot is no pair"),
    "empty slot": ([entry(slots=[[]])], "a slot is no pair"),
    "slot with three": ([entry(slots=[[KEYS[0], b"\x01", b"\x01"]])], "a slot has more than"),
    "short key": ([entry(slots=[[KEYS[0][1:], b"\x01"]])], "a slot is no pair"),
    "long key": ([entry(slots=[[KEYS[0] + b"\0", b"\x01"]])], "a slot is no pair"),
    "key a list": ([entry(slots=[[[KEYS[0]], b"\x01"]])], "a slot is no pair"),
    "same key": ([entry(slots=[[KEYS[1], b"\x01"], [KEYS[1], b"\x01"]])], "slot keys are not"),
    "descending keys": ([entry(slots=[[KEYS[2], b"\x01"], [KEYS[1], b"\x01"]])], "slot keys are not"),
    "slot value with zero": ([entry(slots=[[KEYS[0], b"\x00\x01"]])], "slot value is no integer"),
    "slot value zero as a byte": ([entry(slots=[[KEYS[0], b"\x00"]])], "slot value is no integer"),
    "slot value a list": ([entry(slots=[[KEYS[0], [b"\x01"]]])], "slot value is no integer"),
    "slot value of 257 bits": ([entry(slots=[[KEYS[0], b"\x01" + bytes(32)]])], "slot value is too large"),
}


@pytest.mark.parametrize(("item", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_exactly_a_prestate_is_refused(item: Any, reason: str) -> None:
    with pytest.raises(WitnessFileError, match=f"^prestate: {reason}"):
        decode_prestate(encode_item(item))


def without_storage_root(entry_: Any) -> Any:
    """The poststate entry that has everything else of a prestate entry."""
    return [*entry_[:3], *entry_[4:]] if len(entry_) == 6 else entry_


@pytest.mark.parametrize(
    ("item", "reason"),
    [pytest.param(*case, id=name) for name, case in REFUSED.items() if "storage root" not in case[1]],
)
def test_what_is_not_exactly_a_poststate_is_refused(item: Any, reason: str) -> None:
    if isinstance(item, list):
        item = [without_storage_root(each) if isinstance(each, list) else each for each in item]
    with pytest.raises(WitnessFileError, match=f"^poststate: {reason}"):
        decode_poststate(encode_item(item))


@pytest.mark.parametrize("length", range(9))
def test_an_entry_has_its_number_of_items(length: int) -> None:
    fields: list[Any] = [A, b"\x01", b"", b"\x11" * 32, b"\x22" * 32, [], b""]
    section = encode_item([fields[:length] if length < 6 else [*fields[:5], *[[]] * (length - 5)]])
    if length in (1, 6):
        assert decode_prestate(section).keys() == {A}
    else:
        with pytest.raises(WitnessFileError, match=f"^prestate: an entry has {length} items, not 1 or 6"):
            decode_prestate(section)
    section = encode_item([[*fields[:4], *[[]] * (length - 4)] if length > 4 else fields[:length]])
    if length in (1, 5):
        assert decode_poststate(section).keys() == {A}
    else:
        with pytest.raises(WitnessFileError, match=f"^poststate: an entry has {length} items, not 1 or 5"):
            decode_poststate(section)


GOOD = encode_item([entry(slots=[[KEYS[0], b"\x01"], [KEYS[1], b""]]), [B]])


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (b"", "RLP item is missing"),
        (GOOD + b"\0", "not exactly one RLP list"),
        (GOOD[:-1], "RLP item is truncated"),
        (b"\xf8\x15" + encode_list(b"\x94" + A)[1:], "RLP length is not minimal"),
        (encode_list(encode_list(b"\x94" + A + b"\x81\x01\x80" + GOOD[2:])), "RLP byte below 0x80"),
        (b"\xff" * 9, "RLP item is truncated"),
        (b"\xf9\x00", "RLP length is"),
        (b"\xc1" * 100_000, "not exactly one RLP list"),
    ],
)
def test_what_is_no_canonical_rlp_is_refused(section: bytes, reason: str) -> None:
    with pytest.raises(WitnessFileError, match=f"^prestate: {reason}"):
        decode_prestate(section)
    with pytest.raises(WitnessFileError, match=f"^poststate: {reason}"):
        decode_poststate(section)


def test_lists_nested_deep_are_refused_and_exhaust_nothing() -> None:
    section: bytes = b"\xc0"
    for _ in range(3000):
        section = encode_list(section)
    with pytest.raises(WitnessFileError, match="address has not 20 bytes"):
        decode_prestate(section)


def decoded_or_refused(section: bytes) -> list[Any]:
    """What the decoders take the bytes for; what they take, they would have written."""
    taken = []
    decoders: list[tuple[Any, Any]] = [(decode_prestate, encode_prestate), (decode_poststate, encode_poststate)]
    for decode, encode in decoders:
        try:
            accounts = decode(section)
        except WitnessFileError:
            continue
        taken.append(accounts)
        assert encode(accounts) == section
    return taken


@given(nested)
def test_any_rlp_is_refused_or_the_only_encoding(item: Item) -> None:
    decoded_or_refused(encode_item(item))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_the_only_encoding(section: bytes) -> None:
    decoded_or_refused(section)


def test_every_changed_byte_is_refused_or_another_content() -> None:
    original = decode_prestate(GOOD)
    taken = 0
    for at in range(len(GOOD)):
        for byte in range(256):
            changed = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
            if changed != GOOD:
                accounts = decoded_or_refused(changed)
                taken += bool(accounts)
                assert original not in accounts
    assert taken > 100 * 255  # values, hashes and the addresses may be any; lengths may not


def test_mutations_of_larger_sections_are_refused_or_the_only_encoding() -> None:
    chance = random.Random(0)
    accounts = {
        chance.randbytes(20): PreAccount(
            chance.getrandbits(10),
            chance.getrandbits(70),
            chance.randbytes(32),
            chance.randbytes(32),
            {chance.randbytes(32): chance.getrandbits(chance.choice([0, 8, 256])) for _ in range(chance.randrange(6))},
        )
        for _ in range(40)
    }
    section = encode_prestate(accounts)
    refused = 0
    for _ in range(2000):
        at = chance.randrange(len(section))
        length = chance.choice([0, 1, 1, 1, 2, 32, 33])
        changed = section[:at] + chance.randbytes(chance.choice([0, 1, 1, length])) + section[at + length :]
        refused += not decoded_or_refused(changed)
    assert refused > 500
