"""The contracts of the sample chain. Each does one thing that a client can get wrong."""

from hashlib import sha256

from witness.header import keccak256

from .assembly import assemble, deploying
from .building import address_of

DEPOSIT_EVENT = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")  # EIP-6110

# Calldata: pairs of words (slot, value), written in order; a value of 0 clears the slot.
WRITER = assemble(
    """
    0 loop: DUP1 CALLDATASIZE GT ISZERO @end JUMPI
    DUP1 32 ADD CALLDATALOAD DUP2 CALLDATALOAD SSTORE
    64 ADD @loop JUMP
    end: STOP
    """
)
# Calldata: a word, how far to look back. Slot n becomes the hash of the n-th block below this one.
ANCESTORS = assemble(
    """
    0 CALLDATALOAD loop: DUP1 ISZERO @end JUMPI
    DUP1 NUMBER SUB BLOCKHASH DUP2 SSTORE
    1 SWAP1 SUB @loop JUMP
    end: STOP
    """
)
# Logs its calldata with 0 to 4 topics.
LOGGER = assemble(
    """
    CALLDATASIZE 0 0 CALLDATACOPY
    CALLDATASIZE 0 LOG0
    1 CALLDATASIZE 0 LOG1
    1 2 CALLDATASIZE 0 LOG2
    1 2 CALLER CALLDATASIZE 0 LOG3
    1 2 CALLER NUMBER CALLDATASIZE 0 LOG4 STOP
    """
)
# Calldata: an address (one word), then input. Calls it with all of its value; slot NUMBER becomes the hash of what came
# back xor success, and the output is logged.
CALLER = assemble(
    """
    32 CALLDATASIZE SUB 32 0 CALLDATACOPY
    0 0 32 CALLDATASIZE SUB 0 CALLVALUE 0 CALLDATALOAD GAS CALL
    RETURNDATASIZE 0 0 RETURNDATACOPY
    RETURNDATASIZE 0 SHA3 XOR 0 CALLDATALOAD NUMBER ADD SSTORE
    RETURNDATASIZE 0 LOG0 STOP
    """
)
# Calldata: init code. Deploys it with CREATE and with CREATE2 (salt: NUMBER), keeps both addresses in slots, and calls
# the second one.
FACTORY = assemble(
    """
    CALLDATASIZE 0 0 CALLDATACOPY
    CALLDATASIZE 0 0 CREATE NUMBER SSTORE
    NUMBER CALLDATASIZE 0 CALLVALUE CREATE2
    DUP1 NUMBER 0x10000 ADD SSTORE
    0 SWAP1 0 SWAP1 0 SWAP1 0 SWAP1 0 SWAP1 GAS CALL POP STOP
    """
)
# EIP-1153 and EIP-5656: a value through transient storage and MCOPY into slot NUMBER. Before Cancun an invalid opcode.
TRANSIENT = assemble(
    """
    0 CALLDATALOAD 7 TSTORE 7 TLOAD 0 MSTORE
    32 0 32 MCOPY 32 MLOAD NUMBER SSTORE STOP
    """
)
# EIP-4844, EIP-7516: the first blob's hash and the blob base fee.
BLOBS = assemble("0 BLOBHASH NUMBER SSTORE BLOBBASEFEE NUMBER 0x10000 ADD SSTORE STOP")
# The block's own values, one slot each.
CONTEXT = assemble(
    """
    COINBASE 0 SSTORE TIMESTAMP 1 SSTORE NUMBER 2 SSTORE DIFFICULTY 3 SSTORE
    GASLIMIT 4 SSTORE BASEFEE 5 SSTORE CHAINID 6 SSTORE SELFBALANCE 7 SSTORE GASPRICE 8 SSTORE STOP
    """
)
# Sends its balance to its caller and ends.
MORTAL = assemble("CALLER SELFDESTRUCT")
# Stores something in its init code, and destroys itself in the same transaction (EIP-6780).
EPHEMERAL = assemble("1 1 SSTORE CALLER SELFDESTRUCT")
REVERTING = assemble("1 1 SSTORE 32 0 REVERT")
ENDLESS = assemble("loop: 1 POP @loop JUMP")
# Calldata becomes the data of a DepositEvent.
DEPOSITS = assemble("CALLDATASIZE 0 0 CALLDATACOPY topic CALLDATASIZE 0 LOG1 STOP", topic=DEPOSIT_EVENT)

