"""geth with a bug of our choice: its module copied out of the module cache, a file changed, and built.

The node, or our adapter around the same module. What was built is kept in the checkout by the digest of the change, and
so is the pristine copy: a further mutation compiles only what depends on the file it changes.
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
BUILD = HERE / "geth-node" / "build"
BUILD_TIMEOUT = (
    540.0  # seconds; 35 s where everything but geth's own packages is compiled already, 4 min where nothing is
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One place in geth's source that reads differently. file: path in the module; before: found there just once."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Program:
    """What is built of geth. home: where its go.mod and go.sum are; package: as `go build` takes it."""

    name: str
    home: Path
    package: str

    def digest(self, version: str, mutations: tuple[Mutation, ...]) -> str:
        """Of everything that makes the build another one."""
        sources = sorted(path for path in self.home.rglob("*.go") if BUILD not in path.parents)
        sources += [self.home / "go.mod", self.home / "go.sum"]
        own = [sha256(path.read_bytes()).hexdigest() for path in sources]
        changes = [[each.file, each.before, each.after] for each in mutations]
        return sha256(json.dumps([self.name, version, changes, own]).encode()).hexdigest()[:16]


NODE = Program("geth", HERE / "geth-node", f"{MODULE}/cmd/geth")
ADAPTER = Program("geth-adapter", HERE.parents[1] / "adapters" / "geth", ".")

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
# IDENTITY returns its input itself, which is the caller's memory (CVE-2021-39137): the line that geth's fix introduced,
# taken back.
SHALLOW_COPY = Mutation(
    "core/vm/contracts.go",
    "func (c *dataCopy) Run(in []byte) ([]byte, error) {\n\treturn common.CopyBytes(in), nil\n",
    "func (c *dataCopy) Run(in []byte) ([]byte, error) {\n\treturn in, nil\n",
)
# Instructions and receipts are right, and the trie is not: clearing a slot whose key begins with 0xbd is lost there, as
# one storage update once was in reth (#18205), and setting one that begins with 0xbe sets another one too, which nobody
# else knows of.
LOST_SLOT, STRAY_SLOT = 0xBD, 0xBE
LOST_CLEARING = Mutation(
    "core/state/state_object.go",
    "\tfor _, key := range deletions {\n",
    f"\tfor _, key := range deletions {{\n\t\tif key[0] == {LOST_SLOT} {{\n\t\t\tcontinue\n\t\t}}\n",
)
STRAY_SETTING = Mutation(
    "core/state/state_object.go",
    "\t\tif (value != common.Hash{}) {\n\t\t\tif err := tr.UpdateStorage(",
    "\t\tif (value != common.Hash{}) {\n"
    f"\t\t\tif key[0] == {STRAY_SLOT} {{\n"
    "\t\t\t\tstray := key\n\t\t\t\tstray[1]++\n"
    "\t\t\t\tif err := tr.UpdateStorage(s.address, stray[:], []byte{1}); err != nil {\n"
    "\t\t\t\t\treturn nil, err\n\t\t\t\t}\n\t\t\t}\n"
    "\t\t\tif err := tr.UpdateStorage(",
)


def mutated_geth(*mutations: Mutation) -> Path:
    """The path of a geth with these mutations, built at the first call. Skips where the plain one is not built.

    Raises ValueError for a mutation whose text is not there just once, RuntimeError where the build fails.
    """
    require_geth()
    return _built(NODE, mutations)


def mutated_geth_adapter(*mutations: Mutation) -> Path:
    """The path of a geth adapter with these mutations, built at the first call. Raises as `mutated_geth`; needs Go."""
    return _built(ADAPTER, mutations)


def _built(program: Program, mutations: tuple[Mutation, ...]) -> Path:
    BUILD.mkdir(exist_ok=True)
    with _alone():
        version = _go(program, "list", "-m", "-f", "{{.Version}}", MODULE)
        folder = BUILD / program.digest(version, mutations)
        if not (folder / program.name).is_file():
            _build(program, folder, _pristine(program, version), mutations)
        return folder / program.name


def _build(program: Program, folder: Path, source: Path, mutations: tuple[Mutation, ...]) -> None:
    texts: dict[str, str] = {}
    for each in mutations:
        text = texts.get(each.file) or (source / each.file).read_text()
        if text.count(each.before) != 1:
            raise ValueError(f"{each.file}: {text.count(each.before)} times {each.before!r}")
        texts[each.file] = text.replace(each.before, each.after)
    folder.mkdir(exist_ok=True)
    overlay = {}
    for index, (file, text) in enumerate(texts.items()):
        changed = folder / f"{index}.go"
        changed.write_text(text)
        overlay[str(source / file)] = str(changed)
    (folder / "overlay.json").write_text(json.dumps({"Replace": overlay}))
    # The program's own module, but for where geth's source is.
    module_file = folder / "go.mod"
    where = os.path.relpath(source, program.home)  # which Go wants to begin with a dot
    where = where if where.startswith(".") else f"./{where}"
    module_file.write_text(f"{(program.home / 'go.mod').read_text()}\nreplace {MODULE} => {where}\n")
    shutil.copy(program.home / "go.sum", folder / "go.sum")
    unfinished = folder / f"{program.name}.new"
    flags = ("-trimpath", "-buildvcs=false", "-mod=mod", f"-modfile={module_file}")
    _go(program, "build", *flags, f"-overlay={folder / 'overlay.json'}", "-o", str(unfinished), program.package)
    unfinished.replace(folder / program.name)


def _pristine(program: Program, version: str) -> Path:
    """The module as the program requires it, writable, and the same one for all mutations: copied once."""
    target = BUILD / f"go-ethereum-{version}"
    if not target.is_dir():
        _go(program, "mod", "download", MODULE)
        original = _go(program, "list", "-m", "-f", "{{.Dir}}", MODULE)
        unfinished = target.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        tests = shutil.ignore_patterns("*_test.go", "testdata")
        shutil.copytree(original, unfinished, ignore=tests, copy_function=shutil.copyfile)
        for directory, _, _ in os.walk(unfinished):
            Path(directory).chmod(0o755)  # the module cache's are read-only
        unfinished.rename(target)
    return target


def _go(program: Program, *arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=program.home, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]}: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    # Two test processes may want the same program.
    with (BUILD / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
