"""Every error that this package raises on purpose.

WitnessError
├── EncodingError             bytes that are not the RLP, header or block they should be
├── WitnessFileError          a witness file that is damaged, or is not one
├── WitnessStoreError         a store directory that cannot be used
├── WitnessFormatError        an interchange document that cannot be read
├── ChainConfigError          a chain configuration that cannot be read
└── WitnessInsufficientError  a node, code, header, account or slot that the witness does not hold
"""

from typing import Literal


class WitnessError(Exception):
    """Base of this package's errors. `str(error)` is one line, fit for a user."""


class EncodingError(WitnessError):
    """Bytes that are not what they should encode (RLP, header, block, trie node)."""


class WitnessFileError(WitnessError):
    """A witness file that is damaged, is not one, or cannot be opened."""


class WitnessStoreError(WitnessError):
    """A store's directory or index that cannot be read or written."""


class WitnessFormatError(WitnessError):
    """An interchange document (RLP, JSON) that is not of a known form, or contradicts itself."""


class ChainConfigError(WitnessError):
    """A chain configuration that is not geth-genesis JSON, or of an unknown chain."""


class WitnessInsufficientError(WitnessError):
    """Something was read that the witness does not hold.

    kind: what is missing. hash: of a node, code or header its keccak-256, 32 bytes, else empty. address, key: of an
    account or slot of the prestate section, 20 and 32 bytes, else empty. where: the path or account that led there.
    """

    def __init__(
        self,
        kind: Literal["node", "code", "header", "account", "slot"],
        hash_: bytes = b"",
        where: str = "",
        *,
        address: bytes = b"",
        key: bytes = b"",
    ) -> None:
        name = " of ".join(f"0x{part.hex()}" for part in (hash_, key, address) if part)
        super().__init__(f"missing {kind} {name}" + (f" ({where})" if where else ""))
        self.kind = kind
        self.hash = hash_
        self.where = where
        self.address = address
        self.key = key
