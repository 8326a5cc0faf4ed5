import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.beacon.duties import gated_request, is_event_stream

GATED = [
    ("GET", "/eth/v1/validator/attestation_data?slot=1&committee_index=2"),
    ("GET", "/eth/v1/validator/aggregate_attestation?slot=1"),
    ("GET", "/eth/v2/validator/aggregate_attestation"),
    ("GET", "/eth/v1/validator/sync_committee_contribution"),
    ("GET", "/eth/v1/validator/payload_attestation_data/12"),
    ("POST", "/eth/v1/beacon/pool/attestations"),
    ("POST", "/eth/v2/beacon/pool/attestations"),
    ("POST", "/eth/v1/validator/aggregate_and_proofs"),
    ("POST", "/eth/v2/validator/aggregate_and_proofs"),
    ("POST", "/eth/v1/beacon/pool/sync_committees"),
    ("POST", "/eth/v1/validator/contribution_and_proofs"),
    ("POST", "/eth/v1/beacon/pool/payload_attestations"),
]
PASSED = [
    ("GET", "/"),
    ("GET", "/eth/v1/node/version"),
    ("GET", "/eth/v1/beacon/pool/attestations"),
    ("GET", "/eth/v2/beacon/pool/attestations?slot=1"),
    ("HEAD", "/eth/v1/validator/attestation_data"),
    ("POST", "/eth/v1/validator/duties/attester/3"),
    ("GET", "/eth/v3/validator/blocks/7?randao_reveal=0x00"),
    ("POST", "/eth/v2/beacon/blocks"),
    ("POST", "/eth/v2/beacon/blinded_blocks"),
    ("POST", "/eth/v1/beacon/pool/voluntary_exits"),
    ("POST", "/eth/v1/beacon/pool/attester_slashings"),
    ("POST", "/eth/v1/validator/prepare_beacon_proposer"),
    ("POST", "/eth/v1/validator/register_validator"),
    ("POST", "/eth/v1/validator/beacon_committee_subscriptions"),
]


@pytest.mark.parametrize(("method", "target"), GATED)
def test_what_carries_votes_is_gated(method: str, target: str) -> None:
    gated = gated_request(method, target)
    assert gated is not None
    assert gated.known
    assert gated.name.replace("{slot}", "12") == f"{method} {target.partition('?')[0]}"


@pytest.mark.parametrize(("method", "target"), PASSED)
def test_everything_else_passes(method: str, target: str) -> None:
    assert gated_request(method, target) is None


@pytest.mark.parametrize(
    "target",
    [
        "/eth/v1/beacon/pool/attestations/",
        "//eth//v1/beacon/pool/attestations",
        "/eth/v1/beacon/%70ool/attestations",
        "/eth/v1/beacon%2Fpool/attestations",
        "/eth/v1/beacon%2fpool/attestations",
        "/eth/v1/beacon%25252fpool/%2561ttestations",
        "/eth/v1/beacon/pool/attestations%3Fslot=1",
        "/eth/v1/node/../beacon/./pool/attestations",
        "/ETH/v1/Beacon/pool/attestations",
        "/eth/v1/beacon/pool/attestations;a=b",
        "/eth/v1/beacon/pool/attestations%00.json",
        "/eth/v1/beacon/pool/attestations#x",
        "/eth/v1\\beacon/pool/attestations%20",
    ],
)
def test_other_spellings_of_a_gated_path_are_gated(target: str) -> None:
    assert gated_request("post", target) is not None


def test_versions_to_come_are_gated_and_not_known() -> None:
    gated = gated_request("POST", "/eth/v3/beacon/pool/attestations")
    assert gated is not None
    assert not gated.known
    for odd in ("v1alpha1", "v1.1", "v1-rc"):
        gated = gated_request("GET", f"/eth/{odd}/validator/attestation_data")
        assert gated is not None
        assert not gated.known
    assert gated_request("GET", f"/eth/v{'9' * 5000}/validator/attestation_data") is not None


def test_the_event_stream() -> None:
    assert is_event_stream("GET", "/eth/v1/events?topics=head")
    assert is_event_stream("GET", "/eth/v1/events/")
    assert not is_event_stream("POST", "/eth/v1/events")
    assert not is_event_stream("GET", "/eth/v1/event")


@given(st.text(max_size=40), st.text(max_size=60))
@settings(deadline=None)  # the machine may be busy
def test_any_request_is_told_apart(method: str, target: str) -> None:
    gated_request(method, target)
    is_event_stream(method, target)
