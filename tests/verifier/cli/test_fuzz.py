"""`verifier fuzz`: what it refuses before it starts anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from verifier.cli.main import verifier
from verifier.errors import InputError, UsageError, VerifierError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say when it is to end"),
        (("--blocks", "1", "--fork", "Nowhere"), "'Nowhere' is no fork"),
        (("--blocks", "1", "--fork", "London"), "blocks of London cannot be built"),
        (("--blocks", "1", "--fork", "PragueToOsakaAtTime15k"), "cannot be built"),
        (("--blocks", "1", "--recorder", "revm"), "revm has no recorder"),
        (("--blocks", "1", "--adapters", "nobody"), "no such adapter: nobody"),
        (("--blocks", "1", "--adapters", "pyevm", "--resume"), "no campaign to go on with"),
    ],
)
def test_what_cannot_be_run_is_told_at_once(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(verifier, ["fuzz", *arguments], standalone_mode=False)
    error = result.exception
    assert isinstance(error, UsageError | InputError)
    assert error.exit_code == 2
    with pytest.raises(VerifierError, match=said):
        raise error
