"""Accounts and slots that trie nodes prove: the state under one root, as far as its nodes are known."""

from .errors import EncodingError
from .header import HASH_LENGTH, keccak256
from .model import Octets, PostState, PreAccount
from .prestate import LARGEST_NONCE, LARGEST_VALUE
from .rlp_encoding import encode_integer, encode_item, encode_string
from .rlp_item import item_span, list_items
from .trie import EMPTY_ROOT, NodeSource, PartialTrie

ACCOUNT_FIELDS = 4  # nonce, balance, storage root, code hash


def decode_account(value: Octets) -> PreAccount:
    """The account whose RLP is the value of a leaf of the state trie, without slots. Raises EncodingError."""
    items = list_items(value)
    if len(items) != ACCOUNT_FIELDS or any(nested for nested, *_ in items):
        raise EncodingError(f"{ACCOUNT_FIELDS} strings expected")
    nonce, balance, root, code = (bytes(value[start:stop]) for _, _, start, stop in items)
    if len(root) != HASH_LENGTH or len(code) != HASH_LENGTH:
        raise EncodingError("storage root or code hash has not 32 bytes")
    return PreAccount(_integer(nonce, LARGEST_NONCE, "nonce"), _integer(balance, LARGEST_VALUE, "balance"), root, code)


def decode_slot(value: Octets) -> int:
    """The integer whose RLP is the value of a leaf of a storage trie; never zero. Raises EncodingError."""
    nested, start, stop = item_span(value, 0, len(value))
    if nested or stop != len(value) or start == stop:
        raise EncodingError("one string that is not empty expected")
    return _integer(bytes(value[start:stop]), LARGEST_VALUE, "slot")


def _integer(octets: bytes, largest: int, name: str) -> int:
    number = int.from_bytes(octets, "big")
    if octets[:1] == b"\0" or number > largest:
        raise EncodingError(f"{name}: no integer in its range without leading zeros")
    return number


class ProvenState:
    """The state with the given root, over nodes that need not be complete.

    root: 32 bytes; nodes: by keccak-256, of whichever tries. Every method raises WitnessInsufficientError where a node
    is missing, and EncodingError where the bytes under a hash are no node, or those of a leaf no account or slot.
    """

    def __init__(self, root: bytes, nodes: NodeSource) -> None:
        self._nodes = nodes
        self._accounts = PartialTrie(root, nodes)
        self._storages: dict[bytes, PartialTrie] = {}

    def account(self, address: bytes) -> PreAccount | None:
        """The account, without slots; None if it is proven that there is none."""
        value = self._accounts.get(keccak256(address))
        return None if value is None else decode_account(value)

    def slot(self, storage_root: bytes, key: bytes) -> int:
        """The value at `key` (32 bytes) of the storage with this root; 0 if there is none."""
        if storage_root == EMPTY_ROOT:
            return 0
        storage = self._storages.get(storage_root)
        if storage is None:
            storage = self._storages[storage_root] = PartialTrie(storage_root, self._nodes)
        value = storage.get(keccak256(key))
        return 0 if value is None else decode_slot(value)


def root_after(root: bytes, nodes: NodeSource, poststate: PostState) -> bytes:
    """The state root after changes to the state with root `root`, 32 bytes each.

    Of an account that was destroyed and made again, the slots that are not listed are taken to be still there. Raises
    WitnessInsufficientError and EncodingError as ProvenState does.
    """
    before = ProvenState(root, nodes)
    accounts: dict[bytes, bytes | None] = {}
    for address, account in poststate.items():
        if account is None:
            accounts[keccak256(address)] = None
            continue
        old = before.account(address)
        storage = PartialTrie(EMPTY_ROOT if old is None else old.storage_root, nodes)
        storage.update(
            {
                keccak256(key): encode_string(encode_integer(value)) if value else None
                for key, value in account.slots.items()
            }
        )
        numbers = [encode_integer(account.nonce), encode_integer(account.balance)]
        accounts[keccak256(address)] = encode_item([*numbers, storage.root(), account.code_hash])
    state = PartialTrie(root, nodes)
    state.update(accounts)
    return state.root()
