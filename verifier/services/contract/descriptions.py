"""Checks of what an adapter says of itself, over gRPC and on its command line."""

import asyncio
import contextlib
import json
import time

from google.protobuf import json_format

from verifier.executors.stateless.client import CONTRACT_VERSION
from verifier.executors.stateless.inspection import DESCRIBE_TIMEOUT
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import FORKS

from .evidence import Evidence
from .subject import Subject

SERVICES = ("", "verifier.rpc.v1.StatelessExecutor")
QUICK = 20.0  # seconds for --describe: importing a Python package on busy cores, and nothing warmed
BENCH_TIMEOUT = 240.0  # seconds for the warm-up and four runs of a small block
BENCH_RUNS = 2
EXIT_USAGE = 2
ADDRESS_ONLY = "it is known by its address only: its command line is not"


async def contract_version(subject: Subject, evidence: Evidence) -> None:
    """The contract's version is this verifier's."""
    version = subject.description.contract_version
    evidence.expect(
        version == CONTRACT_VERSION, f"contract_version is {version}, this verifier's is {CONTRACT_VERSION}"
    )
    evidence.note(f"version {version}")


async def identity(subject: Subject, evidence: Evidence) -> None:
    """Client, versions and lineage are named, and the lineage is the manifest's."""
    described = subject.description
    for field in ("client_name", "client_version", "adapter_version", "lineage"):
        evidence.expect(bool(getattr(described, field)), f"{field} is empty")
    if subject.manifest is not None:
        said = subject.manifest.lineage
        evidence.expect(described.lineage == said, f"lineage {described.lineage!r}, adapter.toml says {said!r}")
    evidence.note(f"{described.client_name} {described.client_version}, lineage {described.lineage}")


async def forks(subject: Subject, evidence: Evidence) -> None:
    """Fork names are the contract's, in activation order, each once."""
    named = list(subject.description.forks)
    evidence.expect(bool(named), "no forks")
    for fork in named:
        evidence.expect(fork in FORKS, f"{fork!r} is no fork's name")
    known = [fork for fork in named if fork in FORKS]
    ordered = sorted(set(known), key=FORKS.index)
    evidence.expect(known == ordered, f"not in activation order, or one twice: {', '.join(known)}")
    evidence.note(f"{len(named)} forks, {named[0]} to {named[-1]}" if named else "")


async def modes(subject: Subject, evidence: Evidence) -> None:
    """MODE_PROOF is among the modes, and all are known."""
    named = list(subject.description.modes)
    evidence.expect(pb.MODE_PROOF in named, "MODE_PROOF is not among the modes")
    for mode in named:
        known = mode in pb.Mode.values() and mode != pb.MODE_UNSPECIFIED
        evidence.expect(known, f"mode {mode} is not in the contract")
    evidence.note(f"{len(named)} modes")


async def rules(subject: Subject, evidence: Evidence) -> None:
    """The unchecked rules are rules of the contract."""
    named = list(subject.description.unchecked_rules)
    for rule in named:
        known = rule in pb.Rule.values() and rule != pb.RULE_UNSPECIFIED
        evidence.expect(known, f"unchecked rule {rule} is not in the contract")
    evidence.note(f"unchecked: {', '.join(sorted(subject.unchecked_rules)) or 'none'}")


async def concurrency(subject: Subject, evidence: Evidence) -> None:
    """It serves at least one request at a time."""
    places = subject.description.max_concurrent_requests
    evidence.expect(places >= 1, f"max_concurrent_requests is {places}")
    evidence.note(f"{places} at once")


async def health(subject: Subject, evidence: Evidence) -> None:
    """Both services of the health service are SERVING once the adapter is warm."""
    for service in SERVICES:
        status = await subject.connection.health(service)
        evidence.expect(status == "SERVING", f"health of {service!r} is {status}")
    evidence.note("both names SERVING")


