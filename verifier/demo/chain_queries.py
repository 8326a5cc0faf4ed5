"""What the embedded execution client answers about its chain: blocks, receipts, traces, witnesses, as geth does."""

from collections.abc import Callable
from typing import Any

from verifier.demo.private_chain import PrivateChain
from verifier.executors.stateful.embedded.retelling import Told
from witness.formats.json_field import as_list, as_octets, as_quantity
from witness.formats.rpc_block import block_to_objects
from witness.formats.rpc_header import header_to_object
from witness.header import keccak256
from witness.model import Header

SERVER_ERROR = -32000
SEARCHED = 64  # blocks, from the head down, in which a transaction is looked for by its hash


class RpcError(Exception):
    """A JSON-RPC error to answer with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ChainQueries:
    """The methods of the namespaces eth and debug that only read."""

    def __init__(self, chain: PrivateChain) -> None:
        self.chain = chain
        self._last: tuple[bytes, tuple[Told, ...]] = (b"", ())  # a tracer asks for one transaction after the other

    def methods(self, *, debug_calls: bool) -> dict[str, Callable[[list[Any]], Any]]:
        """By name. debug_calls: also those that tell witnesses."""
        methods: dict[str, Callable[[list[Any]], Any]] = {
            "eth_blockNumber": lambda _: hex(self.chain.head().number),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._receipts,
            "eth_getProof": self._values,
            "debug_traceBlockByHash": self._trace_block,
            "debug_traceTransaction": self._trace_transaction,
        }
        if debug_calls:
            methods |= {
                "debug_executionWitness": self._witness_by_number,
                "debug_executionWitnessByHash": self._witness_by_hash,
                "debug_executionWitnessByBlockHash": self._witness_by_hash,
                "debug_getRawBlock": self._raw_block,
            }
        return methods

    def _receipts(self, parameters: list[Any]) -> list[dict[str, Any]] | None:
        header = self._named(parameters[0])
        return None if header is None else [each.receipt_object() for each in self._told(header.hash)]

    def _values(self, parameters: list[Any]) -> dict[str, Any]:
        """As eth_getProof (EIP-1186), without the proofs: whoever asks here wants to know what the client says."""
        address = as_octets(parameters[0], "address", 20)
        keys = [as_octets(each, "storage key", 32) for each in as_list(parameters[1], "storage keys")]
        named = parameters[2].get("blockHash") if isinstance(parameters[2], dict) else parameters[2]
        header = self._named(named)
        if header is None:
            raise RpcError(SERVER_ERROR, "block not found")
        account, values = self.chain.account(header.hash, address, keys)
        return {
            "address": _data(address),
            "nonce": hex(0 if account is None else account.nonce),
            "balance": hex(0 if account is None else account.balance),
            "codeHash": _data(bytes(32) if account is None else account.code_hash),
            "storageHash": _data(bytes(32) if account is None else account.storage_root),
            "accountProof": [],
            "storageProof": [
                {"key": _data(key), "value": hex(value), "proof": []} for key, value in zip(keys, values, strict=True)
            ],
        }

    def _trace_block(self, parameters: list[Any]) -> list[dict[str, Any]]:
        told = self._told(as_octets(parameters[0], "blockHash", 32))
        return [{"txHash": _data(each.hash), "result": each.struct_logs()} for each in told]

    def _trace_transaction(self, parameters: list[Any]) -> dict[str, Any]:
        wanted = as_octets(parameters[0], "transactionHash", 32)
        header: Header | None = self.chain.head()
        for _ in range(SEARCHED):
            if header is None:
                break
            hashes = [keccak256(each) for each in self.chain.transactions(header)]
            if wanted in hashes:
                return self._told(header.hash)[hashes.index(wanted)].struct_logs()
            header = self.chain.header(header.parent_hash)
        raise RpcError(SERVER_ERROR, "transaction not found")

    def _told(self, block_hash: bytes) -> tuple[Told, ...]:
        if self.chain.block(block_hash) is None:
            return ()
        if self._last[0] != block_hash:
            self._last = block_hash, self.chain.retell(block_hash)
        return self._last[1]

    def _block_by_number(self, parameters: list[Any]) -> dict[str, Any] | None:
        header = self._named(parameters[0])
        return None if header is None else self._block(header, full=parameters[1:2] == [True])

    def _block_by_hash(self, parameters: list[Any]) -> dict[str, Any] | None:
        header = self.chain.header(as_octets(parameters[0], "blockHash", 32))
        return None if header is None else self._block(header, full=parameters[1:2] == [True])

    def _block(self, header: Header, *, full: bool) -> dict[str, Any]:
        encoded = self.chain.block(header.hash)
        if encoded is None:  # the genesis block
            document = header_to_object(self.chain.header_rlp(header.hash) or b"")
            return {**document, "transactions": [], "uncles": [], "withdrawals": [], "size": hex(0)}
        document, transactions, uncles, withdrawals = block_to_objects(encoded)
        document |= {"uncles": [each["hash"] for each in uncles], "size": hex(len(encoded))}
        document["transactions"] = transactions if full else [each["hash"] for each in transactions]
        return document if withdrawals is None else {**document, "withdrawals": withdrawals}

    def _named(self, name: Any) -> Header | None:
        """The block of a number, a tag, or (EIP-1898) a hash, as `debug_*` take it too."""
        if name in ("earliest", "pending"):
            return self.chain.numbered(0) if name == "earliest" else self.chain.head()
        if name in ("latest", "safe", "finalized"):
            return self.chain.tagged(name)
        if isinstance(name, str) and len(name) == 66:
            return self.chain.header(as_octets(name, "block", 32))
        return self.chain.numbered(as_quantity(name, "block"))

    def _witness_by_number(self, parameters: list[Any]) -> dict[str, Any]:
        header = self._named(parameters[0])
        if header is None:
            raise RpcError(SERVER_ERROR, "block not found")
        return self._witness(header.hash)

    def _witness_by_hash(self, parameters: list[Any]) -> dict[str, Any]:
        return self._witness(as_octets(parameters[0], "blockHash", 32))

    def _witness(self, block_hash: bytes) -> dict[str, Any]:
        content = self.chain.witness(block_hash)
        if content is None:
            raise RpcError(SERVER_ERROR, "no witness of that block")
        witness = content.witness
        return {
            "state": [_data(each) for each in witness.state],
            "codes": [_data(each) for each in witness.codes],
            "keys": [],
            "headers": [header_to_object(each) for each in witness.headers],  # geth's shape
        }

    def _raw_block(self, parameters: list[Any]) -> str:
        header = self._named(parameters[0])
        encoded = None if header is None else self.chain.block(header.hash)
        if encoded is None:
            raise RpcError(SERVER_ERROR, "block not found")
        return _data(encoded)


def _data(value: Any) -> str:
    return f"0x{bytes(value).hex()}"
