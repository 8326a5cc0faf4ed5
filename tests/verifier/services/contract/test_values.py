"""The kit's plain parts: evidence, addresses, the catalogue, and how an answer is read."""

import asyncio
from itertools import groupby
from pathlib import Path

import grpc
import pytest

from tests.verifier.services.contract.scripted import REFUSAL, findings, scripted
from verifier.errors import UsageError
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.contract.answer import Answer
from verifier.services.contract.bundle import Bundle
from verifier.services.contract.catalogue import CATALOGUE, select
from verifier.services.contract.connection import Address
from verifier.services.contract.evidence import MAX_SHOWN, Evidence
from verifier.services.contract.execution import chain_config_of
from verifier.services.contract.missing import spread, within
from verifier.services.contract.obligation import Finding, Obligation, Report, Standing
from verifier.services.contract.subject import right
from witness.chain_config import FORKS, parse_chain_config

CONTRACT = (Path(__file__).parents[4] / "adapters" / "CONTRACT.md").read_text()
OBLIGATION = Obligation("group.name", "clause", "statement")


class TestEvidence:
    def test_without_breach_it_is_met(self) -> None:
        evidence = Evidence()
        assert evidence.expect(True, "not this")
        evidence.note("three tried")
        evidence.note("two needed")
        finding = evidence.finding(OBLIGATION, 1.5)
        assert finding == Finding(OBLIGATION, Standing.MET, "three tried; two needed", 1.5)

    def test_one_breach_is_enough(self) -> None:
        evidence = Evidence()
        assert not evidence.expect(False, "wrong")
        evidence.expect(True, "right")
        evidence.note("two tried")
        assert evidence.finding(OBLIGATION, 0).standing is Standing.UNMET

    def test_breaches_are_counted(self) -> None:
        evidence = Evidence()
        for number in range(MAX_SHOWN + 2):
            evidence.expect(False, f"breach {number}")
        assert evidence.finding(OBLIGATION, 0).detail == "breach 0; breach 1; breach 2; and 2 more"

    def test_a_breach_counts_more_than_an_exemption(self) -> None:
        evidence = Evidence()
        evidence.not_applicable("no such fork")
        assert evidence.finding(OBLIGATION, 0) == Finding(OBLIGATION, Standing.NOT_APPLICABLE, "no such fork", 0)
        evidence.expect(False, "wrong")
        assert evidence.finding(OBLIGATION, 0).standing is Standing.UNMET


def test_a_report_is_kept_unless_something_is_unmet() -> None:
    met, exempt = Finding(OBLIGATION, Standing.MET, "", 1), Finding(OBLIGATION, Standing.NOT_APPLICABLE, "", 2)
    unmet = Finding(OBLIGATION, Standing.UNMET, "", 4)
    assert Report("a", "c", (met, exempt)).kept
    report = Report("a", "c", (met, unmet, exempt))
    assert not report.kept
    assert report.with_standing(Standing.UNMET) == (unmet,)
    assert report.elapsed == 7


class TestAddress:
    @pytest.mark.parametrize("text", ["unix:/run/a.sock", "127.0.0.1:50051", "localhost:1", "[::1]:65535"])
    def test_addresses(self, text: str) -> None:
        assert Address.is_one(text)
        assert str(Address.parse(text)) == text

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("unix:a.sock", "absolute"),
            ("127.0.0.1:0", "neither"),
            ("127.0.0.1:65536", "neither"),
            ("127.0.0.1:port", "neither"),
            (":50051", "neither"),
            ("10.0.0.1:50051", "plain TCP only to this machine"),
            ("example.org:50051", "plain TCP only to this machine"),
        ],
    )
    def test_what_is_none(self, text: str, why: str) -> None:
        with pytest.raises(UsageError, match=why):
            Address.parse(text)

    def test_names_are_none(self) -> None:
        assert not Address.is_one("geth")


