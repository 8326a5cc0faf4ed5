"""Names of the EVM's instructions, for people who read traces (execution-specs, `vm/instructions`)."""

_NAMES = {
    0x00: "STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND",
    0x10: "LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR CLZ",
    0x20: "KECCAK256",
    0x30: "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY GASPRICE "
    "EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY EXTCODEHASH",
    0x40: "BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBHASH BLOBBASEFEE",
    0x50: "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST TLOAD TSTORE MCOPY PUSH0",
    0x60: " ".join(f"PUSH{number}" for number in range(1, 33)),
    0x80: " ".join(f"DUP{number}" for number in range(1, 17)),
    0x90: " ".join(f"SWAP{number}" for number in range(1, 17)),
    0xA0: "LOG0 LOG1 LOG2 LOG3 LOG4",
    0xF0: "CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2",
    0xFA: "STATICCALL",
    0xFD: "REVERT INVALID SELFDESTRUCT",
}
OPCODES = {first + offset: name for first, names in _NAMES.items() for offset, name in enumerate(names.split())}


def opcode_name(op: int) -> str:
    """The instruction's name, whatever the fork; "0x0c" where there is none."""
    return OPCODES.get(op, f"0x{op:02x}")
