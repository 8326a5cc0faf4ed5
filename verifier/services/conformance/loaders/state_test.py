"""State tests (GeneralStateTests, eest `state_tests`): each post state of each fork as a chain of one block.

A state test has no block: no reward, no withdrawals, no system calls, and nothing of the header but its environment.
So a parent is made from which the environment follows by the rules (base fee, excess blob gas), and what the test says
nothing about is left out, with the reason, where a block would add to the post state:
- before Paris a block has a reward, so its root is another;
- a test that puts a contract at the address of a system call would have it called;
- from Prague on (EIP-7002, EIP-7251) a block without the two contracts is invalid. They are added to both states, which
  takes the test's whole post state and not only its root; their system calls then leave them as they are;
- BLOCKHASH gives a hash of the number in a state test, and a real one in a chain.
The post state's root is the test's own. What else a header needs of the execution stands in `CaseBlock.unstated`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.domain.conformance import CaseName, Expected
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from verifier.services.reproduction.state_test import root_of
from verifier.services.reproduction.transaction import BLOB, decode_transaction
from witness.chain_config import FORKS, ChainConfig
from witness.errors import EncodingError
from witness.formats.engine_payload import blob_hashes
from witness.header import keccak256
from witness.model import PostAccount
from witness.rlp_encoding import encode_item, encode_list, encode_string
from witness.trie import EMPTY_ROOT, list_root

from ..case import Case, CaseBlock, LoadFailure
from .accounts import parse_accounts
from .document import integer_octets, mapping, octets, quantity, text
from .errors import FixtureError
from .excess_blob_gas import GAS_PER_BLOB, parent_excess
from .genesis import EMPTY_LIST_HASH, EMPTY_REQUESTS_HASH
from .networks import forks_of, network_config

LEAST_GAS_LIMIT, GREATEST_GAS_LIMIT = 5000, (1 << 63) - 1  # yellow paper 4.3.4; EIP-1985
DEFAULT_BASE_FEE = 0x0A  # wei; what retesteth and geth take where a test does not say
BLOCKHASH, PUSH1, PUSH32 = 0x40, 0x60, 0x7F
# EIP-4788, EIP-2935: called only where there is code.
CALLED = {
    bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02"): "cancun",
    bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935"): "prague",
}
# EIP-7002, EIP-7251: without them every block is invalid.
NEEDED = (
    bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002"),
    bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251"),
)
Accounts = dict[bytes, GenesisAccount]


class LeftOutError(FixtureError):
    """A state test of which no block can be made."""


@dataclass(frozen=True, slots=True)
class _Environment:
    """What the block's header shall say. Fees in wei, timestamp in seconds."""

    coinbase: bytes
    gas_limit: int
    number: int
    timestamp: int
    base_fee: int
    random: bytes
    excess_blob_gas: int


def state_names(value: Any) -> list[tuple[str, str]]:
    """Part and network of each post state of a test, in its order: ("Cancun/0", "Cancun") …; none if it has none."""
    post = value.get("post") if isinstance(value, dict) else None
    if not isinstance(post, dict):
        return []
    return [
        (f"{network}/{index}", network)
        for network, entries in post.items()
        for index in range(len(entries) if isinstance(entries, list) else 1)
    ]


def state_cases(value: Any, names: Sequence[tuple[CaseName, bool]]) -> Iterator[Case | LoadFailure]:
    """The post states that are wanted. names: one each, as `state_names` orders them, and whether it is wanted."""
    remaining = iter(names)
    for network, entries in value["post"].items():
        for entry in entries if isinstance(entries, list) else [entries]:
            name, wanted = next(remaining)
            if not wanted:
                continue
            try:
                yield _case(name, network, value, entry)
            except LeftOutError as error:
                yield LoadFailure(name, str(error), left_out=True)
            except FixtureError as error:
                yield LoadFailure(name, str(error))