class TestCatalogue:
    def test_ids_are_unique_and_grouped(self) -> None:
        ids = [entry.obligation.id for entry in CATALOGUE]
        assert len(set(ids)) == len(ids)
        groups = [each.split(".")[0] for each in ids]
        assert all(each.count(".") == 1 for each in ids)
        # What belongs together stands together.
        assert [group for group, _ in groupby(groups)] == list(dict.fromkeys(groups))

    def test_every_obligation_says_what_has_to_hold_and_where_it_stands(self) -> None:
        for entry in CATALOGUE:
            obligation = entry.obligation
            assert obligation.statement.endswith("."), obligation
            assert "\n" not in obligation.statement, obligation
            document, _, _ = obligation.clause.partition(",")
            assert document in ("CONTRACT.md", "executor.proto"), obligation

    def test_the_contract_names_every_id(self) -> None:
        missing = [entry.obligation.id for entry in CATALOGUE if f"`{entry.obligation.id}`" not in CONTRACT]
        assert not missing

    def test_selection(self) -> None:
        assert select(()) == CATALOGUE
        assert [entry.obligation.id for entry in select(["missing.node"])] == ["missing.node"]
        groups = {entry.obligation.id.split(".")[0] for entry in select(["missing", "rules"])}
        assert groups == {"missing", "rules"}
        with pytest.raises(UsageError, match="no such obligation: miss"):
            select(["miss"])


class TestAnswer:
    def test_an_error_is_no_statement(self, bundle: Bundle) -> None:
        answer = Answer(grpc.StatusCode.UNAVAILABLE, detail="gone")
        assert answer.vote(bundle.blocks[0].header).kind == "ABSTAIN"
        assert (answer.kind, answer.reason, answer.missing) == ("", "", [])
        assert "UNAVAILABLE" in str(answer)

    @pytest.mark.parametrize("response", [pb.ExecuteResponse(), pb.ExecuteResponse(computed=pb.Computed())])
    def test_a_malformed_answer_is_no_statement(self, response: pb.ExecuteResponse, bundle: Bundle) -> None:
        answer = Answer(grpc.StatusCode.OK, response)
        assert answer.vote(bundle.blocks[0].header).kind == "ABSTAIN"
        assert not right(answer, bundle.blocks[0])

    def test_naming_what_is_missing(self) -> None:
        abstention = pb.Abstention(
            reason=pb.ABSTENTION_REASON_WITNESS_INSUFFICIENT,
            missing=[pb.Missing(kind=pb.Missing.KIND_NODE, hash=b"\1" * 32)],
        )
        answer = Answer(grpc.StatusCode.OK, pb.ExecuteResponse(abstention=abstention))
        assert answer.names(b"\1" * 32)
        assert not answer.names(b"\2" * 32)
        abstention.reason = pb.ABSTENTION_REASON_CRASHED
        assert not Answer(grpc.StatusCode.OK, pb.ExecuteResponse(abstention=abstention)).names(b"\1" * 32)

    @pytest.mark.parametrize(
        ("status", "elapsed", "over"),
        [
            (grpc.StatusCode.DEADLINE_EXCEEDED, 0.1, True),
            (grpc.StatusCode.CANCELLED, 0.99, True),
            (grpc.StatusCode.CANCELLED, 0.1, False),
            (grpc.StatusCode.UNAVAILABLE, 1.0, False),
            (grpc.StatusCode.OK, 1.0, False),
        ],
    )
    def test_a_deadline_that_is_over(self, status: grpc.StatusCode, elapsed: float, over: bool) -> None:
        assert Answer(status, elapsed=elapsed).over(1.0) is over


class TestBundle:
    def test_every_fork_and_the_endless_block(self, bundle: Bundle) -> None:
        assert {block.fork for block in bundle.blocks} == {"shanghai", "cancun", "prague", "osaka", "bpo1"}
        assert all(block.content.expected for block in bundle.blocks)
        assert bundle.endless.header.hash != bundle.blocks[bundle.endless.number - 1].header.hash
        assert bundle.endless.root == bundle.blocks[bundle.endless.number - 1].root
        assert [block.fork for block in bundle.of_forks(["cancun"])] == ["cancun"] * 9

    @pytest.mark.parametrize("fork", FORKS)
    def test_a_chain_config_of_any_fork(self, fork: str, bundle: Bundle) -> None:
        block = bundle.blocks[-1]
        assert parse_chain_config(chain_config_of(fork, block)).fork_at(block.header) == fork


