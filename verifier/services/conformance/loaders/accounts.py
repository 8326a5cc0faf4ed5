"""The accounts of a pre-state."""

from typing import Any

from verifier.executors.stateful.genesis import GenesisAccount

from .document import mapping, octets, quantity
from .errors import FixtureError

ADDRESS_LENGTH = 20
NONCE_LIMIT = 1 << 64


def parse_accounts(value: Any, name: str) -> dict[bytes, GenesisAccount]:
    """Accounts by address, from `alloc` of a genesis or `pre` of a fixture. Raises FixtureError."""
    accounts: dict[bytes, GenesisAccount] = {}
    for key, entry in mapping(value, name).items():
        address = octets(key, f"{name}: address", ADDRESS_LENGTH)
        if address in accounts:
            raise FixtureError(f"{name}: address 0x{address.hex()} is there twice")
        where = f"{name}.{key}"
        fields = mapping(entry, where)
        slots = mapping(fields.get("storage") or {}, f"{where}.storage")
        storage = {
            quantity(hexadecimal(slot), f"{where}.storage"): quantity(hexadecimal(content), f"{where}.storage")
            for slot, content in slots.items()
        }
        accounts[address] = GenesisAccount(
            balance=quantity(fields.get("balance") or 0, f"{where}.balance"),
            nonce=quantity(fields.get("nonce") or 0, f"{where}.nonce", NONCE_LIMIT),
            code=octets(fields.get("code") or "0x", f"{where}.code"),
            storage={slot: content for slot, content in storage.items() if content},
        )
    return accounts


def hexadecimal(value: Any) -> Any:
    """A slot or its value: always hex, whether 0x is there or not."""
    return value if not isinstance(value, str) or value.startswith("0x") else f"0x{value}"
