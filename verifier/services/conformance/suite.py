"""All tests of a file or directory of any kind, one after the other. Nothing is executed; one file at a time.

What is broken is a failure in its place, and not the end. What a name is enough to tell about is not parsed further.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from verifier.domain.conformance import CaseName
from verifier.services.evidence.bundle import is_bundle
from witness.errors import WitnessError
from witness.file import SUFFIX
from witness.formats import IMPORTABLE_SUFFIXES

from .case import Case, LoadFailure
from .loaders.blockchain_test import BlockchainTest, case_of, parse_blockchain_test
from .loaders.blockchain_test_engine import parse_engine_test
from .loaders.document import read_document
from .loaders.errors import FixtureError, NotFixtureError
from .loaders.fixtures import is_fixture_path
from .loaders.hive_chain import is_hive_chain, load_hive_chain
from .loaders.state_test import state_cases, state_names
from .loaders.stateless_test import brings_witnesses, stateless_case
from .loaders.witness_files import load_evidence, load_witness_file

Takes = Callable[[CaseName], bool]
BLOCKCHAIN, ENGINE, STATELESS, STATE = "blockchain_test", "blockchain_test_engine", "stateless_test", "state_test"
# Of eest's blockchain_tests_engine_x: names a file; their form changes from release to release, and each test is among
# the blockchain_tests_engine too.
SHARED_STATE = "preHash"
Parse = Callable[[str, Any], BlockchainTest]
# Kind → where its blocks are, and what reads them.
CHAIN_TESTS: dict[str, tuple[str, Parse]] = {
    BLOCKCHAIN: ("blocks", parse_blockchain_test),
    ENGINE: ("engineNewPayloads", parse_engine_test),
}


def case_paths(root: Path) -> Iterator[Path]:
    """What below `root` is loaded, in order: files, and directories that are one source; nothing that is hidden."""
    if not root.is_dir() or _is_one_source(root):
        yield root
        return
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        yield root  # loading it says why
        return
    for entry in entries:
        path = root / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from case_paths(path)
        elif entry.is_file() and entry.name.endswith((SUFFIX, *IMPORTABLE_SUFFIXES)):
            yield path


def load_cases(path: Path, name: str | None = None, takes: Takes | None = None) -> Iterator[Case | LoadFailure]:
    """Every test below `path`, in order, and what could not be loaded in its place.

    name: what the path of a single source is called in its tests' names; its own name if not given. takes: whether a
    test is wanted, asked by its name before it is parsed.
    """
    for source in case_paths(path):
        below = source.relative_to(path).as_posix() if source != path else name or path.name
        yield from _load_source(source, below, takes or _everything)


def _everything(_: CaseName) -> bool:
    return True


def _is_one_source(directory: Path) -> bool:
    return is_hive_chain(directory) or is_bundle(directory)


def _load_source(source: Path, path: str, takes: Takes) -> Iterator[Case | LoadFailure]:
    try:
        if source.is_dir():
            found = [load_hive_chain(source, path) if is_hive_chain(source) else load_evidence(source, path)]
            yield from (each for each in found if takes(each.name))
        elif source.exists() and not source.is_file():
            raise FixtureError("not a regular file")  # a FIFO would be waited for
        elif is_fixture_path(source):
            yield from _load_document(source, path, takes)
        else:
            yield from (case for case in load_witness_file(source, path) if takes(case.name))
    except NotFixtureError as error:
        yield LoadFailure(CaseName(path, "", "", ""), _below(source, error), left_out=True)
    except (FixtureError, OSError) as error:
        yield LoadFailure(CaseName(path, "", "", ""), _below(source, error))


def _load_document(source: Path, path: str, takes: Takes) -> Iterator[Case | LoadFailure]:
    document = read_document(source)
    if not isinstance(document, dict):
        raise NotFixtureError("no tests in it")
    kinds = {name: kind for name, value in document.items() if (kind := kind_of(value))}
    if kinds:
        while document:  # each test is let go of when its cases are made
            name, value = next(iter(document.items()))
            del document[name]
            yield from _load_test(path, name, kinds.get(name, ""), value, takes)
        return
    if not _may_be_witness(document):
        raise NotFixtureError("no tests in it")
    yield from (case for case in load_witness_file(source, path) if takes(case.name))


def _may_be_witness(document: dict[str, Any]) -> bool:
    """Whether a document has a key that all forms of a witness have one of; what else is wrong, its reader says."""
    return any(key in document for key in ("block", "witness", "state", "result", "data"))


def kind_of(value: Any) -> str:
    """Which kind of test a member of a fixture file is, "" for none; by its keys alone."""
    if not isinstance(value, dict):
        return ""
    if "network" in value:
        return next((kind for kind, (key, _) in CHAIN_TESTS.items() if key in value), "")
    return STATE if value.keys() >= {"env", "post", "transaction"} else ""


def _load_test(path: str, test: str, kind: str, value: Any, takes: Takes) -> Iterator[Case | LoadFailure]:
    if kind == STATE:
        yield from _load_state_test(path, test, value, takes)
    elif kind:
        yield from _load_chain_test(path, test, kind, value, takes)
    elif not test.startswith("_"):  # "_info" is about the file
        yield LoadFailure(CaseName(path, test, "", ""), "of no known kind")


def _load_chain_test(path: str, test: str, kind: str, value: Any, takes: Takes) -> Iterator[Case | LoadFailure]:
    network = value["network"] if isinstance(value["network"], str) else ""
    name = CaseName(path, test, network, kind)
    if SHARED_STATE in value and "pre" not in value:
        if takes(name):
            reason = "its state is in a file that it shares with others (blockchain_tests_engine_x): not read"
            yield LoadFailure(name, reason, left_out=True)
        return
    key, parse = CHAIN_TESTS[kind]
    entries = value[key] if isinstance(value[key], list) else []
    given = CaseName(path, test, network, STATELESS) if brings_witnesses(entries) else None
    wanted = [each for each in (name, given) if each is not None and takes(each)]
    if not wanted:
        return
    try:
        parsed = parse(test, value)
    except (FixtureError, WitnessError) as error:
        yield LoadFailure(name, str(error))
        return
    if name in wanted:
        yield case_of(parsed, name)
    if given in wanted:
        try:
            case = stateless_case(parsed, entries, given)
        except (FixtureError, WitnessError) as error:
            yield LoadFailure(given, str(error))
            return
        if case.blocks:
            yield case


def _load_state_test(path: str, test: str, value: Any, takes: Takes) -> Iterator[Case | LoadFailure]:
    names = [CaseName(path, f"{test}/{part}", network, STATE) for part, network in state_names(value)]
    if not names:
        yield LoadFailure(CaseName(path, test, "", STATE), "post: no fork in it")
    wanted = {name for name in names if takes(name)}
    if wanted:
        yield from state_cases(value, [(name, name in wanted) for name in names])


def _below(source: Path, error: Exception) -> str:
    """The reason alone: where it is is said beside it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).removeprefix(f"{source}: ")
