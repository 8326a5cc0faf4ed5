"""Where values come from, which one wins, and what is refused, in one line that names place, key and reason."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.configuration.kinds import ListenAddress
from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.configuration.sections import KEYS
from verifier.domain.gate import GateMode, HoldAnswer
from verifier.errors import ConfigurationError

NEEDED = """
[execution]
jwt_secret_file = "execution.jwt"
lineage = "geth"
[engine]
jwt_secret_file = "/secrets/consensus.jwt"
"""


def read(tmp_path: Path, text: str = NEEDED, **sources: dict[str, str]) -> EffectiveConfiguration:
    path = tmp_path / "verifier.toml"
    path.write_text(text)
    return read_configuration(path, sources.get("environment"), sources.get("flags"))


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    text = NEEDED + "hold_seconds = 1\nlisten = '127.0.0.1:1'\nhold_answer = 'error'"
    effective = read(
        tmp_path,
        text,
        environment={"VERIFIER_ENGINE_HOLD_SECONDS": "2.5", "VERIFIER_ENGINE_LISTEN": "[::1]:2", "PATH": "/bin"},
        flags={"--engine-hold-seconds": "3"},
    )
    engine = effective.values.engine
    assert (engine.hold_seconds, engine.listen, engine.hold_answer) == (3.0, ListenAddress("::1", 2), HoldAnswer.ERROR)
    assert effective.values.mode.gate is GateMode.EVERY_BLOCK
    origins = {name: str(effective.origins["engine", name]) for name in ("hold_seconds", "listen", "hold_answer")}
    assert origins == {
        "hold_seconds": "flag --engine-hold-seconds",
        "listen": "environment VERIFIER_ENGINE_LISTEN",
        "hold_answer": f"file {tmp_path}/verifier.toml",
    }
    assert str(effective.origins["mode", "gate"]) == "default"


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    effective = read(tmp_path, flags={"--storage-archive": "here"})
    assert effective.values.execution.jwt_secret_file == tmp_path / "execution.jwt"
    assert effective.values.engine.jwt_secret_file == Path("/secrets/consensus.jwt")
    assert effective.values.storage.archive == Path("here")


def test_an_empty_text_unsets_what_need_not_be_there(tmp_path: Path) -> None:
    effective = read(tmp_path, NEEDED + "[telemetry]\nlisten = ''", environment={"VERIFIER_EXECUTION_RPC_URL": ""})
    assert effective.values.telemetry.listen is None
    assert effective.values.execution.rpc_url is None


REFUSED = {
    "no such section": "[engin]\nlisten = 1",
    "no such key": NEEDED + "lisen = '127.0.0.1:1'",
    "not TOML": "[engine",
    "is not a table": "engine = 1",
    "is not HOST:PORT": NEEDED + "listen = '9551'",
    "neither an IP address nor localhost": NEEDED + "listen = 'example.org:9551'",
    "can be reached by other machines": NEEDED + "listen = '0.0.0.0:9551'",
    "is not a number of seconds": NEEDED + "hold_seconds = '5'",
    "from 0 on": NEEDED + "hold_seconds = nan",
    "consensus clients give newPayload up": NEEDED + "hold_seconds = 8",
    "is none of: syncing, error, pass": NEEDED + "hold_answer = 'valid'",
    "is not true or false": NEEDED + "enabled = 1",
    "both gates are off": NEEDED + "enabled = false\n[beacon]\nenabled = false",
    "without the engine gate": NEEDED + "enabled = false",
    "is not an http:// or https:// address": NEEDED + "[beacon]\nurl = 'localhost:5052'",
    "port 9551 is that of [engine] listen already": NEEDED + "[beacon]\nlisten = '127.0.0.1:9551'",
    "is not a list of names": NEEDED + "[adapters]\nlive = 'geth'",
    "names something twice": NEEDED + "[adapters]\nlive = ['geth', 'geth']",
    "geth is live already": NEEDED + "[adapters]\nlate = ['geth']",
    "nobody but the execution client": NEEDED + "[adapters]\nlive = []",
    "is not a whole number": NEEDED + "[quorum]\nrequired = 2.0",
    "is 0: nobody would have to say so": NEEDED + "[quorum]\nrequired = 0",
    "is not a hash": NEEDED + "[chain]\ncheckpoint = '0x12'",
    "is not below a slot of 4 s": NEEDED + "[chain]\nseconds_per_slot = 4\n[beacon]\nhold_seconds = 4",
    "[execution] lineage: is missing": NEEDED.replace("lineage", "name"),
    "[engine] jwt_secret_file: is missing": NEEDED.replace("[engine]", "").replace('jwt_secret_file = "/', 'name = "/'),
}


@pytest.mark.parametrize(("reason", "text"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line_with_the_file(reason: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(f"{tmp_path}/verifier.toml: ")
    assert "\n" not in message


def test_permitted_where_it_is_said(tmp_path: Path) -> None:
    effective = read(tmp_path, NEEDED + "listen = '0.0.0.0:9551'\nallow_remote = true")
    assert not effective.values.engine.listen.loopback


def test_misspelled_variables_and_flags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="VERIFIER_ENGINE_LISEN: no such key"):
        read(tmp_path, environment={"VERIFIER_ENGINE_LISEN": "127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match="--engine-lisen: no such key"):
        read(tmp_path, flags={"--engine-lisen": "127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match=r"VERIFIER_QUORUM_REQUIRED: \[quorum\] required: is not a whole"):
        read(tmp_path, environment={"VERIFIER_QUORUM_REQUIRED": "two"})
    read(tmp_path, environment={"VERIFIER_ADAPTERS": "/elsewhere"})  # names the adapters' directory, no key


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_configuration(tmp_path / "absent.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ConfigurationError, match="not TOML"):
        read_configuration(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigurationError, match="larger than"):
        read_configuration(tmp_path / "large")


def test_a_refused_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, flags={"--execution-url": "ftp://operator:hunter2@10.0.0.1"})
    assert "hunter2" not in str(caught.value)


VALUES = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text(max_size=3)), st.just({}), st.none()
)


@given(section_key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_is_read_or_refused(section_key: object, value: object) -> None:
    """No value of a file, and no text, raises anything but ValueError on the way to its kind."""
    kind = section_key.kind  # type: ignore[attr-defined]
    for read_value, given_value in ((kind.from_toml, value), (kind.from_text, str(value))):
        try:
            read_value(given_value)
        except ValueError:
            continue


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "verifier.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):  # also an empty one: the secrets are missing
        read_configuration(path)
