"""The instructions that generated code is made of: what each takes from the stack, in kinds of words.

w any word, o offset in memory, l length, a address, g gas, v value in wei, s storage slot, i index of a byte or blob,
n number of a block, d offset in data. From the top of the stack down.
"""

from dataclasses import dataclass

from .values import at_least


@dataclass(frozen=True, slots=True)
class Operation:
    """One instruction. takes: kinds of words; gives: whether one comes back. since: the fork."""

    name: str
    code: int
    takes: str = ""
    gives: bool = True
    since: str = "paris"
    weight: int = 1


def _table() -> tuple[Operation, ...]:
    words = {
        "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "DIV": 0x04, "SDIV": 0x05, "MOD": 0x06, "SMOD": 0x07, "EXP": 0x0A,
        "LT": 0x10, "GT": 0x11, "SLT": 0x12, "SGT": 0x13, "EQ": 0x14, "AND": 0x16, "OR": 0x17, "XOR": 0x18,
    }  # fmt: skip
    plain = {
        "ADDRESS": 0x30, "ORIGIN": 0x32, "CALLER": 0x33, "CALLVALUE": 0x34, "CALLDATASIZE": 0x36, "CODESIZE": 0x38,
        "GASPRICE": 0x3A, "RETURNDATASIZE": 0x3D, "COINBASE": 0x41, "TIMESTAMP": 0x42, "NUMBER": 0x43,
        "PREVRANDAO": 0x44, "GASLIMIT": 0x45, "CHAINID": 0x46, "SELFBALANCE": 0x47, "BASEFEE": 0x48, "PC": 0x58,
        "MSIZE": 0x59, "GAS": 0x5A,
    }  # fmt: skip
    return (
        *(Operation(name, code, "ww") for name, code in words.items()),
        *(Operation(name, code) for name, code in plain.items()),
        *(Operation(name, code, "www") for name, code in (("ADDMOD", 0x08), ("MULMOD", 0x09))),
        *(Operation(name, code, "w") for name, code in (("ISZERO", 0x15), ("NOT", 0x19))),
        *(Operation(name, code, "iw") for name, code in (("SIGNEXTEND", 0x0B), ("BYTE", 0x1A))),
        *(Operation(name, code, "iw") for name, code in (("SHL", 0x1B), ("SHR", 0x1C), ("SAR", 0x1D))),
        Operation("CLZ", 0x1E, "w", since="osaka", weight=2),
        Operation("KECCAK256", 0x20, "ol", weight=2),
        Operation("BALANCE", 0x31, "a", weight=2),
        Operation("CALLDATALOAD", 0x35, "d", weight=2),
        Operation("CALLDATACOPY", 0x37, "odl", gives=False, weight=2),
        Operation("CODECOPY", 0x39, "odl", gives=False, weight=2),
        Operation("EXTCODESIZE", 0x3B, "a", weight=2),
        Operation("EXTCODECOPY", 0x3C, "aodl", gives=False, weight=2),
        Operation("RETURNDATACOPY", 0x3E, "odl", gives=False, weight=2),
        Operation("EXTCODEHASH", 0x3F, "a", weight=2),
        Operation("BLOCKHASH", 0x40, "n", weight=2),
        Operation("BLOBHASH", 0x49, "i", since="cancun", weight=2),
        Operation("BLOBBASEFEE", 0x4A, since="cancun"),
        Operation("POP", 0x50, "w", gives=False),
        Operation("MLOAD", 0x51, "o", weight=2),
        Operation("MSTORE", 0x52, "ow", gives=False, weight=3),
        Operation("MSTORE8", 0x53, "ow", gives=False),
        Operation("SLOAD", 0x54, "s", weight=3),
        Operation("SSTORE", 0x55, "sw", gives=False, weight=5),
        Operation("TLOAD", 0x5C, "s", since="cancun", weight=2),
        Operation("TSTORE", 0x5D, "sw", gives=False, since="cancun", weight=3),
        Operation("MCOPY", 0x5E, "ool", gives=False, since="cancun", weight=3),
        *(Operation(f"LOG{count}", 0xA0 + count, "ol" + "w" * count, gives=False) for count in range(5)),
        Operation("CREATE", 0xF0, "vol", weight=4),
        Operation("CALL", 0xF1, "gavolol", weight=7),
        Operation("CALLCODE", 0xF2, "gavolol", weight=3),
        Operation("DELEGATECALL", 0xF4, "gaolol", weight=4),
        Operation("CREATE2", 0xF5, "volw", weight=4),
        Operation("STATICCALL", 0xFA, "gaolol", weight=4),
    )


OPERATIONS = _table()
STOP, RETURN, REVERT, INVALID, SELFDESTRUCT = 0x00, 0xF3, 0xFD, 0xFE, 0xFF
DUP1, SWAP1, POP, SSTORE, MSTORE = 0x80, 0x90, 0x50, 0x55, 0x52
UNDEFINED = (0x0C, 0x0F, 0x1F, 0x21, 0x2F, 0x4B, 0x4F, 0xA5, 0xB0, 0xD0, 0xE0, 0xE6, 0xEF, 0xF6, 0xF7, 0xF8, 0xFB, 0xFC)


def operations(fork: str) -> tuple[Operation, ...]:
    """Those of a fork."""
    return tuple(each for each in OPERATIONS if at_least(fork, each.since))


def names() -> dict[int, str]:
    """Opcode → mnemonic, of all instructions that are defined."""
    known = {each.code: each.name for each in OPERATIONS}
    known |= {STOP: "STOP", RETURN: "RETURN", REVERT: "REVERT", INVALID: "INVALID", SELFDESTRUCT: "SELFDESTRUCT"}
    known |= {0x56: "JUMP", 0x57: "JUMPI", 0x5B: "JUMPDEST", 0x5F: "PUSH0"}
    known |= {0x60 + count: f"PUSH{count + 1}" for count in range(32)}
    known |= {DUP1 + count: f"DUP{count + 1}" for count in range(16)}
    known |= {SWAP1 + count: f"SWAP{count + 1}" for count in range(16)}
    return known
