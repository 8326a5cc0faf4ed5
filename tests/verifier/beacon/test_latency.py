"""The measurement of the gate: requests go the whole way; not how long that takes."""

import asyncio

from verifier.beacon.latency import attestation_gate_times


def test_both_ways_of_a_vote_are_measured() -> None:
    asked, sent = asyncio.run(attestation_gate_times(1))
    assert [asked.request, sent.request] == ["GET attestation_data", "POST attestations"]
    for times in (asked, sent):
        assert 0 < times.plain_p50 <= times.plain_p99
        assert 0 < times.gate_p50 <= times.gate_p99
        assert 0 < times.first_p50 <= times.first_p99
        assert times.added_p50 <= times.added_p99