def _case(name: CaseName, network: str, test: dict[str, Any], entry: Any) -> Case:
    fork, after = forks_of(network)
    if after is not None:
        raise FixtureError(f"post: {network} is no fork")
    if FORKS.index(fork) < FORKS.index("paris"):
        raise LeftOutError("before Paris a block has a reward, which a state test has not")
    post = mapping(entry, f"post.{network}")
    config = network_config(network, test.get("config"))
    environment = _environment(mapping(test["env"], "env"))
    accounts = parse_accounts(test.get("pre"), "pre")
    if "txbytes" not in post:
        raise LeftOutError("the encoded transaction (txbytes) is not given")
    transaction = octets(post["txbytes"], "txbytes")
    exception = post.get("expectException")
    root = octets(post.get("hash"), "hash", 32)
    _check_codes(fork, accounts, transaction)
    if FORKS.index(fork) >= FORKS.index("prague"):
        root = _completed(accounts, post, root, valid=exception is None)
    genesis = Genesis(config, _parent_fields(fork, config, environment, root_of(_state(accounts))), accounts)
    fields = _block_fields(fork, genesis, environment, transaction, root)
    listed = encode_list(transaction if transaction[:1] >= b"\xc0" else encode_string(transaction))
    body = [listed, encode_list(b""), *([encode_list(b"")] if FORKS.index(fork) >= FORKS.index("shanghai") else [])]
    unstated: tuple[str, ...] = ("receipts_root", "logs_bloom", "gas_used")
    if FORKS.index(fork) >= FORKS.index("prague"):
        unstated += ("requests_hash",)
    block = CaseBlock(
        encoded=encode_list(encode_item(fields) + b"".join(body)),
        expected=Expected.VALID if exception is None else Expected.INVALID,
        exception="" if exception is None else text(exception, "expectException"),
        unstated=unstated if exception is None else (),
    )
    return Case(name, (block,), genesis)


def _environment(env: dict[str, Any]) -> _Environment:
    environment = _Environment(
        coinbase=octets(env.get("currentCoinbase"), "currentCoinbase", 20),
        gas_limit=quantity(env.get("currentGasLimit"), "currentGasLimit"),
        number=quantity(env.get("currentNumber"), "currentNumber", 1 << 64),
        timestamp=quantity(env.get("currentTimestamp"), "currentTimestamp", 1 << 64),
        base_fee=quantity(env.get("currentBaseFee", DEFAULT_BASE_FEE), "currentBaseFee"),
        random=quantity(env.get("currentRandom", 0), "currentRandom").to_bytes(32, "big"),
        excess_blob_gas=quantity(env.get("currentExcessBlobGas", 0), "currentExcessBlobGas", 1 << 64),
    )
    if not environment.number or not environment.timestamp:
        raise LeftOutError("block 0, or one at time 0, has no parent")
    if not LEAST_GAS_LIMIT <= environment.gas_limit <= GREATEST_GAS_LIMIT:
        raise LeftOutError(f"no block has the gas limit {environment.gas_limit}")
    return environment


def _check_codes(fork: str, accounts: Accounts, transaction: bytes) -> None:
    for address, first in CALLED.items():
        if FORKS.index(fork) >= FORKS.index(first) and address in accounts:
            raise LeftOutError(f"a block would call the contract at 0x{address.hex()}")
    for address, account in accounts.items():
        if _reads_block_hash(account.code):
            raise LeftOutError(f"BLOCKHASH, in the code of 0x{address.hex()}, is another in a chain")
    # Init code stands in the transaction and has no mark; where it is not code, this leaves one out too many.
    if b"\x40" in transaction and _reads_block_hash(_init_code(transaction)):
        raise LeftOutError("BLOCKHASH, in the transaction's init code, is another in a chain")


def _reads_block_hash(code: bytes) -> bool:
    if BLOCKHASH not in code:
        return False
    at = 0
    while at < len(code):
        opcode = code[at]
        if opcode == BLOCKHASH:
            return True
        at += 1 + (opcode - PUSH1 + 1 if PUSH1 <= opcode <= PUSH32 else 0)
    return False


def _init_code(transaction: bytes) -> bytes:
    try:
        fields = decode_transaction(transaction).fields
    except EncodingError:
        return b""
    return b"" if fields["to"] else bytes(fields["data"])