# Calldata: words. The slot at each one's place becomes the number of its leading zero bits (EIP-7939). A block of Osaka
# creates the contract: before, the instruction is invalid, and the genesis state stays as it was.
LEADING_ZEROS = assemble(
    """
    0 loop: DUP1 CALLDATASIZE GT ISZERO @end JUMPI
    DUP1 CALLDATALOAD CLZ DUP2 SSTORE
    32 ADD @loop JUMP
    end: STOP
    """
)

CONTRACTS = {
    name: (address_of(f"sample chain {name}"), code)
    for name, code in {
        "writer": WRITER,
        "ancestors": ANCESTORS,
        "logger": LOGGER,
        "caller": CALLER,
        "factory": FACTORY,
        "transient": TRANSIENT,
        "blobs": BLOBS,
        "context": CONTEXT,
        "reverting": REVERTING,
        "endless": ENDLESS,
        "deposits": DEPOSITS,
    }.items()
}
ADDRESSES = {name: address for name, (address, _) in CONTRACTS.items()}
MORTAL_INIT = deploying(MORTAL)
WRITER_INIT = deploying(WRITER)
LEADING_ZEROS_INIT = deploying(LEADING_ZEROS)
INFINITY_G1 = b"\xc0" + bytes(47)  # the point at infinity of BLS12-381's first group, compressed
# EIP-7951: hash, r, s, x, y of the message "sample" (RFC 6979, A.2.5, SHA-256).
P256_SIGNATURE = bytes.fromhex(
    "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)


def words(*values: int) -> bytes:
    """Calldata of 32-byte words."""
    return b"".join(value.to_bytes(32, "big") for value in values)


def call_of(address: bytes, data: bytes = b"") -> bytes:
    """Calldata for the contract "caller"."""
    return address.rjust(32, b"\0") + data


def modexp_input(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    """The input of the precompile MODEXP (EIP-198)."""
    return words(len(base), len(exponent), len(modulus)) + base + exponent + modulus


def deposit_event(index: int) -> bytes:
    """The data of a DepositEvent in the layout of EIP-6110."""
    fields = (
        bytes([index]) * 48,
        bytes([1]) + bytes([index]) * 31,
        (32 * 10**9).to_bytes(8, "little"),
        bytes([index]) * 96,
        index.to_bytes(8, "little"),
    )
    head, tail = b"", b""
    for field in fields:
        head += words(32 * len(fields) + len(tail))
        tail += words(len(field)) + field + bytes(-len(field) % 32)
    return head + tail


def precompile_input(number: int) -> bytes:
    """Input that the precompile at address `number`, 1 to 9, does something with."""
    if number == 1:
        return keccak256(b"") + words(27) + bytes([1]) * 64
    if number == 5:
        return words(1, 1, 1, 3 << 248)[:96] + bytes([3, 5, 7])
    if number == 9:
        return (12).to_bytes(4, "big") + bytes(208) + b"\x01"
    if number in (6, 7):
        return bytes({6: 128, 7: 96}[number])
    if number == 8:
        return b""  # no pairs: 1
    return b"input"


def point_evaluation() -> bytes:
    """Valid input of the precompile of EIP-4844 at address 10."""
    # The zero polynomial: commitment and proof are the point at infinity, and its value is 0 everywhere.
    versioned_hash = b"\x01" + sha256(INFINITY_G1).digest()[1:]
    return versioned_hash + words(5, 0) + INFINITY_G1 + INFINITY_G1