async def describe_command(subject: Subject, evidence: Evidence) -> None:
    """`--describe` says on one line, quickly, what Describe and adapter.toml say."""
    manifest = subject.manifest
    if manifest is None:
        evidence.not_applicable(ADDRESS_ONLY)
        return
    started = time.monotonic()
    status, output, errors = await run(subject, "--describe", timeout=DESCRIBE_TIMEOUT)
    elapsed = time.monotonic() - started
    if not evidence.expect(status == 0, f"exit status {status}: {errors[-200:]!r}"):
        return
    evidence.expect(elapsed <= QUICK, f"it took {elapsed:.1f} s, quick is {QUICK:.0f} s")
    lines = output.splitlines()
    if not evidence.expect(len(lines) == 1, f"{len(lines)} lines on standard output, not one"):
        return
    try:
        said = json_format.Parse(lines[0], pb.DescribeResponse())
    except json_format.ParseError as error:
        evidence.expect(False, f"not a DescribeResponse in protobuf-JSON: {error}")
        return
    for field in said.DESCRIPTOR.fields:
        ours, theirs = getattr(said, field.name), getattr(subject.description, field.name)
        evidence.expect(ours == theirs, f"{field.name}: --describe says {ours!r}, Describe {theirs!r}")
    evidence.expect(said.lineage == manifest.lineage, f"adapter.toml has lineage {manifest.lineage!r}")
    same = list(said.forks) == list(manifest.forks)
    evidence.expect(same, f"adapter.toml lists other forks: {', '.join(manifest.forks)}")
    evidence.note(f"in {elapsed:.1f} s")


async def wrong_arguments(subject: Subject, evidence: Evidence) -> None:
    """Wrong arguments end it with status 2 and nothing on standard output."""
    if subject.manifest is None:
        evidence.not_applicable(ADDRESS_ONLY)
        return
    cases: tuple[tuple[str, ...], ...] = ((), ("--no-such-argument",), ("--socket",))
    for arguments in cases:
        status, output, _ = await run(subject, *arguments, timeout=DESCRIBE_TIMEOUT)
        shown = " ".join(arguments) or "no arguments"
        evidence.expect(status == EXIT_USAGE, f"{shown}: exit status {status}, not {EXIT_USAGE}")
        evidence.expect(not output, f"{shown}: {output[:80]!r} on standard output")
    evidence.note(f"{len(cases)} wrong command lines")


async def bench_command(subject: Subject, evidence: Evidence) -> None:
    """`--bench FILE --runs N` prints one line of JSON with N times; a file that is none is no success."""
    if subject.manifest is None:
        evidence.not_applicable(ADDRESS_ONLY)
        return
    if not subject.blocks:
        evidence.not_applicable("no bundled block is of a fork that it lists")
        return
    block = subject.blocks[-1]
    arguments = ("--bench", str(block.path), "--runs", str(BENCH_RUNS))
    status, output, errors = await run(subject, *arguments, timeout=BENCH_TIMEOUT)
    if not evidence.expect(status == 0, f"exit status {status}: {errors[-200:]!r}"):
        return
    try:
        (line,) = output.splitlines()
        runs = json.loads(line)["runs_ms"]
        held = len(runs) == BENCH_RUNS and all(isinstance(each, int | float) and each > 0 for each in runs)
    except (ValueError, KeyError, TypeError):
        runs, held = output[:80], False
    evidence.expect(held, f"not one line with {BENCH_RUNS} positive times: {runs!r}")
    evidence.note(f"block {block.number}: {runs} ms")


async def run(subject: Subject, *arguments: str, timeout: float) -> tuple[int | None, str, str]:  # noqa: ASYNC109 - of the process
    """Exit status (None: it did not end), standard output and error of the adapter's command with these arguments."""
    assert subject.manifest is not None
    process = await asyncio.create_subprocess_exec(
        *subject.manifest.command,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    except TimeoutError:
        return None, "", f"it did not end within {timeout:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode, output.decode(errors="replace"), errors.decode(errors="replace").strip()
