"""Sections derived in a process of their own: py-evm keeps the interpreter's lock for seconds (decision 20).

As a program: `python -m verifier.services.section_process FILE DIRECTORY` writes the file with its sections there and
prints its path.
"""

import asyncio
import sys
from pathlib import Path

from verifier.errors import ExecutorError, VerifierError
from witness.errors import WitnessError
from witness.file import map_witness_file, write_witness_file

MAX_REASON = 300  # characters of what it says of its failure


async def derive_file(path: Path, directory: Path) -> Path:
    """A copy of the witness file in `directory` with both sections. When cancelled the process ends.

    Raises ExecutorError where they cannot be derived.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "verifier.services.section_process", str(path), str(directory)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = " ".join(errors.decode(errors="replace").split())[-MAX_REASON:]
        raise ExecutorError(f"no values before the block could be derived: {reason or 'it ended'}")
    return Path(output.decode().strip())


def main(arguments: list[str]) -> int:
    """Derives and writes; the exit status."""
    # It needs py-evm, which whoever only asks for the process does not.
    from .derivation import with_sections

    path, directory = map(Path, arguments)
    try:
        content, _ = with_sections(map_witness_file(path))
        written = write_witness_file(content, directory, sync=False)
    except (VerifierError, WitnessError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{written}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
