"""`verifier adapters release`: out of quarantine, with a reason, while no sidecar runs."""

from pathlib import Path

from click.testing import CliRunner

from verifier.cli.main import verifier
from verifier.errors import UsageError
from verifier.ledger.dispute_ledger import Quarantine
from verifier.ledger.errors import LedgerInUseError
from verifier.ledger.sqlite import SqliteLedger


def test_an_adapter_is_released_from_the_ledger_of_a_stopped_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    arguments = ["adapters", "release", "revm", "--why", "repaired", "--ledger", str(path)]
    with SqliteLedger(path, 5, bytes(32)) as ledger:
        ledger.quarantine(Quarantine("revm", "two words on block 7", 1.0))
        assert isinstance(CliRunner().invoke(verifier, arguments).exception, LedgerInUseError)
    result = CliRunner().invoke(verifier, arguments)
    assert result.exception is None
    assert "revm is out of quarantine" in result.output
    assert "two words on block 7" in result.output.replace("\n", " ")
    with SqliteLedger(path, 5, bytes(32)) as ledger:
        assert not ledger.quarantines()
    assert isinstance(CliRunner().invoke(verifier, arguments).exception, UsageError)
