"""Who pays in generated blocks: a few accounts whose keys are known, some of them at a boundary."""

from dataclasses import dataclass
from functools import cache

from verifier.executors.stateful.embedded.signing import Wallet
from verifier.executors.stateful.genesis import GenesisAccount
from witness.header import keccak256

CHAIN_ID = 1  # that of fixtures
RICH = 10**24  # wei
POOR = 10**15
LAST_NONCE = (1 << 64) - 2  # the last that a transaction can have (EIP-2681)
DELEGATION = b"\xef\x01\x00"  # EIP-7702


@dataclass(frozen=True, slots=True)
class WalletAccount:
    """One of them as the block finds it."""

    secret: bytes
    address: bytes
    account: GenesisAccount

    def signer(self, nonce: int, chain: int = CHAIN_ID) -> Wallet:
        """It signs with this nonce next."""
        return Wallet(self.secret, chain, nonce)


def _wallet(name: str, balance: int, nonce: int = 0, code: bytes = b"") -> WalletAccount:
    secret = keccak256(f"generated blocks: {name}".encode())
    return WalletAccount(secret, Wallet(secret, CHAIN_ID).address, GenesisAccount(balance, nonce, code))


CONTRACTS = tuple(bytes([0xC0, 0xDE, *bytes(17), number]) for number in range(1, 7))
"""Where generated code lies. The addresses of its accounts, 20 bytes each."""
PLAIN, POOR_ONE, LAST_ONE, DELEGATED, PENNILESS = range(3), 3, 4, 5, 6
COUNT = 7


@cache
def wallets() -> tuple[WalletAccount, ...]:
    """All of them, by index."""
    return (
        *(_wallet(f"plain {number}", RICH, number) for number in PLAIN),
        _wallet("poor", POOR),
        _wallet("last nonce", RICH, LAST_NONCE),
        _wallet("delegated", RICH, 1, DELEGATION + CONTRACTS[0]),
        _wallet("penniless", 0),
    )
