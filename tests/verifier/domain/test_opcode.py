"""Names of instructions, against those of py-evm's own table."""

from eth.vm import mnemonics, opcode_values

from verifier.domain.opcode import OPCODES, opcode_name


def test_names_are_the_known_ones() -> None:
    renamed = {"SHA3": "KECCAK256", "DIFFICULTY": "PREVRANDAO", "SELFDESTRUCT": "SELFDESTRUCT"}
    for name in vars(opcode_values):
        if name.isupper():
            known = getattr(mnemonics, name)
            assert opcode_name(getattr(opcode_values, name)) == renamed.get(known, known)
    assert len(OPCODES) == 150


def test_what_is_no_instruction() -> None:
    assert opcode_name(0x0C) == "0x0c"
