"""What is shown of a configuration: everything, with where it comes from, and nothing that is secret."""

import json
from pathlib import Path

from verifier.configuration.kinds import redacted
from verifier.configuration.reading import read_configuration
from verifier.configuration.report import document, entries, toml
from verifier.configuration.sections import KEYS

NEEDED = {
    "VERIFIER_EXECUTION_JWT_SECRET_FILE": "/secrets/execution.jwt",
    "VERIFIER_ENGINE_JWT_SECRET_FILE": "/secrets/consensus.jwt",
    "VERIFIER_EXECUTION_LINEAGE": "geth",
}


def test_every_key_is_shown_with_its_origin() -> None:
    effective = read_configuration(None, NEEDED, {"--quorum-required": "2"})
    shown = document(effective)
    assert [(key.section, key.name) for key, _, _ in entries(effective)] == [(k.section, k.name) for k in KEYS]
    assert shown["quorum"]["required"] == {"value": 2, "from": "flag --quorum-required"}
    assert shown["engine"]["listen"] == {"value": "127.0.0.1:9551", "from": "default"}
    assert shown["engine"]["jwt_secret_file"]["value"] == "/secrets/consensus.jwt"
    json.dumps(shown)


def test_no_address_shows_what_may_be_a_password() -> None:
    secret = "b2c3d4e5f60718293a4b5c6d7e8f9012"
    effective = read_configuration(
        None,
        NEEDED,
        {
            "--execution-rpc-url": f"https://operator:hunter2@rpc.example/v3/{secret}?key={secret}",
            "--beacon-url": "http://:hunter2@10.0.0.1:5052",
            "--telemetry-otlp-endpoint": f"http://10.0.0.1:4318/v1/traces?token={secret}",
        },
    )
    text = json.dumps(document(effective))
    assert "hunter2" not in text
    assert secret not in text
    assert "operator" not in text
    assert redacted("http://127.0.0.1:4318/v1/traces") == "http://127.0.0.1:4318/v1/traces"


def test_as_a_file_it_is_the_same_configuration(tmp_path: Path) -> None:
    flags = {"--quorum-required": "2", "--adapters-late": "eels,pyevm", "--storage-archive": "/tmp/é \U0001f40d"}
    effective = read_configuration(None, NEEDED, flags)
    path = tmp_path / "configuration.toml"
    path.write_text(toml(effective))
    assert read_configuration(path).values == effective.values
    assert "required = 2  # flag --quorum-required\n" in toml(effective)


def test_as_a_file_it_has_no_secret() -> None:
    effective = read_configuration(None, NEEDED, {"--beacon-url": "http://:hunter2@10.0.0.1:5052"})
    assert "hunter2" not in toml(effective)
    assert "10.0.0.1:5052" in toml(effective)
