"""What the execution client can do: asked at the start, and again whenever it was away.

engine_exchangeCapabilities is no mere question: geth changes what it serves by the list that it is given. So what the
consensus client said last is said again, and nothing before it has said something.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from verifier.domain.event import Alarm, Observer
from verifier.executors.stateful.lineage import lineage_of

from .errors import EngineApiError
from .execution_client import EngineApi
from .messages import CAPABILITIES, PAYLOAD, WITH_WITNESS, parse_answer

CLIENT_VERSION = "engine_getClientVersionV1"  # execution-apis, identification.md; not all serve web3_* on this port
# Two clients tell each other who they are; a code of our own that no client has, and no commit.
OURSELVES = {"code": "XV", "name": "execution-verifier", "version": "0", "commit": "0x00000000"}
ASK_TIMEOUT = 5.0  # seconds; the client answers from memory, or is not there
RETRY = 1.0  # seconds between attempts to reach it: a slot has 12


class Capabilities:
    """What the execution client has answered. `start` asks, `close` ends asking.

    version: "name/version", "" if it does not say. methods: those that it names, None until it has answered.
    """

    def __init__(
        self,
        client: EngineApi,
        observer: Observer,
        *,
        witnesses: bool = True,
        identified: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """witnesses: whether the client's answers are to bring them where it can. identified: told the engine lineage
        that it says it is of, None if it does not say, each time that it has been asked.
        """
        self._witnesses = witnesses
        self._identified = identified
        self.version = ""
        self.methods: frozenset[str] | None = None
        self._client = client
        self._observer = observer
        self._said: Any = [[]]
        self._asking: asyncio.Task[None] | None = None
        self._away = False

    def start(self) -> None:
        """Asks, in the background, until it has answered."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_until_answered())

    async def answered(self) -> None:
        """Waits until what has been asked last is answered."""
        if self._asking is not None:
            await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Asks no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def witness_method(self, version: int) -> str | None:
        """The method that executes a payload of newPayload's `version` and gives its witness, if there is one."""
        method = f"{PAYLOAD}{WITH_WITNESS}V{version}"
        return method if self._witnesses and self.methods is not None and method in self.methods else None

    def heard(self, parameters: Any) -> None:
        """The consensus client has asked with these parameters, for whatever reason: perhaps ours are old too."""
        self._said = parameters
        self.start()

    def lacks(self, method: str) -> None:
        """The client does not know a method that it named before: it is another one now."""
        self.methods = (self.methods or frozenset()) - {method}
        self.start()

    def lost(self, error: EngineApiError) -> None:
        """The client could not be reached, or refused us: whatever comes back may be another one."""
        if not self._away:
            self._away = True
            self._observer.notify(Alarm("execution_client_unreachable", str(error)))
        self.start()

    async def _ask_until_answered(self) -> None:
        while True:
            try:
                methods = (await self._ask(CAPABILITIES, self._said)).get("result")
                version = (await self._ask(CLIENT_VERSION, [OURSELVES])).get("result")
            except EngineApiError as error:
                self.methods = None
                if not self._away:
                    self._away = True
                    self._observer.notify(Alarm("execution_client_unreachable", str(error)))
                await asyncio.sleep(RETRY)
                continue
            listed = methods if isinstance(methods, list) else []
            self.methods = frozenset(each for each in listed if isinstance(each, str))
            self.version = _name_and_version(version)
            self._identified(_lineage(version))
            self._away = False
            return

    async def _ask(self, method: str, parameters: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        answer = parse_answer(await self._client.exchange(body, seconds=ASK_TIMEOUT))
        if answer is None:
            raise EngineApiError(f"the execution client answers no JSON-RPC to {method}")
        return answer


def _lineage(versions: Any) -> str | None:
    first = versions[0] if isinstance(versions, list) and versions else None
    return lineage_of(first.get("code")) if isinstance(first, dict) else None


def _name_and_version(versions: Any) -> str:
    """The first of the clients behind the port, if the answer to engine_getClientVersionV1 names one."""
    first = versions[0] if isinstance(versions, list) and versions else None
    name, version = (first.get("name"), first.get("version")) if isinstance(first, dict) else (None, None)
    return f"{name}/{version}" if isinstance(name, str) and isinstance(version, str) else ""
