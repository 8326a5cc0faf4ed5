"""The state of one block over a prestate section: nothing is proven, nothing that is not listed is assumed."""

from collections.abc import Mapping
from typing import Any

from ethereum_types.numeric import U256, Uint

from verifier.rpc.host.post_state import TouchedAccount
from witness.errors import WitnessInsufficientError
from witness.header import HASH_LENGTH
from witness.model import Octets, PreState
from witness.trie import EMPTY_ROOT

from .account import code_hash
from .overlay import OverlayState, Storage


class PrestateOverlay(OverlayState):
    """The overlay in prestate mode. prestate: as decoded from the section. The others as of OverlayState."""

    def __init__(self, prestate: PreState, codes: Mapping[bytes, Octets], account_class: Any) -> None:
        super().__init__(codes, account_class)
        self._prestate = prestate

    def read_account(self, address: bytes) -> tuple[Uint, U256, bytes, bytes] | None:
        """See OverlayState."""
        try:
            account = self._prestate[address]
        except KeyError:
            raise self.report(WitnessInsufficientError("account", address=bytes(address))) from None
        if account is None:
            return None
        return Uint(account.nonce), U256(account.balance), account.storage_root, account.code_hash

    def read_value(self, storage: Storage, address: bytes, key: bytes) -> U256:  # noqa: ARG002 - see OverlayState
        """See OverlayState. Only asked where the account was there before, with a storage that is not empty."""
        account = self._prestate[address]
        value = None if account is None else account.slots.get(key)
        if value is None:
            raise self.report(WitnessInsufficientError("slot", address=bytes(address), key=bytes(key)))
        return U256(value)

    def has_storage(self, address: bytes) -> bool:
        """See OverlayState. The root tells: slots can only have become zero by code that ran at the address before."""
        storage = self._storage(address)
        return storage.root != EMPTY_ROOT or any(storage.values.values())

    def root(self) -> bytes:
        """Zeros: in prestate mode there is no root, and before Byzantium receipts have none."""
        return bytes(HASH_LENGTH)

    def touched(self) -> dict[bytes, TouchedAccount | None]:
        """What the host's `post_accounts` wants to know. Only after the block."""
        return {bytes(address): self._touched_account(address) for address in self._changed}

    def _touched_account(self, address: bytes) -> TouchedAccount | None:
        account, storage = self.account(address), self._storage(address)
        if account is None:
            return None
        return TouchedAccount(
            nonce=int(account.nonce),
            balance=int(account.balance),
            code_hash=bytes(code_hash(account.code)),
            slots={bytes(key): int(value) for key, value in storage.values.items()},
            emptied=storage.root == EMPTY_ROOT,
        )