class TestSampling:
    def test_the_order_is_the_same_every_time(self) -> None:
        cases = list(range(100))
        assert spread(cases) == spread(cases) != cases
        assert sorted(spread(cases)) == cases

    def test_at_least_one_case_is_tried(self) -> None:
        assert list(within(0.0, [1, 2, 3])) == [1]
        assert list(within(60.0, [1, 2, 3])) == [1, 2, 3]
        assert list(within(0.0, [])) == []


class TestScripted:
    def test_one_who_always_refuses_keeps_only_what_asks_for_it(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, _ = scripted(bundle, tmp_path, REFUSAL)
        found = findings(subject, "execute", "missing", "rules", "request.malformed")
        kept = {id_ for id_, finding in found.items() if finding.standing is Standing.MET}
        assert kept == {
            "execute.listed-forks",
            "execute.bad-chain-config",
            "execute.own-hashes",
            "execute.trusted-root",
            "execute.header-chain",
            "execute.damaged-file",
        }

    def test_one_without_the_bundled_forks(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, connection = scripted(bundle, tmp_path, REFUSAL, forks=["amsterdam"])
        found = findings(subject, "execute.values", "missing", "rules", "concurrency", "deadline")
        assert {finding.standing for finding in found.values()} == {Standing.NOT_APPLICABLE}
        assert not connection.requests

    def test_one_without_a_process(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, _ = scripted(bundle, tmp_path, REFUSAL)
        found = findings(subject, "command", "process")
        assert found.pop("process.socket-mode").standing is Standing.UNMET  # there is none
        assert {finding.standing for finding in found.values()} == {Standing.NOT_APPLICABLE}

    @pytest.mark.parametrize(
        ("description", "unmet"),
        [
            ({"contract_version": 2}, {"describe.contract-version"}),
            ({"lineage": ""}, {"describe.identity"}),
            ({"forks": ["prague", "cancun"]}, {"describe.forks"}),
            ({"forks": ["prague", "prague"]}, {"describe.forks"}),
            ({"forks": ["Prague"]}, {"describe.forks"}),
            ({"forks": []}, {"describe.forks"}),
            ({"modes": []}, {"describe.modes"}),
            ({"modes": [pb.MODE_PROOF, 7]}, {"describe.modes"}),
            ({"unchecked_rules": [99]}, {"describe.rules"}),
            ({"max_concurrent_requests": 0}, {"describe.concurrency"}),
            ({}, set()),
        ],
    )
    def test_descriptions(
        self, description: dict[str, object], unmet: set[str], bundle: Bundle, tmp_path: Path
    ) -> None:
        subject, _ = scripted(bundle, tmp_path, REFUSAL, **description)
        found = findings(subject, "describe")
        assert {id_ for id_, finding in found.items() if finding.standing is Standing.UNMET} == unmet

    def test_half_healthy(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, _ = scripted(bundle, tmp_path, REFUSAL)
        (finding,) = findings(subject, "health").values()
        assert finding.standing is Standing.UNMET

    def test_a_check_that_hangs_ends(self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("verifier.services.contract.examination.CHECK_TIMEOUT", 0.01)
        subject, connection = scripted(bundle, tmp_path, REFUSAL)

        async def never(*_: object) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        monkeypatch.setattr(connection, "execute", never)
        (finding,) = findings(subject, "execute.values").values()
        assert finding.standing is Standing.UNMET
        assert "not done within" in finding.detail

    def test_one_that_goes_away_ends_the_examination(self, bundle: Bundle, tmp_path: Path) -> None:
        subject, connection = scripted(bundle, tmp_path, Answer(grpc.StatusCode.UNAVAILABLE))
        connection.describe = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
        found = findings(subject, "missing")
        assert {finding.standing for finding in found.values()} == {Standing.UNMET}
        assert "not tried" in found["missing.ancestor"].detail
