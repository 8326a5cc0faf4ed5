"""Values at boundaries: where clients that agree on everything else have differed."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES
from verifier.executors.stateful.embedded.system_contracts import SYSTEM_CONTRACTS
from witness.chain_config import FORKS

from .wallets import CONTRACTS, wallets

T = TypeVar("T")
WORD = (1 << 256) - 1
SYSTEM_ADDRESS = b"\xff" * 19 + b"\xfe"  # EIP-4788
DEPOSIT_CONTRACT = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")  # mainnet's, that of fixtures
ABSENT = bytes.fromhex("00000000000000000000000000000000deadbeef")
COINBASES = (bytes(20), bytes.fromhex("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"), CONTRACTS[1], bytes([*bytes(19), 3]))
EDGES = (8, 16, 31, 32, 48, 53, 63, 64, 96, 127, 128, 159, 160, 192, 255, 256)  # bits
BOUNDARIES = tuple(
    sorted({max(0, min(WORD, (1 << bits) + offset)) for bits in EDGES for offset in (-1, 0, 1)} | set(range(8)))
)
LENGTHS = (0, 1, 2, 4, 20, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 160, 192, 213, 256, 288, 384)
STARTS = (0, 1, 31, 32, 33, 64, 96, 128, 255, 256, 1023, 1024)
HUGE = (24576, 24577, 49152, 49153, 0xFFFF, 1 << 20, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, 1 << 64, WORD)
GASES = (0, 1, 100, 700, 2300, 2301, 2599, 2600, 2601, 5000, 9000, 21000, 32000, 50_000, 100_000)


def rarely(random: Random, chance: float) -> bool:
    """True with this probability."""
    return random.random() < chance


def at_least(fork: str, first: str) -> bool:
    """Whether a fork is `first` or a later one."""
    return FORKS.index(fork) >= FORKS.index(first)


def word(random: Random) -> int:
    """A word of 256 bits: small, at a boundary, or any."""
    choice = random.random()
    if choice < 0.4:
        return random.randrange(0, 9)
    if choice < 0.8:
        return random.choice(BOUNDARIES)
    return random.getrandbits(random.choice(EDGES))


def offset(random: Random) -> int:
    """An offset in memory or data: mostly one that can be paid for."""
    return random.choice(HUGE) if rarely(random, 0.03) else random.choice(STARTS)


def length(random: Random) -> int:
    """A length in memory or data: mostly one that can be paid for."""
    return random.choice(HUGE) if rarely(random, 0.03) else random.choice(LENGTHS)


def octets(random: Random, size: int) -> bytes:
    """Bytes: zero, one value, or any."""
    choice = random.random()
    if choice < 0.2:
        return bytes(size)
    if choice < 0.4:
        return bytes([random.choice((1, 0x5B, 0x60, 0x80, 0xEF, 0xFF))]) * size
    return random.randbytes(size)


def precompiles(fork: str) -> Sequence[bytes]:
    """The addresses of a fork's precompiles, and of those that come one fork later."""
    last = 0x11 if at_least(fork, "prague") else 0x0B if at_least(fork, "cancun") else 0x0A
    numbers = [*range(1, last + 1), *([0x12] if last == 0x11 else []), 0x100]
    return tuple(number.to_bytes(20, "big") for number in numbers)


def address(random: Random, fork: str) -> bytes:
    """An account: generated code mostly, else a precompile, a wallet, what is always there, or nobody's."""
    choice = random.random()
    if choice < 0.4:
        return random.choice(CONTRACTS)
    if choice < 0.6:
        return random.choice(precompiles(fork))
    if choice < 0.75:
        return random.choice(wallets()).address
    if choice < 0.9:
        return random.choice((*ADDRESSES.values(), *SYSTEM_CONTRACTS, DEPOSIT_CONTRACT))
    return random.choice((ABSENT, bytes(20), SYSTEM_ADDRESS, *COINBASES, b"\xff" * 20))


def slot(random: Random) -> int:
    """A storage slot: few, so that they meet."""
    return random.choice((0, 1, 2, 3, 4, 0x1000, 0x1001, 1 << 255, WORD))


def nudged(random: Random, value: int, most: int = WORD) -> int:
    """A value near another, or a boundary instead."""
    choice = random.random()
    if choice < 0.5:
        return max(0, min(most, value + random.choice((-32, -2, -1, 1, 2, 32))))
    if choice < 0.7:
        return min(most, value * 2 if rarely(random, 0.5) else value // 2)
    return min(most, word(random))


def replaced(items: Sequence[T], index: int, item: T) -> tuple[T, ...]:
    """The items with another one in its place."""
    return (*items[:index], item, *items[index + 1 :])
