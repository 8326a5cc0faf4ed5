"""Runs that never were: like a whole one in names, sizes and times, or made to break a report.

`python -m tests.verifier.services.conformance.report.runs DIRECTORY` makes the reports of a run over 14,563 tests, and
says how large they are and how long they took.
"""

import math
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from verifier.domain.conformance import (
    Answer,
    CaseName,
    Difference,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    ReasonClass,
    Said,
    differences,
)
from verifier.services.conformance.report.facts import Participant, RunFacts
from verifier.services.conformance.report.writing import write_reports

WHOLE = 14_563  # tests in ethereum/tests
STATEFUL = Participant("geth", "1.17.10", "geth", stateful=True)
ADAPTERS = {"geth": 0.6, "revm": 0.5, "ethrex": 0.6, "ethereumjs": 7.0, "eels": 20.0, "pyevm": 12.0}  # typical ms
FACTS = RunFacts(
    suites=("suites/ethereum_tests",),
    participants=(STATEFUL, *(Participant(name, "1.0.0", name) for name in ADAPTERS)),
    mode="proof",
    started=datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
    ended=datetime(2026, 11, 30, 8, 21, 7, tzinfo=UTC),
    machine="2 cores, 8 GB",
    version="0.1.0",
    workers=2,
    kept="out/kept",
)
FOLDERS = tuple(  # the first have the most tests
    f"BlockchainTests/{each}"
    for each in (
        "GeneralStateTests/stBadOpcode",
        "GeneralStateTests/stZeroKnowledge",
        "InvalidBlocks/bcInvalidHeaderTest",
        "GeneralStateTests/stStaticCall",
        "GeneralStateTests/stSStoreTest",
        "GeneralStateTests/Cancun/stEIP1153-transientStorage",
        "GeneralStateTests/Cancun/stEIP4844-blobtransactions",
        "GeneralStateTests/Pyspecs/cancun/eip4844_blobs",
        "GeneralStateTests/Pyspecs/cancun/eip5656_mcopy",
        "InvalidBlocks/bcUncleHeaderValidity",
        "ValidBlocks/bcStateTest",
        "ValidBlocks/bcMultichainTest",
        "ValidBlocks/bcForkStressTest",
        "TransitionTests/bcFrontierToHomestead",
    )
)
BIGGER_GAS = "accepts a header gasLimit above 2^63-1 (https://example.org/issues/1)"
HOSTILE = (
    "<script>document.title='taken'</script>",
    "</script><img src=x onerror=document.title='taken'>",
    "\"'`&lt;<!--]]>{{ 7*7 }}{% raw %}",
    "\x00\x07\x1b[31mred\x1b[0m\r\nsecond line\u2028third",
    "‮cilam‬ שלום عربي",
    "long" * 1200,
    "\ud800 lone surrogate \udc80",
    "",
    "[bold]markup[/bold] [/] :warning:",
    "$(touch taken); `touch taken` 'quote",
)


def whole(count: int, rare: int = 1, seed: int = 7) -> Iterator[ExaminedCase]:
    """Tests of one to many blocks, most agreeing, with differences of every kind; the fewer, the higher `rare`."""
    chance = random.Random(seed)
    for index in range(count):
        folder = FOLDERS[min(int(chance.expovariate(0.35)), len(FOLDERS) - 1)]
        network = chance.choice(("Cancun",) * 30 + ("Shanghai", "Paris", "Berlin", "Frontier"))
        test = f"opc{index // 5:04x}Diffplaces{'X' * chance.randrange(25)}_d{index % 5}g0v0_{network}"
        name = CaseName(f"{folder}/opc{index // 5:04x}Diffplaces.json.gz", test, network, "blockchain_test")
        if index % (500 * rare) == 43:
            yield ExaminedCase(name, failure="RecorderError: geth ended with status 2: out of memory", seconds=1.5)
            continue
        blocks = tuple(
            _block(chance, index, at, folder, rare) for at in range(1 if index % 50 else chance.randrange(1, 40))
        )
        skipped = (
            {} if network != "Frontier" else {"ethrex": "does not know Frontier", "revm": "does not know Frontier"}
        )
        blocks = tuple(
            replace(block, answers=tuple(each for each in block.answers if each.client not in skipped))
            for block in blocks
        )
        yield ExaminedCase(name, blocks, skipped, seconds=0.02 + chance.random() / 20)


