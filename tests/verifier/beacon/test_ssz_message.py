import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.beacon.errors import UnreadableMessageError, UnsupportedMessageError
from verifier.beacon.messages import BEFORE_ELECTRA, FROM_ELECTRA, MessageKind, VotedBlocks
from verifier.beacon.ssz_message import read_answer, read_list

from .messages import (
    aggregate_and_proof_ssz,
    attestation_ssz,
    contribution_and_proof_ssz,
    contribution_ssz,
    data_ssz,
    list_ssz,
    payload_data_ssz,
    payload_message_ssz,
    root,
    single_ssz,
    sync_message_ssz,
)

FORKS = BEFORE_ELECTRA + FROM_ELECTRA
LISTS = (
    MessageKind.ATTESTATION,
    MessageKind.AGGREGATE_AND_PROOF,
    MessageKind.SYNC_MESSAGE,
    MessageKind.CONTRIBUTION_AND_PROOF,
    MessageKind.PAYLOAD_MESSAGE,
)
ANSWERS = (MessageKind.ATTESTATION_DATA, MessageKind.AGGREGATE, MessageKind.CONTRIBUTION, MessageKind.PAYLOAD_DATA)


@st.composite
def votes(draw: st.DrawFn) -> tuple[bytes, VotedBlocks]:
    """AttestationData and what is in it."""
    head, target = draw(st.binary(min_size=32, max_size=32)), draw(st.binary(min_size=32, max_size=32))
    index, slot = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**64 - 1))
    return data_ssz(head, target, index, slot), VotedBlocks(head, target, index)


def test_answers_of_every_shape() -> None:
    data, voted = data_ssz(root(1), root(2), index=5), VotedBlocks(root(1), root(2), 5)
    assert read_answer(MessageKind.ATTESTATION_DATA, data, None) == voted
    for fork in FORKS:
        assert read_answer(MessageKind.AGGREGATE, attestation_ssz(data, fork), fork) == voted
        assert read_answer(MessageKind.AGGREGATE, attestation_ssz(data, fork), None) == voted
    for bits in (16, 1):  # mainnet's and the minimal preset
        assert read_answer(MessageKind.CONTRIBUTION, contribution_ssz(root(1), bits), None) == VotedBlocks(root(1))
    for present in (0, 1):
        data = payload_data_ssz(root(1), present)
        assert read_answer(MessageKind.PAYLOAD_DATA, data, "gloas") == VotedBlocks(root(1), index=present)


@given(st.lists(votes(), max_size=5), st.sampled_from(FORKS), st.data())
@settings(deadline=None)  # the machine may be busy
def test_lists_are_read_and_put_together_again(
    drawn: list[tuple[bytes, VotedBlocks]], fork: str, data: st.DataObject
) -> None:
    expected = tuple(voted for _, voted in drawn)
    heads = tuple(VotedBlocks(voted.head) for voted in expected)
    bits = data.draw(st.binary(min_size=1, max_size=40))
    electra = fork in FROM_ELECTRA
    aggregates = [aggregate_and_proof_ssz(each, fork, bits) for each, _ in drawn]
    attestations = [single_ssz(each) if electra else attestation_ssz(each, fork, bits) for each, _ in drawn]
    sync = [sync_message_ssz(voted.head) for voted in expected]
    contributions = [contribution_and_proof_ssz(voted.head) for voted in expected]
    chosen = sorted(data.draw(st.sets(st.sampled_from(range(len(drawn)))))) if drawn else []
    for kind, parts, variable, wanted in (
        (MessageKind.ATTESTATION, attestations, not electra, expected),
        (MessageKind.AGGREGATE_AND_PROOF, aggregates, True, expected),
        (MessageKind.SYNC_MESSAGE, sync, False, heads),
        (MessageKind.CONTRIBUTION_AND_PROOF, contributions, False, heads),
    ):
        join = list_ssz if variable else b"".join
        messages = read_list(kind, join(parts), fork)
        assert messages.voted == wanted
        assert messages.only(range(len(parts))) == join(parts)
        assert messages.only(chosen) == join([parts[place] for place in chosen])


def test_payload_attestations_say_whether_the_payload_is_there() -> None:
    body = payload_message_ssz(root(1), 1) + payload_message_ssz(root(2), 0)
    messages = read_list(MessageKind.PAYLOAD_MESSAGE, body, "gloas")
    assert messages.voted == (VotedBlocks(root(1), index=1), VotedBlocks(root(2), index=0))
    with pytest.raises(UnreadableMessageError):
        read_list(MessageKind.PAYLOAD_MESSAGE, payload_message_ssz(root(1), 2), "gloas")


def test_an_attestation_of_another_fork_than_named_is_not_read() -> None:
    data = data_ssz(root(1), root(2))
    with pytest.raises(UnreadableMessageError):
        read_answer(MessageKind.AGGREGATE, attestation_ssz(data, "electra"), "deneb")
    with pytest.raises(UnreadableMessageError):
        read_answer(MessageKind.AGGREGATE, attestation_ssz(data, "deneb"), "electra")


@pytest.mark.parametrize("kind", LISTS)
def test_unknown_forks_are_refused(kind: MessageKind) -> None:
    with pytest.raises(UnsupportedMessageError, match="heze"):
        read_list(kind, b"", "heze")


def test_attestations_without_a_fork_are_refused() -> None:
    with pytest.raises(UnsupportedMessageError, match="Eth-Consensus-Version"):
        read_list(MessageKind.ATTESTATION, single_ssz(data_ssz(root(1), root(2))), None)


def test_the_minimal_presets_contributions_are_refused() -> None:
    with pytest.raises(UnsupportedMessageError):
        read_list(MessageKind.CONTRIBUTION_AND_PROOF, contribution_and_proof_ssz(root(1), 1), None)


@given(st.binary(max_size=600), st.sampled_from((None, *FORKS)))
@settings(deadline=None)  # the machine may be busy
def test_garbage_is_an_error_of_its_own(body: bytes, fork: str | None) -> None:
    for kind in ANSWERS:
        with contextlib.suppress(UnreadableMessageError):
            assert len(read_answer(kind, body, fork).head) == 32
    for kind in LISTS:
        try:
            messages = read_list(kind, body, fork)
        except UnreadableMessageError:
            continue
        assert messages.only(range(len(messages.parts))) == body  # nothing of it was overlooked
