"""What zkpig's document says of the state, in `extra`: the accounts and slots read, and those that execution changed.

`preState`: `{"0x…": null | {"nonce", "balance", "codeHash", "storageHash", "code"?, "storage"?: {key: value}}}`,
null where there is no such account. `stateDiffs`: `[{"address", "preAccount"?, "postAccount"?, "storage"?:
[{"storageKey", "preValue", "postValue"}]}]`. Both are the source's word; `witness.check` compares it with the nodes.
"""

from ..errors import WitnessFormatError
from ..header import HASH_LENGTH, keccak256
from ..model import PostAccount, PreAccount
from ..prestate import ADDRESS_LENGTH, LARGEST_NONCE
from .json_field import Document, as_list, as_object, as_octets, as_quantity, hex_octets


def prestate_from_json(states: Document) -> tuple[dict[bytes, PreAccount | None], list[bytes]]:
    """The accounts of `preState`, and the codes in it. Raises WitnessFormatError."""
    accounts: dict[bytes, PreAccount | None] = {}
    codes: list[bytes] = []
    for text, value in states.items():
        name = f"extra.preState.{text}"
        address = as_octets(text, name, ADDRESS_LENGTH)
        if address in accounts:
            raise WitnessFormatError(f"{name} is there twice")
        if value is None:
            accounts[address] = None
            continue
        state = as_object(value, name)
        nonce, balance, storage_root, code_hash = _account(state, name)
        storage = {} if state.get("storage") is None else state["storage"]
        slots = {
            as_octets(key, f"{name}.storage", HASH_LENGTH): _word(word, f"{name}.storage.{key}")
            for key, word in as_object(storage, f"{name}.storage").items()
        }
        accounts[address] = PreAccount(nonce, balance, storage_root, code_hash, slots)
        if state.get("code") is not None:
            code = as_octets(state["code"], f"{name}.code")
            if keccak256(code) != code_hash:
                raise WitnessFormatError(f"{name}.code has not the hash {hex_octets(code_hash)}")
            if code:
                codes.append(code)
    return accounts, codes


def poststate_from_json(differences: list[object]) -> dict[bytes, PostAccount | None]:
    """What `stateDiffs` says that the block changed; entries that change nothing are left out.

    Raises WitnessFormatError.
    """
    changed: dict[bytes, PostAccount | None] = {}
    seen: set[bytes] = set()
    for index, value in enumerate(differences):
        name = f"extra.stateDiffs[{index}]"
        difference = as_object(value, name)
        address = as_octets(difference.get("address"), f"{name}.address", ADDRESS_LENGTH)
        if address in seen:
            raise WitnessFormatError(f"{name}: {hex_octets(address)} is there twice")
        seen.add(address)
        old, new = (
            None if difference.get(part) is None else _account(as_object(difference[part], f"{name}.{part}"), name)
            for part in ("preAccount", "postAccount")
        )
        if new is None:
            if old is not None:
                changed[address] = None
            continue
        slots = _changed_slots(as_list(difference.get("storage"), f"{name}.storage"), name)
        nonce, balance, _, code_hash = new
        if old is None or slots or (old[0], old[1], old[3]) != (nonce, balance, code_hash):
            changed[address] = PostAccount(nonce, balance, code_hash, slots)
    return changed


def _account(state: Document, name: str) -> tuple[int, int, bytes, bytes]:
    """Nonce, balance, storage root, code hash."""
    nonce = as_quantity(state.get("nonce"), f"{name}.nonce")
    if nonce > LARGEST_NONCE:
        raise WitnessFormatError(f"{name}.nonce is too large")
    return (
        nonce,
        as_quantity(state.get("balance"), f"{name}.balance"),
        as_octets(state.get("storageHash"), f"{name}.storageHash", HASH_LENGTH),
        as_octets(state.get("codeHash"), f"{name}.codeHash", HASH_LENGTH),
    )


def _changed_slots(slots: list[object], name: str) -> dict[bytes, int]:
    changed: dict[bytes, int] = {}
    seen: set[bytes] = set()
    for index, value in enumerate(slots):
        slot = as_object(value, f"{name}.storage[{index}]")
        key, before, after = (
            as_octets(slot.get(part), f"{name}.storage[{index}].{part}", HASH_LENGTH)
            for part in ("storageKey", "preValue", "postValue")
        )
        if key in seen:
            raise WitnessFormatError(f"{name}.storage[{index}]: {hex_octets(key)} is there twice")
        seen.add(key)
        if before != after:
            changed[key] = int.from_bytes(after, "big")
    return changed


def _word(value: object, name: str) -> int:
    return int.from_bytes(as_octets(value, name, HASH_LENGTH), "big")
