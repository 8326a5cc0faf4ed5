"""Gives up what an adapter does not need, then becomes the adapter: `python -I sandbox.py LIMITS -- COMMAND…`.

Linux lets a process without privileges bind itself and whatever it starts, for good: resource limits (setrlimit(2)), a
filter on system calls (seccomp(2)), and access to files (landlock(7)). Where one of them is not there, the adapter is
started without it; `containment` says which there are. Only the standard library is imported: this runs as a script.
The process id stays, the program is replaced.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

EXIT_CANNOT_START = 126  # as a shell says it

# Numbers of prctl(2).
SET_SECCOMP, SET_NO_NEW_PRIVILEGES, SECCOMP_FILTER = 22, 38, 2
# landlock(7); the same numbers on every architecture
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
WRITE_FILE = 1 << 1
# Everything that makes, changes or removes a file: write, remove (2), make (7 kinds), then by version of the interface
# move to another directory (2), truncate (3).
CHANGES = 1 << 1 | 0b111111111 << 4
MOVE, TRUNCATE = 1 << 13, 1 << 14
NO_SIGNALS_OUT, NO_ABSTRACT_SOCKETS_OUT = 1 << 1, 1 << 0  # from version 6
NULL_DEVICE = "/dev/null"
# seccomp(2): offsets in struct seccomp_data, numbers by architecture: (AUDIT_ARCH_…, socket(2))
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
IO_URING_SETUP = 425  # opens sockets past any filter on socket(2)
X32_NUMBERS = 0x40000000  # x86_64's second table of system calls
AF_UNIX = 1
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def landlock_version() -> int:
    """The version of the kernel's Landlock, 0 where there is none or it is switched off."""
    return max(0, int(_libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))))


def has_socket_filter() -> bool:
    """Whether sockets can be denied here: seccomp filters, and an architecture whose numbers are known."""
    return platform.machine() in ARCHITECTURES and Path("/proc/sys/kernel/seccomp/actions_avail").exists()


def limit_memory(limit: int) -> None:
    """At most `limit` bytes of private memory (not of address space, which clients reserve by the terabyte).

    A process that wants more gets no memory; it ends, or contains it. It leaves no core file either.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def give_up_new_privileges() -> None:
    """No program that it starts gains privileges; the kernel asks for this before the two below."""
    _checked(_libc().prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def give_up_network() -> None:
    """No sockets but unix-domain ones; others fail as if the kernel did not have them. Raises OSError."""
    architecture, socket_number = ARCHITECTURES[platform.machine()]
    allow, missing, unknown = 8, 9, 10  # positions below
    instructions = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 0, missing - 2, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, missing - 4, 0, X32_NUMBERS),
        (EQUAL, missing - 5, 0, IO_URING_SETUP),
        (EQUAL, 0, allow - 6, socket_number),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (EQUAL, 0, unknown - 8, AF_UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),
        (RETURN, 0, 0, ERROR | errno.EAFNOSUPPORT),
    ]
    code = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
    _checked(_libc().prctl(SET_SECCOMP, SECCOMP_FILTER, program, 0, 0), "seccomp")


def give_up_writing(writable: Sequence[Path]) -> None:
    """Makes, changes and removes files below `writable` and nowhere else; signals stay inside. Raises OSError."""
    version = landlock_version()
    handled = CHANGES | (MOVE if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    scoped = NO_SIGNALS_OUT | NO_ABSTRACT_SOCKETS_OUT if version >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)[: 24 if version >= 6 else 8]
    libc = _libc()
    ruleset = _checked(
        libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)), "landlock"
    )
    try:
        of_a_file = WRITE_FILE | (handled & TRUNCATE)
        for path, allowed in [*((each, handled) for each in writable), (Path(NULL_DEVICE), of_a_file)]:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", allowed, descriptor)
                _checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, ctypes.c_uint32(0)), "landlock")
            finally:
                os.close(descriptor)
        _checked(libc.syscall(RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "landlock")
    finally:
        os.close(ruleset)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def main(arguments: Sequence[str]) -> None:
    """Binds this process and replaces it by the command. Ends with EXIT_CANNOT_START where either fails."""
    parser = ArgumentParser(prog="sandbox")
    parser.add_argument("--memory", type=int, required=True, help="bytes")
    parser.add_argument("--writable", type=Path, action="append", default=[])
    parser.add_argument("--network", action="store_true", help="keep it")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        limit_memory(options.memory)
        give_up_new_privileges()
        if landlock_version():
            give_up_writing(options.writable)
        if has_socket_filter() and not options.network:
            give_up_network()
        os.execvp(options.command[0], options.command)  # noqa: S606 - the manifest's own command
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"cannot start {options.command[0]}: {reason}\n")
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
