"""The gate itself: what happens to a request, whole or a batch, and in which order.

A batch that holds something to judge is taken apart: its calls are forwarded in their order, one after the other, and
only then are the answers held, all at the same time.
"""

import asyncio
from collections.abc import Callable

from verifier.domain.event import Observer
from verifier.services.chain_view import ChainView, PayloadJudge

from .capabilities import Capabilities
from .errors import EngineApiError
from .execution_client import EngineApi
from .forkchoice import ForkchoiceUpdates
from .hold import Hold, HoldPolicy
from .messages import (
    SERVER_ERROR,
    Call,
    Finish,
    Request,
    batch_elements,
    encode_errors,
    join_batch,
    ready,
)
from .new_payload import NewPayloads


def always(_timestamp: int) -> bool:
    """Every block is judged as soon as it comes."""
    return True


class EngineGate:
    """Judges what the consensus client asks. `start` and `close` once each, within one event loop.

    client: the execution client; not closed here. chain_config: geth-genesis config JSON of its chain, for the
    witnesses that it gives. at_once: whether a block with this timestamp (seconds) is judged as soon as it comes.
    witnesses: whether payloads are executed by newPayloadWithWitness where the client has it.
    """

    def __init__(
        self,
        client: EngineApi,
        judge: PayloadJudge,
        chain: ChainView,
        observer: Observer,
        *,
        policy: HoldPolicy,
        chain_config: bytes,
        at_once: Callable[[int], bool] = always,
        witnesses: bool = True,
    ) -> None:
        self.client = client
        self.capabilities = Capabilities(client, observer, witnesses=witnesses, identified=judge.identified)
        self.observer = observer
        self._hold = Hold(policy, chain, observer)
        self._payloads = NewPayloads(client, self.capabilities, judge, self._hold, observer, chain_config, at_once)
        self._forkchoice = ForkchoiceUpdates(client, self.capabilities, judge, self._hold, observer)

    def start(self) -> None:
        """Asks the execution client what it can do, in the background."""
        self.capabilities.start()

    async def close(self) -> None:
        """Ends everything that is under way; nothing that is held is let out."""
        await self.capabilities.close()
        await self._payloads.close()
        await self._forkchoice.close()
        await self._hold.close()

    async def answer(self, request: Request, arrival: float) -> bytes:
        """The body that answers a request with something to judge in it; empty if nothing in it wants an answer.

        arrival: when it came, in seconds of the event loop's clock.
        """
        if not request.batch:
            (call,) = request.parts
            assert isinstance(call, Call)
            answer = await (await self._begin(call, arrival))()
            return answer if call.answered else b""
        answers: list[tuple[bool, Finish]] = []
        passed: list[bytes] = []
        for part in request.parts:
            if isinstance(part, bytes):
                passed.append(part)
                continue
            answers += [(True, ready(await self._pass(passed)))]
            passed = []
            answers.append((part.answered, await self._begin(part, arrival)))
        answers.append((True, ready(await self._pass(passed))))
        finished = await asyncio.gather(*(finish() for _, finish in answers))
        elements = [answer for (wanted, _), answer in zip(answers, finished, strict=True) if wanted and answer]
        return join_batch(elements) if elements else b""

    async def _begin(self, call: Call, arrival: float) -> Finish:
        kind = self._payloads if call.is_payload else self._forkchoice
        return await kind.begin(call, arrival)

    async def _pass(self, calls: list[bytes]) -> bytes:
        """The answers, joined by commas, to calls of a batch between those that are judged."""
        if not calls:
            return b""
        try:
            answer = await self.client.exchange(join_batch(calls))
        except EngineApiError as error:
            self.capabilities.lost(error)
            return b",".join(encode_errors(calls, SERVER_ERROR, str(error)))
        elements = batch_elements(answer) if answer.strip() else b""
        if elements is None:
            elements = b",".join(encode_errors(calls, SERVER_ERROR, "the execution client answers no JSON"))
        return elements
