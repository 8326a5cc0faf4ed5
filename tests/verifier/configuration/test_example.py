"""docs/verifier.example.toml says what sections.py says: every key, every default."""

import re
import tomllib
from pathlib import Path

import pytest

from verifier.configuration.reading import read_configuration
from verifier.configuration.report import shown
from verifier.configuration.sections import KEYS, SECTIONS
from verifier.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[3] / "docs" / "verifier.example.toml"
COMMENTED_OUT = re.compile(r"^# ([a-z_]+) = (.*?)(?:\s{2,}#.*)?$", re.MULTILINE)


def test_every_default_stands_in_the_example() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    stated = {(section, name): value for section, table in document.items() for name, value in table.items()}
    defaults = {(k.section, k.name): shown(k, k.default) for k in KEYS if k.default is not None}
    assert stated == defaults
    assert list(document) == list(SECTIONS)


def test_what_has_no_default_stands_in_it_commented_out() -> None:
    text = EXAMPLE.read_text()
    sections = re.split(r"^\[([a-z]+)\].*$", text, flags=re.MULTILINE)[1:]
    commented = {
        (section, name)
        for section, body in zip(sections[::2], sections[1::2], strict=True)
        for name, _ in COMMENTED_OUT.findall(body)
    }
    assert commented == {(k.section, k.name) for k in KEYS if k.default is None}


def test_the_example_itself_lacks_only_what_it_says_is_required(tmp_path: Path) -> None:
    required = re.findall(r"^# ((?:jwt_secret_file|lineage) = .*?)\s+# required", EXAMPLE.read_text(), re.MULTILINE)
    assert len(required) == 3
    with pytest.raises(ConfigurationError, match="is missing"):
        read_configuration(EXAMPLE)
    path = tmp_path / "verifier.toml"
    path.write_text(re.sub(r"^# (?=(?:jwt_secret_file|lineage) = )", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    effective = read_configuration(path)
    assert effective.values.execution.lineage == "geth"
    assert effective.values.engine.jwt_secret_file == tmp_path / "consensus.jwt"
