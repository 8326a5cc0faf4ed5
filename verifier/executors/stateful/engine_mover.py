"""Moves an execution client's head away from an invalid branch over the Engine API, and asks whether it moved.

An answer VALID to forkchoiceUpdated says nothing: a client may pass over the update (Engine API, paris,
`engine_forkchoiceUpdatedV1`, point 2), and some do. So what counts is which block is canonical afterwards.
"""

from verifier.domain.block import BlockReference
from witness.chain_config import ChainConfig
from witness.formats.json_field import hex_octets, hex_quantity
from witness.model import Header

from .engine_api import ExecutionRpc
from .engine_versions import ENGINE_VERSIONS
from .errors import ExecutionClientError
from .mover import Moved

FORKCHOICE_TIMEOUT = 8.0  # seconds; what the Engine API gives forkchoiceUpdated
# Seconds for debug_setHead: it deletes block after block and looks for one whose state is still there.
SET_HEAD_TIMEOUT = 60.0
NOTHING_FINAL = bytes(32)  # what the Engine API names before anything is safe or final


class EngineMover:
    """An ExecutionMover. engine: the client's Engine API, authenticated. rpc: its other methods. config: the chain's.

    It never goes below what is final for the client. Where forkchoiceUpdated moved nothing it uses `debug_setHead`,
    which geth and its descendants have.
    """

    def __init__(self, engine: ExecutionRpc, rpc: ExecutionRpc, config: ChainConfig) -> None:
        self._engine = engine
        self._rpc = rpc
        self._config = config

    async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:
        """As ExecutionMover.move."""
        if not await self._is_on(invalid):
            return Moved("already")
        header = await self._rpc.header(target.hash)
        if header is None:
            return Moved("", f"it does not have block {target}")
        final = await self._rpc.header_at("finalized")
        if final is not None and final.number > target.number:
            return Moved("", f"block {final.number} is final for it, and block {target} is not above that")
        refused = await self._update_forkchoice(header, final)
        if not await self._is_on(invalid):
            return Moved("forkchoice", await self._elsewhere(target))
        also = await self._set_head(target)
        if not await self._is_on(invalid):
            return Moved("setHead", "; ".join(filter(None, (refused, await self._elsewhere(target)))))
        return Moved("", f"{refused}; {also}")

    async def _is_on(self, block: BlockReference) -> bool:
        """Whether the block is its head or an ancestor of it."""
        latest = await self._rpc.header_at("latest")
        if latest is None or latest.number < block.number:
            return False
        return latest.hash == block.hash or await self._canonical(block.number) == block.hash

    async def _canonical(self, number: int) -> bytes | None:
        header = await self._rpc.header_at(number)
        return None if header is None else header.hash

    async def _elsewhere(self, target: BlockReference) -> str:
        """Which block its head is, where it is not the target."""
        latest = await self._rpc.header_at("latest")
        if latest is None or latest.hash == target.hash:
            return ""
        return f"its head is block {latest.number} (0x{latest.hash.hex()[:8]}…)"

    async def _update_forkchoice(self, target: Header, final: Header | None) -> str:
        """Why it is still there, if it is. Raises nothing: what came of it is asked for afterwards."""
        fork = self._config.fork(target.number, target.timestamp, paris=True)
        version = ENGINE_VERSIONS.get(fork, ENGINE_VERSIONS["paris"]).forkchoice_updated
        method = f"engine_forkchoiceUpdatedV{version}"
        finalized = NOTHING_FINAL if final is None else final.hash
        try:
            safe = await self._rpc.header_at("safe")
            above = safe is None or safe.number > target.number  # it may be on the branch that is left
            state = {
                "headBlockHash": hex_octets(target.hash),
                "safeBlockHash": hex_octets(finalized if above or safe is None else safe.hash),
                "finalizedBlockHash": hex_octets(finalized),
            }
            answer = await self._engine.call(method, state, None, timeout=FORKCHOICE_TIMEOUT)
        except ExecutionClientError as error:
            return str(error)
        status = answer.get("payloadStatus") if isinstance(answer, dict) else None
        word = status.get("status") if isinstance(status, dict) else None
        return f"{method} is answered {word!s:.20}, and its head stayed"

    async def _set_head(self, target: BlockReference) -> str:
        """Why it is still there, if it is. Raises ExecutionClientError where it cannot be asked for its chain."""
        if await self._canonical(target.number) != target.hash:
            return f"debug_setHead knows only numbers, and its block {target.number} is another one"
        try:
            await self._rpc.call("debug_setHead", hex_quantity(target.number), timeout=SET_HEAD_TIMEOUT)
        except ExecutionClientError as error:
            return str(error)
        return "debug_setHead did not move it either"
