"""The kit's checks of prestate mode: its malformed sections, and an adapter that copies what it should compute."""

from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from tests.verifier.services.contract.scripted import findings, honest, scripted
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.contract.answer import Answer
from verifier.services.contract.bundle import TAMPERED, Bundle
from verifier.services.contract.malformed_prestate import malformed_sections
from verifier.services.contract.obligation import Standing
from witness.errors import WitnessFileError
from witness.file import map_witness_file
from witness.model import PostState
from witness.prestate import decode_poststate, decode_prestate

BOTH = [pb.MODE_PROOF, pb.MODE_PRESTATE]
ANY = Answer(grpc.StatusCode.OK, pb.ExecuteResponse(computed=pb.Computed()))


def section(bundle: Bundle) -> bytes:
    (block,) = (each for each in bundle.blocks if each.number == TAMPERED[0])
    return bytes(block.content.prestate or b"")


class TestMalformedSections:
    def test_each_is_refused_by_the_reader_of_the_format(self, bundle: Bundle) -> None:
        good = section(bundle)
        assert decode_prestate(good)
        names = set()
        for name, octets in malformed_sections(good):
            names.add(name)
            assert octets != good, name
            with pytest.raises(WitnessFileError):
                decode_prestate(octets)
        assert len(names) > 30


def post_accounts(state: PostState) -> list[pb.PostAccount]:
    """A post-state as an adapter sends it."""

    def quantity(value: int) -> bytes:
        return value.to_bytes((value.bit_length() + 7) // 8, "big")

    return [
        pb.PostAccount(address=address, deleted=True)
        if account is None
        else pb.PostAccount(
            address=address,
            nonce=account.nonce,
            balance=quantity(account.balance),
            code_hash=account.code_hash,
            slots=[pb.PostSlot(key=key, value=quantity(value)) for key, value in sorted(account.slots.items())],
        )
        for address, account in sorted(state.items())
    ]


class TestCopying:
    def test_one_that_copies_the_header_and_the_poststate(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, connection = scripted(bundle, tmp_path, ANY, modes=BOTH)
        blocks = {block.header.hash: block for block in bundle.blocks}

        async def execute(request: pb.ExecuteRequest, timeout: float) -> Answer:  # noqa: ASYNC109 - the seam's
            if request.block_hash not in blocks:
                return Answer(grpc.StatusCode.OK, pb.ExecuteResponse())
            response = honest(blocks[request.block_hash])
            if request.mode == pb.MODE_PRESTATE:
                content = map_witness_file(Path(request.path))
                response.computed.ClearField("state_root")
                with suppress(WitnessFileError):
                    response.computed.post_state.extend(post_accounts(decode_poststate(content.poststate or b"")))
            return Answer(grpc.StatusCode.OK, response)

        subject.sample_time = 1.0
        connection.execute = execute  # type: ignore[method-assign, assignment]
        found = findings(subject, "prestate")
        met = {id_ for id_, finding in found.items() if finding.standing is Standing.MET}
        assert met == {"prestate.values", "prestate.post-state", "prestate.no-nodes"}
        for id_ in ("prestate.trace", "prestate.reborn"):  # no traces, and not the fork
            assert found.pop(id_).standing is Standing.NOT_APPLICABLE
        unmet = {id_ for id_, finding in found.items() if finding.standing is Standing.UNMET}
        assert unmet == set(found) - met

    def test_one_with_a_state_root(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, connection = scripted(bundle, tmp_path, ANY, modes=BOTH)
        connection.answer = Answer(grpc.StatusCode.OK, honest(bundle.blocks[0]))
        (finding,) = findings(subject, "prestate.values").values()
        assert "a state root in prestate mode" in finding.detail

    def test_without_the_mode_nothing_is_asked(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, connection = scripted(bundle, tmp_path, ANY, traces=True)
        found = findings(subject, "prestate")
        assert {finding.standing for finding in found.values()} == {Standing.NOT_APPLICABLE}
        assert not connection.requests
