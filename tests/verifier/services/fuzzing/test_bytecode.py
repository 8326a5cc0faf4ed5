"""Code as instructions, and back."""

from hypothesis import given
from hypothesis import strategies as st

from verifier.executors.stateful.embedded.assembly import assemble as assembled
from verifier.services.fuzzing.bytecode import JUMPDEST, Instruction, assemble, disassemble, push, push_place, without

LOOP = assembled("0 loop: DUP1 CALLDATASIZE GT ISZERO @end JUMPI 64 ADD @loop JUMP end: STOP")


@given(st.binary(max_size=200))
def test_any_bytes_come_back_as_they_were(code: bytes) -> None:
    assert assemble(disassemble(code)) == code


def test_jumps_go_where_they_went_after_instructions_are_put_in() -> None:
    start = Instruction(JUMPDEST)
    program = disassemble(LOOP)
    longer = assemble((push(7), Instruction(0x50), *program))
    again = disassemble(longer)
    targets = [each.target for each in again if each.target is not None]
    destinations = [each for each in again if each.code == JUMPDEST]
    assert [destinations.index(each) for each in targets] == [1, 0]
    assert start not in targets


def test_a_jump_to_what_was_taken_out_keeps_its_number() -> None:
    program = disassemble(LOOP)
    at = next(index for index, each in enumerate(program) if each.code == JUMPDEST)
    assert assemble(without(program, at, at + 1)).count(bytes([JUMPDEST])) == 1


def test_a_destination_beyond_a_reference_is_not_squeezed_into_it() -> None:
    destination = Instruction(JUMPDEST)
    reference = Instruction(0x60, b"\x01", target=destination)
    code = assemble((reference, Instruction(0x56), *(Instruction(0x58) for _ in range(300)), destination))
    assert code[:2] == b"\x60\x01"
    assert assemble((push_place(destination), Instruction(0x56), destination)) == bytes.fromhex("610004565b")


def test_a_push_that_the_code_ends_in_stays_cut_off() -> None:
    (instruction,) = disassemble(b"\x7f\x01")
    assert instruction.missing == 31
    assert assemble([instruction]) == b"\x7f\x01"
