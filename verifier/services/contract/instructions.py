"""The EVM's instructions: their names, and how many words each takes from the stack and leaves on it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. taken, left: words of the stack (yellow paper, appendix H.2, and later EIPs)."""

    name: str
    taken: int
    left: int


def _table() -> dict[int, Instruction]:
    words = """
        00 STOP 0 0, 01 ADD 2 1, 02 MUL 2 1, 03 SUB 2 1, 04 DIV 2 1, 05 SDIV 2 1, 06 MOD 2 1, 07 SMOD 2 1,
        08 ADDMOD 3 1, 09 MULMOD 3 1, 0a EXP 2 1, 0b SIGNEXTEND 2 1,
        10 LT 2 1, 11 GT 2 1, 12 SLT 2 1, 13 SGT 2 1, 14 EQ 2 1, 15 ISZERO 1 1, 16 AND 2 1, 17 OR 2 1, 18 XOR 2 1,
        19 NOT 1 1, 1a BYTE 2 1, 1b SHL 2 1, 1c SHR 2 1, 1d SAR 2 1, 1e CLZ 1 1, 20 KECCAK256 2 1,
        30 ADDRESS 0 1, 31 BALANCE 1 1, 32 ORIGIN 0 1, 33 CALLER 0 1, 34 CALLVALUE 0 1, 35 CALLDATALOAD 1 1,
        36 CALLDATASIZE 0 1, 37 CALLDATACOPY 3 0, 38 CODESIZE 0 1, 39 CODECOPY 3 0, 3a GASPRICE 0 1,
        3b EXTCODESIZE 1 1, 3c EXTCODECOPY 4 0, 3d RETURNDATASIZE 0 1, 3e RETURNDATACOPY 3 0, 3f EXTCODEHASH 1 1,
        40 BLOCKHASH 1 1, 41 COINBASE 0 1, 42 TIMESTAMP 0 1, 43 NUMBER 0 1, 44 PREVRANDAO 0 1, 45 GASLIMIT 0 1,
        46 CHAINID 0 1, 47 SELFBALANCE 0 1, 48 BASEFEE 0 1, 49 BLOBHASH 1 1, 4a BLOBBASEFEE 0 1,
        50 POP 1 0, 51 MLOAD 1 1, 52 MSTORE 2 0, 53 MSTORE8 2 0, 54 SLOAD 1 1, 55 SSTORE 2 0, 56 JUMP 1 0,
        57 JUMPI 2 0, 58 PC 0 1, 59 MSIZE 0 1, 5a GAS 0 1, 5b JUMPDEST 0 0, 5c TLOAD 1 1, 5d TSTORE 2 0, 5e MCOPY 3 0,
        5f PUSH0 0 1, a0 LOG0 2 0, a1 LOG1 3 0, a2 LOG2 4 0, a3 LOG3 5 0, a4 LOG4 6 0,
        f0 CREATE 3 1, f1 CALL 7 1, f2 CALLCODE 7 1, f3 RETURN 2 0, f4 DELEGATECALL 6 1, f5 CREATE2 4 1,
        fa STATICCALL 6 1, fd REVERT 2 0, ff SELFDESTRUCT 1 0
    """
    table = {}
    for entry in words.split(","):
        op, name, taken, left = entry.split()
        table[int(op, 16)] = Instruction(name, int(taken), int(left))
    table |= {0x5F + length: Instruction(f"PUSH{length}", 0, 1) for length in range(1, 33)}
    table |= {0x7F + depth: Instruction(f"DUP{depth}", depth, depth + 1) for depth in range(1, 17)}
    table |= {0x8F + depth: Instruction(f"SWAP{depth}", depth + 1, depth + 1) for depth in range(1, 17)}
    return table


INSTRUCTIONS = _table()
CODES = {instruction.name: op for op, instruction in INSTRUCTIONS.items()}
PUSH1, PUSH32 = CODES["PUSH1"], CODES["PUSH32"]
CALLS = frozenset(CODES[name] for name in ("CREATE", "CALL", "CALLCODE", "DELEGATECALL", "CREATE2", "STATICCALL"))
ENDS = frozenset(CODES[name] for name in ("STOP", "RETURN", "REVERT", "SELFDESTRUCT"))


def push_length(op: int) -> int:
    """How many bytes of the code after it the instruction pushes."""
    return op - PUSH1 + 1 if PUSH1 <= op <= PUSH32 else 0
