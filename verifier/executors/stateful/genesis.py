"""What a chain starts from."""

from dataclasses import dataclass, field

from witness.chain_config import ChainConfig


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account of the pre-state. balance in wei; storage: slot → value, both as integers, zero values absent."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Genesis:
    """The genesis block and its state.

    config: the chain's fork schedule. header_fields: the header's items in the order of its RLP encoding; the state
    root among them (index 3) is None where the source does not state it and it is to be computed from `accounts`.
    accounts: by address, 20 bytes.
    """

    config: ChainConfig
    header_fields: tuple[bytes | None, ...]
    accounts: dict[bytes, GenesisAccount]


STATE_ROOT_INDEX = 3
