"""`verifier witness`: import, show and check witness files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verifier.cli.output import progress, standard_output
from verifier.cli.replay import read_chain_config
from verifier.errors import ExecutorError, InputError
from verifier.services.derivation import with_sections
from verifier.services.sources import find_paths
from witness.chain_config import KNOWN_CHAINS, parse_chain_config
from witness.check import check_witness, is_usable
from witness.check_sections import extent
from witness.errors import ChainConfigError, EncodingError, WitnessError, WitnessFileError
from witness.file import SUFFIX, map_witness_file
from witness.finding import Finding, Severity
from witness.formats import load
from witness.header import decode_block_header
from witness.json_document import load_json
from witness.model import BlockWitness, Octets
from witness.prestate import decode_poststate, decode_prestate
from witness.store import WitnessStore

EXIT_FINE, EXIT_UNUSABLE, EXIT_INPUT_ERROR = 0, 1, 2
COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
SHOWN_HASHES = 3  # of a long list of claimed block hashes


@click.group()
def witness() -> None:
    """Import, show and check witness files."""


@witness.command(name="import")
@click.argument("sources", metavar="SRC…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write to.")
@click.option("--chain-config", type=click.Path(path_type=Path), help="Geth-genesis JSON, for sources of its chain.")
def import_(sources: tuple[Path, ...], out: Path, chain_config: Path | None) -> int:
    """Convert documents of other programs into witness files.

    SRC is a document or a directory of them: debug_executionWitness JSON (geth's, and reth's, ethrex's and nimbus's
    shape) or geth's witness RLP, with the block in it or in NAME.block beside NAME.json or NAME.rlp; zkpig JSON; block
    JSON; all also compressed by gzip; and witness files.

    Exit status: 0 all imported, 2 at least one could not be.
    """
    config = None if chain_config is None else read_chain_config(chain_config)
    paths = find_paths(sources)
    console, errors = standard_output(), Console(stderr=True, highlight=False, soft_wrap=True)
    failed = 0
    with WitnessStore(out) as store, progress(errors) as bar:
        task = bar.add_task("import", total=len(paths))
        for path in paths:
            try:
                for content in load(path, chain_config=config):
                    replaced = store.path(content.hash) is not None
                    published = store.publish(content)
                    console.print(_imported(content, published, replaced=replaced), markup=False)
            except (WitnessError, OSError) as error:
                failed += 1
                errors.print(f"error: {error}", markup=False)
            bar.advance(task)
    return EXIT_INPUT_ERROR if failed else EXIT_FINE


@witness.command()
@click.argument("sources", metavar="SRC…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write to.")
@click.option("--chain-config", type=click.Path(path_type=Path), help="Geth-genesis JSON, for sources of its chain.")
@click.option("--accept-claims", is_flag=True, help="Start from a pre-state root that is only claimed.")
def prestate(sources: tuple[Path, ...], out: Path, chain_config: Path | None, accept_claims: bool) -> int:
    """Write witness files with the sections that prestate mode needs.

    SRC is a witness file, or what `import` takes, or a directory of them. Each block is executed over its witness once;
    what it reads goes to the section prestate, with the values that the witness's nodes prove, and what it changes to
    the section poststate.

    Exit status: 0 all written, 1 a witness was incomplete or a block invalid (written, without poststate), 2 at least
    one could not be.
    """
    config = None if chain_config is None else read_chain_config(chain_config)
    console, errors = standard_output(), Console(stderr=True, highlight=False, soft_wrap=True)
    status = EXIT_FINE
    with WitnessStore(out) as store, progress(errors) as bar:
        for path in bar.track(find_paths(sources), description="prestate"):
            try:
                for content in load(path, chain_config=config):
                    derived, remark = with_sections(content, accept_claims=accept_claims)
                    console.print(_derived(derived, store.publish(derived), remark), markup=False)
                    if derived.poststate is None:
                        status = max(status, EXIT_UNUSABLE)
            except (WitnessError, InputError, ExecutorError, OSError) as error:
                status = EXIT_INPUT_ERROR
                text = str(error)
                errors.print(f"error: {text if str(path) in text else f'{path}: {text}'}", markup=False)
    return status


def _derived(content: BlockWitness, path: Path, remark: str) -> str:
    sections = "; ".join(f"{name}: {text}" for name, text in _sections(content).items())
    text = (
        f"{path}: chain {content.chain_id} block {content.number} 0x{content.hash.hex()} {_fork(content)}; {sections}"
    )
    return f"{text}; {remark}" if remark else text


def _sections(content: BlockWitness) -> dict[str, str]:
    """What prestate and poststate hold, in words, where they are there."""
    extents = {}
    try:
        if content.prestate is not None:
            extents["prestate"] = extent(decode_prestate(content.prestate), "absent")
        if content.poststate is not None:
            extents["poststate"] = extent(decode_poststate(content.poststate), "deleted")
    except WitnessFileError as error:
        name, _, reason = str(error).partition(": ")
        extents[name] = f"malformed: {reason}"
    return extents


def _imported(content: BlockWitness, path: Path, *, replaced: bool) -> str:
    claims = _document(content.claims)
    text = f"{path}: chain {content.chain_id} block {content.number} 0x{content.hash.hex()} {_fork(content)}"
    if replaced:
        text += "; replaces an earlier file of this block"
    if claims:
        text += f"; only claimed, not proven: {', '.join(_claim(name, claims[name]) for name in sorted(claims))}"
    return text


def _claim(name: str, value: Any) -> str:
    return f"{len(value)} {name}" if isinstance(value, dict) else name


@witness.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(path: Path, as_json: bool) -> int:
    """Show what a witness file holds."""
    content = map_witness_file(path)
    description = describe(content, path)
    console = standard_output()
    if as_json:
        console.print(json.dumps(description, separators=(",", ":")), markup=False)
    elif console.is_terminal:
        table = Table(show_header=False, title=escape(str(path)), title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in _lines(description):
            table.add_row(name, escape(value))
        Console(highlight=False).print(table)
    else:
        for name, value in _lines(description):
            console.print(f"{name}: {value}", markup=False)
    return EXIT_FINE


def describe(content: BlockWitness, path: Path) -> dict[str, Any]:
    """What `show --json` prints: sizes in bytes, counts, and the JSON sections as they are (null where absent)."""
    sections = {
        "block": content.block,
        "state": content.witness.state,
        "codes": content.witness.codes,
        "headers": content.witness.headers,
        "chain_config": content.chain_config,
        "prestate": content.prestate,
        "poststate": content.poststate,
    }
    return {
        "chain_id": content.chain_id,
        "chain": KNOWN_CHAINS.get(content.chain_id),
        "number": content.number,
        "hash": f"0x{content.hash.hex()}",
        "fork": _fork(content),
        "file_bytes": path.stat().st_size,
        "bytes": {
            name: len(part) if isinstance(part, bytes | memoryview) else sum(len(each) for each in part)
            for name, part in sections.items()
            if part is not None
        },
        "counts": {name: len(sections[name] or b"") for name in ("state", "codes", "headers")},
        "extents": _sections(content),
        "producer": _document(content.producer),
        "claims": _document(content.claims),
        "expected": _document(content.expected),
        "unknown_sections": sorted(content.extra),
    }


def _fork(content: BlockWitness) -> str:
    try:
        return parse_chain_config(content.chain_config).fork_at(decode_block_header(content.block))
    except (ChainConfigError, EncodingError) as error:
        return f"unknown: {error}"


def _document(encoded: Octets | None) -> Any:
    """The JSON of an optional section; text where it is none."""
    if encoded is None:
        return None
    try:
        return load_json(encoded)
    except (ValueError, RecursionError):
        return bytes(encoded).decode(errors="replace")


def _lines(description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each line, for people: long lists shortened, absent parts left out."""
    chain = description["chain"]
    yield "chain", f"{description['chain_id']}" + (f" ({chain})" if chain else "")
    for name in ("number", "hash", "fork"):
        yield name, str(description[name])
    yield "file", f"{description['file_bytes']} bytes"
    for name, size in description["bytes"].items():
        count = description["counts"].get(name)
        held = description["extents"].get(name)
        yield name, f"{size} bytes" + ("" if count is None else f" in {count}") + (f": {held}" if held else "")
    for section in ("producer", "claims", "expected"):
        document = description[section]
        if not isinstance(document, dict):
            if document is not None:
                yield section, _short(document)
            continue
        for name in sorted(document):
            yield f"{section}.{_short(name)}", _short(document[name])
    for kind in description["unknown_sections"]:
        yield "section", f"kind {kind}, unknown"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        shown = ", ".join(f"{_short(key)}: {_short(value[key])}" for key in list(value)[:SHOWN_HASHES])
        return f"{len(value)}: {shown}" + (", …" if len(value) > SHOWN_HASHES else "")
    if isinstance(value, list):
        return f"{len(value)}"
    # Whoever made the file wrote this: no line breaks, and no control sequences for the terminal.
    text = "".join(character if character.isprintable() else "?" for character in str(value))
    return text if len(text) <= 130 else f"{text[:66]}… ({len(text)} characters)"


