"""The file of remote adapters, their addresses and TLS files: every mistake is one line that names it."""

from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.verifier.executors.stateless.conftest import Scripted
from verifier.errors import InputError, UsageError, VerifierError
from verifier.executors.stateless.address import Address, TlsFiles
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.remotes import EngineRemote, Remote, read_remotes, select_all, voting_lineages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ca.pem, a.pem and a-key.pem."""
    authority = trustme.CA()
    issued = authority.issue_cert("verifier.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "a.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "a-key.pem"))
    return tmp_path


TLS = 'tls_ca = "ca.pem"\ntls_certificate = "a.pem"\ntls_key = "a-key.pem"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "remotes.toml"
    path.write_text(text)
    return path


def test_a_file(folder: Path) -> None:
    path = written(
        folder,
        f'[far]\nlineage = "geth"\naddress = "10.0.0.7:9500"\n{TLS}'
        '[near]\nname = "other"\nlineage = "revm"\naddress = "127.0.0.1:9501"\n'
        '[socket]\nlineage = "revm"\naddress = "unix:/run/a.sock"\n',
    )
    files = TlsFiles(folder / "ca.pem", folder / "a.pem", folder / "a-key.pem")
    assert read_remotes(path) == [
        Remote("far", "geth", Address(host="10.0.0.7", port=9500, tls=files)),
        Remote("other", "revm", Address(host="127.0.0.1", port=9501)),
        Remote("socket", "revm", Address(path=Path("/run/a.sock"))),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no adapter in it"),
        ("a = 1", "a is not a table"),
        ("[a", "TOML|Expected|Unclosed"),
        ("[a]\n", r"\[a\]: lineage is missing"),
        ('[a]\nlineage = "x"\n', r"\[a\]: address is missing"),
        ('[a]\nlineage = 7\naddress = "127.0.0.1:1"', "lineage is not a string"),
        ('[a]\nlineage = ""\naddress = "127.0.0.1:1"', "lineage is not a string, or empty"),
        ('[a]\nlineage = "x"\naddress = "127.0.0.1:1"\npassword = "s"', "unknown: password"),
        ('["a b"]\nlineage = "x"\naddress = "127.0.0.1:1"', "'a b' is no name"),
        ('[a]\nlineage = "x"\naddress = "nowhere"', "neither an adapter's name nor an address"),
        ('[a]\nlineage = "x"\naddress = "10.0.0.7:9500"', "plain TCP only to this machine"),
        ('[a]\nlineage = "x"\naddress = "10.0.0.7:9500"\ntls_ca = "ca.pem"', "TLS needs all three"),
        (f'[a]\nlineage = "x"\naddress = "unix:/a.sock"\n{TLS}', "no TLS on a unix-domain socket"),
        (f'[a]\nlineage = "x"\naddress = "b:1"\n{TLS.replace("ca.pem", "absent")}', "absent: .*No such file"),
        (f'[a]\nlineage = "x"\naddress = "b:1"\n{TLS.replace("ca.pem", "a-key.pem")}', "a-key.pem: no CA certificates"),
        (f'[a]\nlineage = "x"\naddress = "b:1"\n{TLS.replace("a-key.pem", "a.pem")}', "no certificate with its key"),
        (f'[a]\nlineage = "x"\naddress = "b:1"\n{TLS.replace("a-key.pem", "ca.pem")}', "no certificate with its key"),
    ],
)
def test_what_is_wrong_with_a_file(folder: Path, text: str, reason: str) -> None:
    path = written(folder, text)
    with pytest.raises(InputError, match=reason) as caught:
        read_remotes(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert (folder / "a-key.pem").read_text().splitlines()[1] not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        read_remotes(tmp_path / "absent")


@pytest.mark.parametrize("text", ["10.0.0.7:0", "10.0.0.7:65536", "10.0.0.7", ":9500", "10.0.0.7:x", "unix:a.sock"])
def test_what_is_no_address(folder: Path, text: str) -> None:
    files = TlsFiles(folder / "ca.pem", folder / "a.pem", folder / "a-key.pem")
    with pytest.raises(UsageError):
        Address.parse(text, files)


def test_whose_files_are_seen() -> None:
    assert Address.parse("unix:/run/a.sock").shares_files
    assert not Address.parse("127.0.0.1:1").shares_files


def test_selecting_among_both_kinds(scripted: Scripted) -> None:
    manifests = [replace(scripted("well"), name=name) for name in "ab"]
    far = Remote("far", "x", Address(host="127.0.0.1", port=1))
    assert select_all(manifests, [far], []) == (manifests, [far])
    assert select_all(manifests, [far], ["far"]) == ([], [far])
    assert select_all(manifests, [far], ["far", "b"]) == ([manifests[1]], [far])
    for remotes, names in (([far], ["c"]), ([replace(far, name="a")], []), ([far, far], [])):
        with pytest.raises(VerifierError, match=r"no such adapter: c \(there are: a, b, far\)|two adapters are named"):
            select_all(manifests, remotes, names)


SECRET = "5e" * 32
ENGINE = 'kind = "engine"\nlineage = "geth"\njwt_secret_file = "jwt.hex"\n'


def test_an_engine_api(folder: Path) -> None:
    (folder / "jwt.hex").write_text(SECRET)
    path = written(
        folder,
        f'[node]\n{ENGINE}url = "http://127.0.0.1:8551"\n'
        f'[far]\n{ENGINE}url = "https://node.example:8551"\ntls_ca = "ca.pem"\n'
        f'[near]\n{ENGINE}url = "http://geth:8551"\nplain_http = true\n'
        '[adapter]\nlineage = "revm"\naddress = "127.0.0.1:9501"\n',
    )
    secret = folder / "jwt.hex"
    remotes = read_remotes(path)
    assert remotes == [
        EngineRemote("node", "geth", "http://127.0.0.1:8551", secret),
        EngineRemote("far", "geth", "https://node.example:8551", secret, folder / "ca.pem"),
        EngineRemote("near", "geth", "http://geth:8551", secret),
        Remote("adapter", "revm", Address(host="127.0.0.1", port=9501)),
    ]


def test_an_engine_api_does_not_count_in_m(folder: Path) -> None:
    own = Manifest("eels", "eels", "for tests", ("paris",), folder, ("true",))
    adapter = Remote("far", "revm", Address(host="127.0.0.1", port=9501))
    engine = EngineRemote("node", "besu", "http://127.0.0.1:8551", folder / "jwt.hex")
    assert voting_lineages([own], [adapter, engine]) == {"eels": "eels", "far": "revm"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('kind = "else"\n', "kind is neither 'adapter' nor 'engine'"),
        (ENGINE, "url is missing"),
        (f'{ENGINE}url = "http://127.0.0.1:1"\naddress = "127.0.0.1:1"', "unknown: address"),
        (f'{ENGINE}url = "127.0.0.1:8551"', "url is not http"),
        (f'{ENGINE}url = "http://127.0.0.1:99999"', "url is not http"),
        (f'{ENGINE}url = "http://10.0.0.7:8551"', "plain HTTP to another machine"),
        (f'{ENGINE}url = "http://10.0.0.7:8551"\nplain_http = "yes"', "neither true nor false"),
        (f'{ENGINE}url = "https://me:{SECRET}@node:8551"', "url holds a name or a password"),
        (f'{ENGINE}url = "https://node:8551"\ntls_ca = "a-key.pem"', "no CA certificates"),
        (f'{ENGINE.replace("jwt.hex", "ca.pem")}url = "https://node:8551"', "32 bytes in hexadecimal expected"),
    ],
)
def test_what_is_wrong_with_an_engine_api(folder: Path, text: str, reason: str) -> None:
    (folder / "jwt.hex").write_text(SECRET)
    with pytest.raises(InputError, match=reason) as caught:
        read_remotes(written(folder, f"[node]\n{text}"))
    assert SECRET not in str(caught.value)
