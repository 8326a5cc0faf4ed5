"""`verifier dispute` over a ledger in memory: lists, what is shown with and without evidence, and what is not found."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.evidence.builders import AT, evidence
from verifier.cli import dispute as command
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Dispute
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.errors import InputError
from verifier.ledger.dispute_ledger import FakeDisputeLedger, Quarantine
from verifier.ledger.errors import LedgerError
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.dispute_report import UnknownDisputeError
from verifier.services.evidence import EvidenceDamagedError, write_bundle

OPEN = Dispute("2-0badf00d", BlockReference(1337, 2, b"\x0b\xad\xf0\x0d" * 8), AT + 100, AT + 160, "1 VALID, 1 INVALID")


class Kept:
    """A ledger with two disputes, one of which has evidence."""

    def __init__(self, directory: Path) -> None:
        self.evidence = evidence(directory)
        self.name = write_bundle(directory / "evidence", self.evidence)
        self.bundle = directory / "evidence" / self.name
        self.ledger = FakeDisputeLedger()
        self.dispute = replace(self.evidence.dispute, evidence=self.name)
        self.ledger.put_dispute(OPEN)
        self.ledger.put_dispute(self.dispute)
        self.ledger.quarantine(Quarantine("ethrex", "against a block concluded valid", AT, self.dispute.id))
        self.options = ("--ledger", str(directory / "ledger.sqlite"))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    made = Kept(tmp_path)

    @contextmanager
    def opened(config: Path | None, path: Path | None) -> Iterator[FakeDisputeLedger]:
        assert path == tmp_path / "ledger.sqlite"
        yield made.ledger

    monkeypatch.setattr(command, "opened_ledger", opened)
    return made


def run(*arguments: str) -> int:
    status: int = command.dispute.main(list(arguments), standalone_mode=False)
    return status


def test_list(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", *kept.options) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == [
        *("valid", "2025-11-24T16:00:00.250Z", kept.dispute.id),
        *f"2 of 2 lineages VALID (evidence {kept.name})".split(),
    ]
    assert second.split()[:3] == ["open", "2025-11-24T16:01:40.250Z", "2-0badf00d"]
    kept.ledger.kept.clear()
    assert run("list", *kept.options) == 0
    assert capsys.readouterr().out == "no disputes\n"
    assert run("list", "--json", *kept.options) == 0
    assert capsys.readouterr().out == ""


def test_list_as_json(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json", *kept.options) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["id"], first["conclusion"], first["evidence"]) == (kept.dispute.id, "valid", kept.name)
    assert [each["adapter"] for each in first["statements"]] == ["revm", "geth", "ethrex"]
    assert (second["conclusion"], second["block"]["hash"]) == ("open", "0x" + "0badf00d" * 8)


def test_show_says_all_that_a_bug_report_needs(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", kept.dispute.id, *kept.options) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [" ".join(line.split()) for line in lines]
    assert told[0] == f"valid dispute {kept.dispute.id}"
    assert told[1] == "state_root: transaction 0, step 1: SSTORE has another value on the stack"
    for line in (
        "Block 1",
        f"Block hash 0x{kept.dispute.block.hash.hex()}",
        "Fork paris",
        f"Transaction hash 0x{'77' * 32}",
        f"Pre-state root 0x{'05' * 32}",
        "Instruction SLOAD, step 0, pc 6, depth 1",
        f"In account 0x{'aa' * 20}",
        f"Touches slot 0x{1:064x} of 0x{'aa' * 20}",
        "In quarantine ethrex: against a block concluded valid",
        "Field Header geth, revm ethrex",
        f"state_root 0x{'05' * 32} 0x{'05' * 32} 0x{'66' * 32}",
        f"0 1 0x{'aa' * 20} 6 SLOAD 43100 0x1",
        "First difference in transaction 0, at step 1: stack.",
        "Top of the stack 0x5 0x6",
        "1 below the top 0x1 0x1",
        "Instruction SSTORE SSTORE",
        f"0x{'aa' * 20} slot 0x{1:064x} 0x5 0x6",
        "geth go-ethereum 1.17.10 1 geth",
        "verifier execution-verifier 0.1.0 \N{EM DASH} \N{EM DASH}",
        f"verifier replay {kept.name}",
        f"verifier trace {kept.name}/block.witness --adapters geth,ethrex --transaction 0",
        "eels gave no trace",
    ):
        assert line in told, line
    assert any(line.startswith("VALID geth, revm geth, revm 0x") for line in told)
    assert any(line.startswith("INVALID ethrex ethrex 0x") for line in told)
    assert "silent eels \N{EM DASH} \N{EM DASH}" in told


def test_show_as_json(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", kept.dispute.id, "--json", *kept.options) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["headline"].startswith("state_root: transaction 0")
    assert [side["adapters"] for side in document["sides"]] == [["geth", "revm"], ["ethrex"]]
    assert document["localization"]["divergence"]["fields"] == ["stack"]
    assert (document["fork"], document["mode"], document["bundle"]) == ("paris", "proof", str(kept.bundle))
    assert document["quarantined"] == [{"adapter": "ethrex", "why": "against a block concluded valid"}]
    assert document["reproduce"][0] == f"verifier replay {kept.name}"
    assert document["trouble"] is None


@pytest.mark.parametrize("name", ["1", "0x{hash}", "{short}", "{id}"])
def test_a_dispute_goes_by_many_names(kept: Kept, capsys: pytest.CaptureFixture[str], name: str) -> None:
    digits = kept.dispute.block.hash.hex()
    name = name.format(hash=digits, short=digits[:6], id=kept.dispute.id)
    assert run("show", name, "--json", *kept.options) == 0
    assert json.loads(capsys.readouterr().out)["id"] == kept.dispute.id


def test_a_name_of_none_and_of_two(kept: Kept) -> None:
    for name in ("7", "0bad"[:3], "ff" * 32):
        with pytest.raises(UnknownDisputeError, match="no such dispute"):
            run("show", name, *kept.options)
    twin = replace(OPEN, id="2-0badf00e", block=replace(OPEN.block, hash=b"\x0b\xad\xf0\x0e" * 8))
    kept.ledger.put_dispute(twin)
    with pytest.raises(UnknownDisputeError, match="more than one dispute: 2-0badf00d, 2-0badf00e"):
        run("show", "2", *kept.options)


def test_before_there_is_evidence_the_statements_speak(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    said = kept.evidence.dispute.statements
    twice = replace(said[0], digest=b"\x99" * 32)
    young = replace(OPEN, statements=tuple(replace(each, block=OPEN.block) for each in (*said, twice)))
    kept.ledger.put_dispute(young)
    kept.ledger.put_rollback(Rollback(young.id, OPEN.block, None, RollbackStep.MARKED, AT))
    assert run("show", "2-0badf00d", *kept.options) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert told[:2] == ["open dispute 2-0badf00d", "1 VALID, 1 INVALID"]
    assert "Open until 2025-11-24T16:02:40.250Z" in told
    assert "Rollback not done: marked" in told
    assert "There is no evidence bundle yet." in told
    assert any(line.startswith("VALID geth, revm geth, revm 0x") for line in told)
    assert any(line.startswith("revm VALID 0x") and "VALID 0x9999999999999999" in line for line in told)
    assert not any("verifier replay" in line for line in told)


@pytest.mark.parametrize("how", ["gone", "damaged", "another block's", "no name"])
def test_evidence_that_cannot_be_used_is_said(kept: Kept, capsys: pytest.CaptureFixture[str], how: str) -> None:
    expected = {
        "gone": "no evidence bundle",
        "damaged": "results.json: No such file",
        "another block's": "is the evidence of another block",
        "no name": "There is no evidence bundle yet",
    }
    subject = kept.dispute
    if how == "gone":
        kept.bundle.rename(kept.bundle.parent / "elsewhere")
    elif how == "damaged":
        (kept.bundle / "results.json").unlink()
    elif how == "another block's":
        subject = replace(OPEN, evidence=kept.name)
        kept.ledger.put_dispute(subject)
    else:
        subject = replace(kept.dispute, evidence="../evidence")
        kept.ledger.put_dispute(subject)
    assert run("show", subject.id, *kept.options) == 0
    output = capsys.readouterr().out
    assert expected[how] in output
    assert "verifier replay" not in output


def test_a_bundle_needs_no_ledger(kept: Kept, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    moved = kept.bundle.rename(tmp_path / kept.name)
    assert run("show", str(moved)) == 0
    assert f"verifier replay {kept.name}" in capsys.readouterr().out
    assert run("show", kept.dispute.id, "--evidence", str(tmp_path), "--json", *kept.options) == 0
    assert json.loads(capsys.readouterr().out)["bundle"] == str(moved)
    (moved / "dispute.json").unlink()
    with pytest.raises(EvidenceDamagedError, match=r"dispute\.json: No such file"):
        run("show", str(moved))


def test_the_page_is_written_whole(kept: Kept, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert run("show", kept.dispute.id, "--html", str(path), *kept.options) == 0
    assert capsys.readouterr().out == f"{path}: dispute {kept.dispute.id}\n"
    assert path.read_text().endswith("</html>\n")
    with pytest.raises(InputError, match="No such file or directory"):
        run("show", kept.dispute.id, "--html", str(tmp_path / "nowhere" / "page.html"), *kept.options)


def test_no_terminal_is_steered_by_what_a_client_says(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept.ledger.put_dispute(replace(OPEN, why="\x1b[2J[bold]two\nlines[/bold]"))
    assert run("list", *kept.options) == 0
    assert run("show", OPEN.id, *kept.options) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert output.count(" [2J[bold]two lines[/bold]") == 3


def test_a_ledger_on_the_disk_beside_its_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = evidence(tmp_path)
    name = write_bundle(tmp_path / "evidence", given)
    with SqliteLedger(tmp_path / "ledger.sqlite", given.dispute.block.chain_id, bytes(32)) as ledger:
        ledger.put_dispute(replace(given.dispute, evidence=name))
        # Shown while the sidecar has it open.
        assert run("show", given.dispute.id, "--ledger", str(tmp_path / "ledger.sqlite")) == 0
    assert f"verifier replay {name}" in capsys.readouterr().out
    assert run("list", "--ledger", str(tmp_path / "ledger.sqlite")) == 0
    assert capsys.readouterr().out.count(given.dispute.id) == 1
    with pytest.raises(LedgerError):
        run("list", "--ledger", str(tmp_path / "nowhere.sqlite"))


def test_where_evidence_is_kept(tmp_path: Path) -> None:
    assert command.evidence_directory(None, tmp_path / "ledger.sqlite") == tmp_path / "evidence"
