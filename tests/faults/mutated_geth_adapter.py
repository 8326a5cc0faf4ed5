"""The geth adapter on a go-ethereum with a bug of our choice: copied out of the module cache, changed, and built.

As tests/peers/mutated_geth.py does it with geth itself: what was built is kept by the digest of the change, and so is
the pristine copy.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from tests.peers.mutated_geth import MODULE, Mutation

HERE = Path(__file__).parent
ADAPTER = HERE.parents[1] / "adapters" / "geth"
BUILD = HERE / "build"
BUILD_TIMEOUT = 540.0  # seconds; 40 s where the adapter itself was built, 4 min where nothing was

# IDENTITY returns its input itself, which is the caller's memory (CVE-2021-39137): the line that geth's fix introduced,
# taken back.
SHALLOW_COPY = Mutation(
    "core/vm/contracts.go",
    "func (c *dataCopy) Run(in []byte) ([]byte, error) {\n\treturn common.CopyBytes(in), nil\n",
    "func (c *dataCopy) Run(in []byte) ([]byte, error) {\n\treturn in, nil\n",
)


def mutated_geth_adapter(mutation: Mutation) -> Path:
    """The path of an adapter with this mutation, built at the first call.

    Raises ValueError where the mutation's text is not there just once, RuntimeError where the build fails.
    """
    BUILD.mkdir(exist_ok=True)
    with _alone():
        version = _go("list", "-m", "-f", "{{.Version}}", MODULE)
        folder = BUILD / _digest(version, mutation)
        if not (folder / "geth-adapter").is_file():
            _build(folder, _pristine(version), mutation)
        return folder / "geth-adapter"


def _digest(version: str, mutation: Mutation) -> str:
    sources = sorted(path for path in ADAPTER.rglob("*") if path.suffix == ".go" or path.name in ("go.mod", "go.sum"))
    own = [sha256(path.read_bytes()).hexdigest() for path in sources]
    change = json.dumps([version, mutation.file, mutation.before, mutation.after, own])
    return sha256(change.encode()).hexdigest()[:16]


def _build(folder: Path, source: Path, mutation: Mutation) -> None:
    text = (source / mutation.file).read_text()
    if text.count(mutation.before) != 1:
        raise ValueError(f"{mutation.file}: {text.count(mutation.before)} times {mutation.before!r}")
    folder.mkdir(exist_ok=True)
    changed = folder / "changed.go"
    changed.write_text(text.replace(mutation.before, mutation.after))
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": {str(source / mutation.file): str(changed)}}))
    # The adapter's own module, but for where go-ethereum's source is.
    module_file = folder / "go.mod"
    where = os.path.relpath(source, ADAPTER)
    module_file.write_text(f"{(ADAPTER / 'go.mod').read_text()}\nreplace {MODULE} => {where}\n")
    shutil.copy(ADAPTER / "go.sum", folder / "go.sum")
    unfinished = folder / "geth-adapter.new"
    flags = ("-trimpath", "-buildvcs=false", "-mod=mod", f"-modfile={module_file}", f"-overlay={overlay}")
    _go("build", *flags, "-o", str(unfinished), ".")
    unfinished.replace(folder / "geth-adapter")


def _pristine(version: str) -> Path:
    target = BUILD / f"go-ethereum-{version}"
    if not target.is_dir():
        original = _go("list", "-m", "-f", "{{.Dir}}", MODULE)
        unfinished = target.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        tests = shutil.ignore_patterns("*_test.go", "testdata")
        shutil.copytree(original, unfinished, ignore=tests, copy_function=shutil.copyfile)
        for directory, _, _ in os.walk(unfinished):
            Path(directory).chmod(0o755)  # the module cache's are read-only
        unfinished.rename(target)
    return target


def _go(*arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=ADAPTER, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]}: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    # Two test processes may want the same adapter.
    with (BUILD / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
