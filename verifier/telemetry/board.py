"""The model of the status page: the last blocks and who said what of them, what is held, disputed, alarming, answered.

Pure: time is passed in. Bounded, whatever comes. Everything in it is JSON (str, int, float, bool, None, list, dict), so
that what is shown is what tests see. Times are seconds since the epoch, durations milliseconds.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Dispute
from verifier.domain.event import (
    AdapterMisbehaved,
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    Event,
    GateAnswered,
    PayloadExecuted,
    PayloadReceived,
    RolledBack,
    StatusChanged,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.localization import Localization
from verifier.domain.quorum import Verdict
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.domain.vote import Vote

from .census import Census
from .profile import Profile
from .redaction import clean

Row = dict[str, Any]

BLOCKS = 48  # about one and a half epochs
LISTED = 32  # entries of every other list
VOTES = 32  # adapters in one row
FIELDS = 8  # differing fields named with a vote
TEXT = 400  # characters of any text that comes from outside

# A block that came to one of these is not held any more: it is decided, or a dispute is open about it.
SETTLED = (BlockStatus.VERIFIED, BlockStatus.DISPUTED, BlockStatus.INVALID)
SECTIONS = ("holds", "disputes", "alarms", "answers", "quarantined", "gate")


class Board:
    """`apply` events, then read `snapshot`, or `changes` since the last time `changes` was read."""

    def __init__(self, profile: Profile, blocks: int = BLOCKS) -> None:
        self._profile, self._limit = profile, blocks
        self._census = Census()
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._lists: dict[str, OrderedDict[str, Row]] = {name: OrderedDict() for name in SECTIONS[:-1]}
        self._judged: tuple[BlockReference, Verdict] | None = None
        self._sequence = 0
        self._touched: set[str] = set()
        self._gone: set[str] = set()
        self._sections: set[str] = set()

    @property
    def sequence(self) -> int:
        """How many events have been applied; a snapshot or change says which it contains."""
        return self._sequence

    def restore(self, blocks: Iterable[TrackedBlock], at: float) -> None:
        """What the ledger holds at the start: its highest blocks become rows."""
        blocks = sorted(blocks, key=lambda each: each.block.number)
        self._census.restore(blocks)
        for each in blocks[-self._limit :]:
            self._status(each, at)

    def apply(self, event: Event, at: float) -> None:
        """Takes one event in. at: seconds since the epoch."""
        self._sequence += 1
        match event:
            case PayloadReceived(block, transactions, gas_used):
                self._row(block, at).update(received=at, transactions=transactions, gas_used=gas_used)
            case PayloadExecuted(block, status, seconds):
                self._row(block, at)["execution"] = {"status": str(status), "ms": _ms(seconds)}
            case WitnessPublished(block, size, seconds, source):
                witness = {"bytes": size, "ms": _ms(seconds), "source": _text(source), "failed": None}
                self._row(block, at)["witness"] = witness
            case WitnessFailed(block, reason):
                failed = {"bytes": None, "ms": None, "source": None, "failed": _text(reason)}
                self._row(block, at)["witness"] = failed
                self._hold(block.hash, block.number, f"no witness: {reason}", at)
            case VoteCast(block, _, vote, late):
                self._vote(self._row(block, at), vote, late=late)
            case VerdictReached():
                self._verdict(event, at)
            case StatusChanged(block):
                self._status_changed(event, block, at)
            case GateAnswered():
                self._answered(event, at)
            case DisputeChanged(dispute):
                self._dispute_changed(dispute, at)
            case DisagreementLocalized(localization):
                self._localized(localization, at)
            case AdapterQuarantined(adapter, why):
                self._list("quarantined", adapter, {"adapter": _text(adapter), "since": at, "why": _text(why)})
            case AdapterMisbehaved() | RolledBack():
                pass  # who misbehaves is in quarantine; a rolled back block is shown as what it is, invalid
            case Alarm(name, text):
                self._alarm(name, text, at)

    def snapshot(self) -> Row:
        """All of it, rows by number, the highest first."""
        rows = sorted(self._rows.values(), key=_order, reverse=True)
        return {
            "sequence": self._sequence,
            "profile": self.profile(),
            "blocks": [_copy(row) for row in rows],
            **{name: self._section(name) for name in SECTIONS},
        }

    def changes(self) -> Row | None:
        """What is new since the last call, or None: rows that changed, hashes of rows that went, sections that changed.

        Merged into a snapshot that contains everything up to the last call, it gives today's (page/page.js does that).
        """
        if not self._touched and not self._gone and not self._sections:
            return None
        rows = [_copy(self._rows[hash_]) for hash_ in sorted(self._touched)]
        changed: Row = {"sequence": self._sequence, "rows": rows, "gone": sorted(self._gone)}
        changed |= {name: self._section(name) for name in SECTIONS if name in self._sections}
        self._touched.clear()
        self._gone.clear()
        self._sections.clear()
        return changed

    def profile(self) -> Row:
        """What is configured: mode, quorum, and the columns of the matrix in their order."""
        profile, policy = self._profile, self._profile.policy
        return {
            "version": profile.version,
            "mode": str(profile.mode),
            "input": str(profile.input),
            "hold": str(profile.hold),
            "hold_seconds": profile.hold_seconds,
            "required": policy.required,
            "lineages": len(policy.lineages),
            "rejecting": policy.rejecting,
            "adapters": [
                {"name": name, "lineage": lineage, "role": role} for name, (lineage, role) in profile.roles.items()
            ],
        }

    def _section(self, name: str) -> Any:
        if name == "gate":
            return self._gate()
        return [dict(entry) for entry in reversed(self._lists[name].values())]

    def _row(self, block: BlockReference, at: float) -> Row:
        """The block's row, made where there is none; the oldest goes for it. It counts as touched."""
        hash_ = _hash(block.hash)
        row = self._rows.get(hash_)
        if row is None:
            row = self._rows[hash_] = {
                "hash": hash_,
                "number": block.number,
                "seen": at,
                "received": None,
                "transactions": None,
                "gas_used": None,
                "status": None,
                "why": "",
                "anchor": False,
                "execution": None,
                "witness": None,
                "votes": {},
                "verdict": None,
                "where": "",
                "answer": None,
            }
            if len(self._rows) > self._limit:
                gone, _ = self._rows.popitem(last=False)
                self._touched.discard(gone)
                self._gone.add(gone)
        self._touched.add(hash_)
        self._gone.discard(hash_)
        return row

    def _vote(self, row: Row, vote: Vote, *, late: bool) -> None:
        if vote.adapter not in row["votes"] and len(row["votes"]) >= VOTES:
            return
        row["votes"][vote.adapter] = {
            "kind": str(vote.kind),
            "ms": round(vote.elapsed_ms, 1),
            "reason": _text(vote.reason or ""),
            "fields": [_text(each.field) for each in vote.differences[:FIELDS]],
            "late": late,
        }

    def _verdict(self, event: VerdictReached, at: float) -> None:
        row, decision = self._row(event.block, at), event.decision
        before = row["verdict"]
        for vote in event.votes:
            if vote.adapter not in row["votes"]:
                self._vote(row, vote, late=False)
        again = before is not None and not before["final"]
        row["verdict"] = {
            "verdict": str(decision.verdict),
            # of the first verdict, which is what the gates waited for
            "ms": before["ms"] if again else _ms(event.seconds),
            "valid": sorted(map(_text, decision.valid)),
            "invalid": sorted(map(_text, decision.invalid)),
            "abstaining": sorted(map(_text, decision.abstaining)),
            "final": event.final,
            "expired": event.expired or (again and bool(before["expired"])),
            "disagreement": decision.disagreement,
        }
        if decision.verdict is Verdict.HOLD:
            why = "deadline passed" if event.expired else "no quorum possible"
            self._hold(event.block.hash, event.block.number, why, at)
        self._judged = event.block, decision.verdict
        self._sections.add("gate")

    def _status_changed(self, event: StatusChanged, block: TrackedBlock, at: float) -> None:
        for hash_ in self._census.apply(event):
            self._drop("holds", _hash(hash_))
            self._drop("disputes", _hash(hash_))
        self._status(block, at)
        self._sections.add("gate")  # of the block judged last, which may be a descendant of this one
        hash_text = _hash(block.block.hash)
        if block.status in SETTLED:
            self._drop("holds", hash_text)

    def _status(self, block: TrackedBlock, at: float) -> None:
        row = self._row(block.block, at)
        row.update(status=str(block.status), why=_text(block.why), anchor=block.anchor)
        if block.status is BlockStatus.DISPUTED:
            self._disputed(block.block, at, why=row["why"])
        elif not self._lists["disputes"].get(row["hash"], {}).get("open"):
            self._drop("disputes", row["hash"])

    def _dispute_changed(self, dispute: Dispute, at: float) -> None:
        """A block is listed while it is DISPUTED, or while votes can still end the dispute over it."""
        hash_ = _hash(dispute.block.hash)
        tracked = self._census.blocks.get(dispute.block.hash)
        if dispute.open:
            self._disputed(dispute.block, at, open=True, why=_text(dispute.why), id=_text(dispute.id))
        elif tracked is None or tracked.status is not BlockStatus.DISPUTED:
            self._drop("disputes", hash_)
        else:
            said = f"{str(dispute.conclusion).upper()}: {dispute.reason}"
            self._disputed(dispute.block, at, open=False, id=_text(dispute.id), conclusion=_text(said))

    def _localized(self, localization: Localization, at: float) -> None:
        hash_ = _hash(localization.block.hash)
        if hash_ in self._lists["disputes"]:
            self._disputed(localization.block, at, where=_text(localization.text))
        row = self._rows.get(hash_)
        if row is not None:
            row["where"] = _text(localization.text)
            self._touched.add(hash_)

    def _disputed(self, block: BlockReference, at: float, **said: str | bool) -> None:
        hash_ = _hash(block.hash)
        known = self._lists["disputes"].get(hash_)
        entry: Row = {"hash": hash_, "number": block.number, "since": at, "why": ""}
        entry |= {"open": False, "id": "", "conclusion": ""}
        entry |= {"where": (self._rows.get(hash_) or {}).get("where", "")}
        self._list("disputes", hash_, entry | (known or {}) | said)

    def _answered(self, event: GateAnswered, at: float) -> None:
        gate, request, answer = _text(event.gate), _text(event.request), _text(event.answer)
        key = "\n".join((gate, request, answer, str(event.gated)))
        known = self._lists["answers"].get(key)
        entry = {"gate": gate, "request": request, "answer": answer, "gated": event.gated, "last": at}
        entry |= {"count": known["count"] + 1 if known else 1, "reason": _text(event.reason)}
        self._list("answers", key, entry)
        if event.block_hash is None:
            return
        row = self._rows.get(_hash(event.block_hash))
        if row is None:
            return
        if event.gate == "engine":
            row["answer"] = {"answer": answer, "gated": event.gated, "ms": _ms(event.waited), "reason": entry["reason"]}
            self._touched.add(row["hash"])
        if event.gated and row["status"] not in SETTLED:
            self._hold(event.block_hash, row["number"], event.reason, at)

    def _hold(self, block_hash: bytes, number: int, why: str, at: float) -> None:
        tracked = self._census.blocks.get(block_hash)
        if tracked is not None and tracked.status in SETTLED:
            return
        hash_text = _hash(block_hash)
        known = self._lists["holds"].get(hash_text)
        since = known["since"] if known else at
        entry = {"hash": hash_text, "number": number, "since": since, "why": _text(why)}
        self._list("holds", hash_text, entry)

    def _alarm(self, name: str, text: str, at: float) -> None:
        """The same alarm with the same text is one entry that counts."""
        key = "\n".join((_text(name), _text(text)))
        known = self._lists["alarms"].get(key)
        entry = {"name": _text(name), "text": _text(text), "last": at, "count": known["count"] + 1 if known else 1}
        self._list("alarms", key, entry)

    def _list(self, section: str, key: str, entry: Row) -> None:
        entries = self._lists[section]
        entries[key] = entry
        entries.move_to_end(key)
        if len(entries) > LISTED:
            entries.popitem(last=False)
        self._sections.add(section)

    def _drop(self, section: str, key: str) -> None:
        if self._lists[section].pop(key, None) is not None:
            self._sections.add(section)

    def _gate(self) -> Row:
        """What the gates do about the block judged last."""
        if self._judged is None:
            return {"state": None, "number": None, "hash": None}
        block, verdict = self._judged
        state = self._census.gate_state(self._profile.mode, block.hash, verdict)
        return {"state": state, "number": block.number, "hash": _hash(block.hash)}


def _order(row: Row) -> tuple[int, float, str]:
    return row["number"], row["seen"], row["hash"]


def _copy(row: Row) -> Row:
    return {**row, "votes": dict(row["votes"])}


def _hash(value: bytes) -> str:
    return f"0x{value.hex()}"


def _text(text: str) -> str:
    text = clean(text)
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