def _completed(accounts: Accounts, post: dict[str, Any], root: bytes, *, valid: bool) -> bytes:
    """Adds the contracts that a block needs to the pre-state; the root of the post state with them."""
    # py-evm is behind this module, and takes a second to import.
    from verifier.executors.stateful.embedded.system_contracts import SYSTEM_CONTRACTS

    needed = {address: GenesisAccount(nonce=1, code=SYSTEM_CONTRACTS[address]) for address in NEEDED}
    if any(address in accounts for address in NEEDED):
        raise LeftOutError("a block would call the contracts of requests that the test has")
    after = root_of(_state(accounts)) if "state" not in post and not valid else None
    accounts_after = accounts if after == root else None
    if accounts_after is None:
        if "state" not in post:
            raise LeftOutError("its post state is given by its root alone, and a block needs contracts besides")
        accounts_after = parse_accounts(post["state"], "state")
        if root_of(_state(accounts_after)) != root:
            raise FixtureError("state: its root is not the one stated as hash")
    if any(address in accounts_after for address in NEEDED):
        raise LeftOutError("the transaction writes where a block needs a contract")
    with_contracts = root_of(_state(accounts_after | needed))
    accounts.update(needed)
    return with_contracts


def _state(accounts: Accounts) -> dict[bytes, PostAccount]:
    return {
        address: PostAccount(
            nonce=account.nonce,
            balance=account.balance,
            code_hash=keccak256(account.code),
            slots={slot.to_bytes(32, "big"): content for slot, content in account.storage.items()},
        )
        for address, account in accounts.items()
    }


def _parent_fields(fork: str, config: ChainConfig, environment: _Environment, root: bytes) -> tuple[bytes, ...]:
    """A parent from which the block's base fee and excess blob gas follow: half of its gas is used, and no blob."""
    excess = None
    schedule = config.blob_schedule(fork)
    if schedule is not None:
        excess = parent_excess(fork, schedule, environment.excess_blob_gas, environment.base_fee)
        if excess is None:
            raise LeftOutError(f"no parent has excess blob gas {environment.excess_blob_gas} follow from it")
    return _fields(
        fork,
        environment,
        parent_hash=bytes(32),
        coinbase=bytes(20),
        state_root=root,
        transactions_root=EMPTY_ROOT,
        number=environment.number - 1,
        timestamp=environment.timestamp - 1,
        gas_used=environment.gas_limit // 2,
        mix_hash=bytes(32),
        blob_gas_used=0,
        excess_blob_gas=excess or 0,
    )


def _block_fields(fork: str, genesis: Genesis, environment: _Environment, transaction: bytes, root: bytes) -> list[Any]:
    blobs = len(blob_hashes(transaction)) if transaction[:1] == bytes([BLOB]) else 0
    return list(
        _fields(
            fork,
            environment,
            parent_hash=keccak256(encode_item([each or b"" for each in genesis.header_fields])),
            coinbase=environment.coinbase,
            state_root=root,
            transactions_root=list_root([transaction]),
            number=environment.number,
            timestamp=environment.timestamp,
            gas_used=0,
            mix_hash=environment.random,
            blob_gas_used=blobs * GAS_PER_BLOB,
            excess_blob_gas=environment.excess_blob_gas,
        )
    )


def _fields(
    fork: str,
    environment: _Environment,
    *,
    parent_hash: bytes,
    coinbase: bytes,
    state_root: bytes,
    transactions_root: bytes,
    number: int,
    timestamp: int,
    gas_used: int,
    mix_hash: bytes,
    blob_gas_used: int,
    excess_blob_gas: int,
) -> tuple[bytes, ...]:
    fields = [parent_hash, EMPTY_LIST_HASH, coinbase, state_root, transactions_root, EMPTY_ROOT, bytes(256), b""]
    fields += [integer_octets(each) for each in (number, environment.gas_limit, gas_used, timestamp)]
    fields += [b"", mix_hash, bytes(8), integer_octets(environment.base_fee)]
    if FORKS.index(fork) >= FORKS.index("shanghai"):
        fields.append(EMPTY_ROOT)
    if FORKS.index(fork) >= FORKS.index("cancun"):
        fields += [integer_octets(blob_gas_used), integer_octets(excess_blob_gas), bytes(32)]
    if FORKS.index(fork) >= FORKS.index("prague"):
        fields.append(EMPTY_REQUESTS_HASH)
    if FORKS.index(fork) >= FORKS.index("amsterdam"):
        raise LeftOutError("Amsterdam's blocks have an access list, which a state test has not")
    return tuple(fields)