def _block(chance: random.Random, index: int, at: int, folder: str, rare: int) -> ExaminedBlock:
    invalid = "Invalid" in folder and at == 0
    gas = int(10 ** chance.uniform(4.4, 7.4))
    slow = math.sqrt(gas / 1e5) * chance.lognormvariate(0, 0.5)
    expected = Expected.INVALID if invalid else Expected.VALID
    answers: list[Answer] = []
    for client, typical in (("geth", 0.9), *ADAPTERS.items()):
        said = Said.INVALID if invalid else Said.VALID
        reason, classes = ("broken_rule: header: gas limit", {ReasonClass.HEADER}) if invalid else ("", set())
        answers.append(
            Answer(client, client, said, reason, frozenset(classes), (), typical * slow, stateful=not answers)
        )
    if index % (70 * rare) == 13:
        answers[2] = replace(
            answers[2],
            said=Said.INVALID,
            reason="state_root: header 0x1f3a…, computed 0x99c1…; gas_used: header 21000, computed 23100",
            fields=("state_root", "gas_used"),
        )
    if index % (90 * rare) == 31:
        answers[5] = replace(answers[5], said=Said.ABSTAIN, reason="witness_insufficient: node 8a3d287b… (path 22c)")
    if invalid and index % 3 == 0:
        answers[3] = replace(answers[3], said=Said.VALID, reason="", classes=frozenset())
    return ExaminedBlock(
        index=at,
        number=at + 1,
        hash=chance.randbytes(32),
        expected=expected,
        exception="BlockException.INVALID_GASLIMIT" if invalid else "",
        classes=frozenset({ReasonClass.HEADER}) if invalid else frozenset(),
        gas_used=gas,
        witness_bytes=int(10 ** chance.gauss(3.8, 0.4)),
        answers=tuple(answers),
    )


class SomeKnown:
    """As the file of known differences would."""

    def explain(self, difference: Difference) -> Difference:
        """One of ethrex's is known."""
        known = difference.client == "ethrex" and "Invalid" in difference.name.path
        return replace(difference, known=BIGGER_GAS) if known else difference

    def gone_in(self, case: ExaminedCase) -> tuple[str, ...]:
        """It should be everywhere in these files, and is in a third."""
        if "InvalidBlocks" not in case.name.path or case.name.network == "Cancun":
            return ()
        found = any(self.explain(each).known for each in differences(case))
        return () if found else (f"{case.name}: ethrex without state no longer accepts an invalid block",)


def hostile() -> Iterator[ExaminedCase]:
    """Every text in every field where one of others stands."""
    for index, text in enumerate(HOSTILE):
        answers = (
            Answer("geth", text, Said.VALID, stateful=True, ms=1.0),
            Answer(text, text, Said.INVALID, text, frozenset({ReasonClass.OTHER}), (text,), 2.0),
            Answer("revm", "revm", Said.ABSTAIN, text, ms=math.inf if index else math.nan),
        )
        block = ExaminedBlock(0, 2**64, b"\xff" * 32, Expected.VALID, text, gas_used=2**63, answers=answers)
        yield ExaminedCase(CaseName(f"{text}/{text}.json", text, text, text), (block,), {text: text, "eels": text})
        yield ExaminedCase(CaseName(text, text, text, text), failure=text or "failed")


def hostile_facts(facts: RunFacts = FACTS) -> RunFacts:
    """A run whose own words are as bad."""
    text = "".join(each for each in HOSTILE if len(each) < 100)
    participants = (*FACTS.participants, *(Participant(each, each, each) for each in HOSTILE))
    return replace(facts, suites=HOSTILE, participants=participants, machine=text, version=text, selection=text)


def main(directory: Path) -> None:
    """Makes the reports of a whole run."""
    directory.mkdir(parents=True, exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cases = sum(1 for _ in whole(WHOLE, 10))
    started = time.perf_counter()
    sum(1 for _ in whole(WHOLE, 10))
    making = time.perf_counter() - started
    html, junit = directory / "run.html", directory / "run.xml"
    started = time.perf_counter()
    summary = write_reports(
        whole(WHOLE, 10),
        FACTS,
        known=SomeKnown(),
        console=Console(highlight=False, soft_wrap=True),
        html=html,
        junit=junit,
    )
    seconds = time.perf_counter() - started - making
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{cases} tests, {summary.unexplained} unexplained: {seconds:.1f} s beside {making:.1f} s of making them")
    print(f"page {html.stat().st_size:,} bytes, JUnit {junit.stat().st_size:,} bytes, {memory:,} kB of memory more")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
