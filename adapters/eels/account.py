"""Accounts and codes between the witness's encoding and the specification's objects."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ethereum_types.numeric import U256, Uint

from witness.errors import EncodingError, WitnessInsufficientError
from witness.header import HASH_LENGTH, keccak256
from witness.model import Octets
from witness.rlp_encoding import encode_list, encode_string
from witness.rlp_item import list_items

EMPTY_CODE_HASH = keccak256(b"")


class WitnessCode(bytes):
    """A code of the witness, which knows its hash."""

    hash: bytes


class MissingCode:
    """In the place of a code that the account names and the witness lacks.

    What the specification asks of a code without reading it (is it empty, is it the same account as before) is
    answered; every other use raises WitnessInsufficientError, through `report`, which keeps it.
    """

    def __init__(self, hash_: bytes, address: bytes, report: Callable[[WitnessInsufficientError], object]) -> None:
        self.hash = hash_
        self._address = address
        self._report = report

    def _missing(self) -> NoReturn:
        error = WitnessInsufficientError("code", self.hash, f"account 0x{self._address.hex()}")
        self._report(error)
        raise error

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bytes) and not other:
            return False  # the account's code hash says that there is code
        if isinstance(other, MissingCode):
            return self.hash == other.hash
        if isinstance(other, bytes):
            return self.hash == keccak256(other)
        return NotImplemented

    def __hash__(self) -> int:
        return self._missing()

    def __len__(self) -> int:
        return self._missing()

    def __iter__(self) -> NoReturn:
        self._missing()

    def __getitem__(self, _: object) -> NoReturn:
        self._missing()

    def __bytes__(self) -> bytes:
        return self._missing()

    def __add__(self, _: object) -> NoReturn:
        self._missing()


def code_hash(code: Any) -> bytes:
    """keccak-256 of a code; known without hashing, or even without the code, for those of the witness."""
    known: bytes | None = getattr(code, "hash", None)
    return known if known is not None else keccak256(code)


def codes_by_hash(codes: list[Octets]) -> dict[bytes, Octets]:
    """The witness's codes under the hash computed here."""
    return {keccak256(code): code for code in codes}


def load_code(codes: Mapping[bytes, Octets], hash_: bytes) -> WitnessCode | None:
    """The code with this hash, copied out of the witness; None if it is not there."""
    octets = codes.get(hash_)
    if octets is None:
        return None
    code = WitnessCode(octets)
    code.hash = hash_
    return code


def decode_account(leaf: bytes) -> tuple[Uint, U256, bytes, bytes]:
    """Nonce, balance (wei), storage root and code hash of an account's leaf. Raises EncodingError."""
    items = list_items(leaf)
    if len(items) != 4 or any(nested for nested, *_ in items):
        raise EncodingError("account is no list of four strings")
    nonce, balance, root, code = (leaf[start:stop] for _, _, start, stop in items)
    if len(root) != HASH_LENGTH or len(code) != HASH_LENGTH or len(nonce) > 8 or len(balance) > HASH_LENGTH:
        raise EncodingError("account has a field of a wrong length")
    if nonce[:1] == b"\0" or balance[:1] == b"\0":
        raise EncodingError("account has leading zeros")
    return Uint(int.from_bytes(nonce, "big")), U256(int.from_bytes(balance, "big")), root, code


def encode_account(account: Any, storage_root: bytes) -> bytes:
    """The leaf of one of the specification's accounts."""
    fields = (account.nonce.to_be_bytes(), account.balance.to_be_bytes(), storage_root, code_hash(account.code))
    return encode_list(b"".join(encode_string(field) for field in fields))
