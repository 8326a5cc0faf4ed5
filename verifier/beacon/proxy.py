"""The Beacon API of one beacon node, passed through as it is, but for the requests that carry votes.

docs/decisions/0014-attestation-gate.md says what is answered when, and why.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing

import aiohttp
from aiohttp import web

from verifier.domain.event import GateAnswered, Observer
from verifier.domain.gate import GateMode, Permission

from . import json_message, ssz_message
from .answers import error_answer, indexed_error, merged_failures
from .duties import GatedRequest, gated_request, is_event_stream
from .errors import BeaconNodeError, UnreadableMessageError, UnsupportedMessageError
from .events import HeadEvent, gated_events
from .gate import AttestationGate, Ruling
from .headers import consensus_version, forwarded, media_type
from .json_message import ROOT
from .messages import JSON, MessageKind, MessageList, VotedBlocks, check_fork
from .relay import Tap, one_chunk, own_answer, read_request, relay, request_body
from .upstream import BeaconNode, chunks, read_whole

MAX_ANSWER = 1 << 20  # bytes of one gated answer; an aggregate over every validator of a slot has 40 KiB
MAX_BODY = 16 << 20  # bytes of one gated request; the attestations of 20,000 validators in one slot as JSON
MAX_VOTES = 256  # different votes in one request; of one slot there are as many as committees, 64, at most
# Gated requests under way, and the bytes of their bodies: beyond that they are refused at once, so that validator
# clients that ask ever again cannot fill the memory while everything is held.
MAX_HELD, MAX_HELD_BYTES = 4096, 256 << 20
BODY_SECONDS = 12.0  # seconds in which a request's body must have come: a slot, after which its votes are of no use
BAD_REQUEST, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA, UNAVAILABLE = 400, 408, 413, 415, 503  # HTTP status
TOO_MANY = "too many requests are held"


class NoRoomError(Exception):
    """The bodies of held requests have as many bytes as may be kept."""


class BeaconProxy:
    """Handles every request of every validator client. `handle` is for `aiohttp.web.Server`."""

    def __init__(self, node: BeaconNode, gate: AttestationGate, observer: Observer) -> None:
        self._node, self._gate, self._observer = node, gate, observer
        self._monitoring = gate.mode is GateMode.MONITOR
        self._held = self._held_bytes = 0
        self._judging: set[asyncio.Task[None]] = set()  # monitor mode: what would have been answered

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. Whatever fails behind us is answered with 503 and what failed."""
        target = request.raw_path
        if not target.startswith("/"):
            return own_answer(error_answer(BAD_REQUEST, "the request names no path"))
        gated = gated_request(request.method, target)
        try:
            if gated is None:
                return await self._pass(request)
            since = asyncio.get_running_loop().time()
            try:
                if self._monitoring:
                    return await self._watch(request, gated, since)
                return await self._admit(request, gated, since)
            except BeaconNodeError as error:
                self._notify(gated, "unavailable", since, [], str(error))
                raise
        except BeaconNodeError as error:
            return own_answer(error_answer(UNAVAILABLE, str(error)))

    async def close(self) -> None:
        """Ends what is still being judged in monitor mode."""
        for task in self._judging:
            task.cancel()
        await asyncio.gather(*self._judging, return_exceptions=True)

    async def _pass(self, request: web.BaseRequest) -> web.StreamResponse:
        """A request without votes. Raises BeaconNodeError."""
        headers = forwarded(request.headers)
        gate_events = not self._monitoring and is_event_stream(request.method, request.raw_path)
        if gate_events:
            headers["Accept-Encoding"] = "identity"
        body = await request_body(request)
        async with self._node.request(request.method, request.raw_path, headers, body) as answer:
            if not gate_events or answer.status != 200:
                return await relay(request, answer, chunks(answer))
            plain = answer.headers.get("Content-Encoding", "identity").lower() == "identity"
            if not plain or not answer.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
                raise BeaconNodeError("the beacon node's stream of events is no plain text/event-stream")
            async with aclosing(gated_events(chunks(answer), self._gate, self._head_event)) as events:
                return await relay(request, answer, events)

    async def _admit(self, request: web.BaseRequest, gated: GatedRequest, since: float) -> web.StreamResponse:
        """A request with votes, if there is room for it. Raises BeaconNodeError."""
        if not gated.known:
            return self._refuse(gated, since, f"version {gated.version} of this request is not known to the verifier")
        if self._held >= MAX_HELD or self._held_bytes >= MAX_HELD_BYTES:
            return self._refuse(gated, since, TOO_MANY)
        self._held += 1
        try:
            if gated.duty.method == "GET":
                return await self._gate_answer(request, gated, since)
            return await self._gate_messages(request, gated, since)
        finally:
            self._held -= 1

    # Votes in the beacon node's answer

    async def _gate_answer(self, request: web.BaseRequest, gated: GatedRequest, since: float) -> web.StreamResponse:
        headers = forwarded(request.headers)
        headers["Accept-Encoding"] = "identity"
        body = await request_body(request)
        async with self._node.request("GET", request.raw_path, headers, body) as answer:
            if answer.status >= 400:
                self._notify(gated, "passed", since, [], f"the beacon node answered {answer.status}")
                return await relay(request, answer, chunks(answer))  # an error: nothing in it can be signed
            if answer.status != 200:
                return self._refuse(gated, since, f"the beacon node answered {answer.status}")
            content = await read_whole(answer, MAX_ANSWER)
            try:
                voted = _read_answer(gated, answer, content)
            except UnreadableMessageError as error:
                return self._refuse(gated, since, f"the beacon node's answer is unreadable: {error}")
            rulings = await self._rule(voted, since)
            refused = [each for each in rulings.values() if not each.permission.allowed]
            if refused:
                return self._refuse(gated, since, refused[0].permission.reason, refused)
            self._notify(gated, "passed", since, rulings.values())
            return await relay(request, answer, one_chunk(content))

    # Votes in the validator client's request

    async def _gate_messages(self, request: web.BaseRequest, gated: GatedRequest, since: float) -> web.StreamResponse:
        held = 0
        headers = forwarded(request.headers)

        def count(size: int) -> None:
            nonlocal held
            if self._held_bytes + size > MAX_HELD_BYTES:
                raise NoRoomError
            held += size
            self._held_bytes += size

        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await read_request(request, MAX_BODY, count)
            if body is None:
                return self._refuse(gated, since, f"the request is longer than {MAX_BODY} bytes", status=TOO_LARGE)
            messages = _read_messages(gated, headers, body)
            rulings = await self._rule(messages.voted, since)
        except TimeoutError:
            return self._refuse(gated, since, f"the request took more than {BODY_SECONDS:g} s", status=TOO_SLOW)
        except NoRoomError:
            return self._refuse(gated, since, TOO_MANY)
        except UnsupportedMessageError as error:
            return self._refuse(gated, since, str(error), status=UNSUPPORTED_MEDIA)
        except UnreadableMessageError as error:
            return self._refuse(gated, since, f"the request is unreadable: {error}", status=BAD_REQUEST)
        finally:
            self._held_bytes -= held
        allowed = [place for place, voted in enumerate(messages.voted) if rulings[voted].permission.allowed]
        refused = [each for each in rulings.values() if not each.permission.allowed]
        if refused and not allowed:
            return self._refuse(gated, since, refused[0].permission.reason, refused)
        if not refused:
            self._notify(gated, "passed", since, rulings.values())
            async with self._node.request("POST", request.raw_path, headers, body) as answer:
                return await relay(request, answer, chunks(answer))
        self._notify(gated, "split", since, refused)
        failures = {
            place: rulings[voted].permission.reason
            for place, voted in enumerate(messages.voted)
            if not rulings[voted].permission.allowed
        }
        headers.popall("Content-Length", None)
        headers["Accept-Encoding"] = "identity"
        async with self._node.request("POST", request.raw_path, headers, messages.only(allowed)) as answer:
            content = await read_whole(answer, MAX_BODY)
            theirs = {} if answer.status < 300 else merged_failures(content, allowed)
            if theirs is None:  # it took none of them: its own answer says why
                return await relay(request, answer, one_chunk(content))
            return own_answer(indexed_error(failures | theirs))

    # Monitor mode: everything passes, and is judged afterwards

    async def _watch(self, request: web.BaseRequest, gated: GatedRequest, since: float) -> web.StreamResponse:
        headers = forwarded(request.headers)
        asked, answered = Tap(MAX_BODY), Tap(MAX_ANSWER)
        body = await request_body(request)
        if gated.duty.method == "GET":
            headers["Accept-Encoding"] = "identity"
        async with self._node.request(
            request.method, request.raw_path, headers, asked.through(body) if body is not None else None
        ) as answer:
            response = await relay(request, answer, answered.through(chunks(answer)))
        if gated.duty.method == "GET" and answer.status >= 400:
            self._notify(gated, "passed", since, [], f"the beacon node answered {answer.status}")
        elif len(self._judging) >= MAX_HELD:
            self._notify(gated, "passed", since, [], "not judged: too many requests at once")
        else:
            voted: Iterable[VotedBlocks] | str
            try:
                if not gated.known:
                    raise UnsupportedMessageError(f"version {gated.version} of this request is not known")
                if gated.duty.method == "GET":
                    voted = _read_answer(gated, answer, answered.body())
                else:
                    voted = _read_messages(gated, headers, asked.body()).voted
            except UnreadableMessageError as error:
                voted = f"would refuse: unreadable: {error}"
            task = asyncio.create_task(self._judge(gated, since, voted))
            self._judging.add(task)
            task.add_done_callback(self._judging.discard)
        return response

    async def _judge(self, gated: GatedRequest, since: float, voted: Iterable[VotedBlocks] | str) -> None:
        if isinstance(voted, str):
            unreadable = Ruling(Permission(allowed=True, reason=voted, gated=True))
            self._notify(gated, "passed", since, [unreadable])
            return
        self._notify(gated, "passed", since, (await self._rule(voted, since)).values())

    # What both have in common

    async def _rule(self, voted: Iterable[VotedBlocks], since: float) -> dict[VotedBlocks, Ruling]:
        """A ruling for each different vote, within what is left of the time to hold. Raises UnreadableMessageError."""
        different = list(dict.fromkeys(voted))
        if len(different) > MAX_VOTES:
            raise UnreadableMessageError(f"more than {MAX_VOTES} different votes")
        left = self._gate.hold - (asyncio.get_running_loop().time() - since)
        if len(different) == 1:
            return {different[0]: await self._gate.rule(different[0], left)}
        await asyncio.gather(*(self._gate.rule(each, left) for each in different))
        # Once more, all in one moment: what could go may be disputed since, while another vote was held.
        return {each: await self._gate.rule(each, 0) for each in different}

    def _refuse(
        self,
        gated: GatedRequest,
        since: float,
        reason: str,
        rulings: Iterable[Ruling] = (),
        *,
        status: int = UNAVAILABLE,
    ) -> web.Response:
        refusal = Ruling(Permission(allowed=False, reason=reason, gated=True))
        self._notify(gated, "refused", since, rulings or [refusal])
        return own_answer(error_answer(status, f"not attested by the execution verifier: {reason}"))

    def _notify(
        self, gated: GatedRequest, answer: str, since: float, rulings: Iterable[Ruling], reason: str = ""
    ) -> None:
        waited = asyncio.get_running_loop().time() - since
        first: Ruling | None = None
        for ruling in rulings:
            if first is None or (ruling.permission.gated and not first.permission.gated):
                first = ruling
        gate_reason = first.permission.reason if first else reason
        was_gated, block = (first.permission.gated, first.block_hash) if first else (False, None)
        self._observer.notify(GateAnswered("beacon", gated.name, answer, was_gated, waited, gate_reason, block))

    def _head_event(self, event: HeadEvent) -> None:
        block = event.ruling.block_hash if event.ruling else None
        reason = event.ruling.permission.reason if event.ruling else event.reason
        self._observer.notify(
            GateAnswered("beacon", "event head", event.answer, event.answer != "passed", event.waited, reason, block)
        )


def _read_answer(gated: GatedRequest, answer: aiohttp.ClientResponse, content: bytes) -> list[VotedBlocks]:
    """The votes in an answer, and the block that was asked for. Raises UnreadableMessageError."""
    if media_type(answer.headers) == JSON:
        voted = [json_message.read_answer(gated.duty.kind, content)]
    else:
        voted = [ssz_message.read_answer(gated.duty.kind, content, consensus_version(answer.headers))]
    if gated.duty.kind is MessageKind.CONTRIBUTION:
        for root in gated.query.get("beacon_block_root", ()):
            if not ROOT.fullmatch(root):
                raise UnreadableMessageError("beacon_block_root is not a root")
            voted.append(VotedBlocks(bytes.fromhex(root[2:])))
    return voted


def _read_messages(gated: GatedRequest, headers: Mapping[str, str], body: bytes) -> MessageList:
    """The votes in a request. headers: those that go on with it, so that it is read as the beacon node will.

    Raises UnreadableMessageError, UnsupportedMessageError.
    """
    if media_type(headers) == JSON:
        check_fork(consensus_version(headers))
        return json_message.read_list(gated.duty.kind, body)
    return ssz_message.read_list(gated.duty.kind, body, consensus_version(headers))