@witness.command()
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check witness files as far as that is possible without executing their blocks.

    FILE is a witness file or a directory of them. An error makes a file unusable, a warning or a note does not.

    Exit status: 0 fine, 1 errors in at least one file, 2 at least one is no witness file, or is damaged.
    """
    files = list(_files(paths))
    console = standard_output()
    status = EXIT_FINE
    with progress(Console(stderr=True)) as bar:
        for path in bar.track(files, description="check"):
            try:
                findings = check_witness(map_witness_file(path))
            except WitnessFileError as error:
                status = EXIT_INPUT_ERROR
                _print_refusal(console, path, str(error).removeprefix(f"{path}: "), as_json=as_json)
                continue
            if not is_usable(findings):
                status = max(status, EXIT_UNUSABLE)
            _print_findings(console, path, findings, as_json=as_json)
    return status


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(each for each in path.rglob(f"*{SUFFIX}") if not each.name.startswith("."))
            if not found:
                raise WitnessFileError(f"{path}: no witness files in it")
            yield from found
        else:
            yield path


def _print_refusal(console: Console, path: Path, reason: str, *, as_json: bool) -> None:
    if as_json:
        console.print(json.dumps({"file": str(path), "refused": reason}), markup=False)
    else:
        console.print(f"{escape(str(path))}: [bold red]refused[/]: {escape(reason)}")


def _print_findings(console: Console, path: Path, findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        listed = [{"severity": each.severity, "subject": each.subject, "text": each.text} for each in findings]
        document = {"file": str(path), "usable": is_usable(findings), "findings": listed}
        console.print(json.dumps(document, separators=(",", ":")), markup=False)
        return
    for each in findings:
        colour = COLOURS[each.severity]
        console.print(f"{escape(str(path))}: [{colour}]{each.severity}[/]: {each.subject}: {escape(each.text)}")
    if is_usable(findings):
        console.print(f"{escape(str(path))}: [green]fine[/]")
