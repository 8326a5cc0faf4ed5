"""geth with a bug of our choice: its module copied out of the module cache, a line changed, and built.

What was built is kept in the checkout by the digest of the change, and so is the pristine copy: a further mutation
compiles only what depends on the file it changes.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.peers.installation import HERE, require_geth
from verifier.executors.stateful.embedded.assembly import assemble

MODULE = "github.com/ethereum/go-ethereum"
HOME = HERE / "geth-node"
BUILD = HOME / "build"
BUILD_TIMEOUT = (
    540.0  # seconds; 35 s where everything but geth's own packages is compiled already, 4 min where nothing is
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One place in geth's source that reads differently. file: path in the module; before: found there just once."""

    file: str
    before: str
    after: str


# EXP is one too high. Nothing in the private chain's traffic uses it, so that a test chooses the block that trips it.
WRONG_POWER = Mutation(
    "core/vm/instructions.go",
    "\texponent.Exp(base, exponent)\n",
    "\texponent.Exp(base, exponent)\n\texponent.AddUint64(exponent, 1)\n",
)
# Init code that trips it: 3 to the power of 2, into slot 0. As the data of a transaction without a recipient.
POWER_INIT = assemble("2 3 EXP 0 SSTORE STOP")
# Every access of something warm costs a gas unit less (EIP-2929): almost every block trips it.
CHEAP_WARM_ACCESS = Mutation(
    "params/protocol_params.go",
    "WarmStorageReadCostEIP2929   = uint64(100)",
    "WarmStorageReadCostEIP2929   = uint64(99)",
)


def mutated_geth(*mutations: Mutation) -> Path:
    """The path of a geth with these mutations, built at the first call. Skips where the plain one is not built.

    Raises ValueError for a mutation whose text is not there just once.
    """
    require_geth()
    BUILD.mkdir(exist_ok=True)
    with _alone():
        version = _go("list", "-m", "-f", "{{.Version}}", MODULE)
        changes = json.dumps([version, *([each.file, each.before, each.after] for each in mutations)])
        folder = BUILD / sha256(changes.encode()).hexdigest()[:16]
        if not (folder / "geth").is_file():
            _build(folder, _pristine(version), mutations)
        return folder / "geth"


def _build(folder: Path, source: Path, mutations: tuple[Mutation, ...]) -> None:
    folder.mkdir(exist_ok=True)
    texts: dict[str, str] = {}
    for each in mutations:
        text = texts.get(each.file) or (source / each.file).read_text()
        if text.count(each.before) != 1:
            raise ValueError(f"{each.file}: {text.count(each.before)} times {each.before!r}")
        texts[each.file] = text.replace(each.before, each.after)
    overlay = {}
    for index, (file, text) in enumerate(texts.items()):
        changed = folder / f"{index}.go"
        changed.write_text(text)
        overlay[str(source / file)] = str(changed)
    (folder / "overlay.json").write_text(json.dumps({"Replace": overlay}))
    # The same module as the plain geth's, but for where its source is.
    module_file = folder / "go.mod"
    replacement = f"replace {MODULE} => ./{source.relative_to(HOME)}"
    module_file.write_text(f"{(HOME / 'go.mod').read_text()}\n{replacement}\n")
    shutil.copy(HOME / "go.sum", folder / "go.sum")
    unfinished = folder / "geth.new"
    flags = ("-trimpath", "-buildvcs=false", f"-modfile={module_file}", f"-overlay={folder / 'overlay.json'}")
    _go("build", *flags, "-o", str(unfinished), f"{MODULE}/cmd/geth")
    unfinished.replace(folder / "geth")


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
        ["go", *arguments], cwd=HOME, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]}: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    # Two test processes may want the same geth.
    with (BUILD / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
