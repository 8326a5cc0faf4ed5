"""Blocks of Spurious Dragon in which calls to empty accounts fail.

Empty accounts are only to be found in states from before 2016, and the rules on them only in clients that execute them.
"""

from pathlib import Path

import rlp

from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.embedded.building import address_of
from verifier.executors.stateful.embedded.execution import BlockRun
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.machine import machine_class
from verifier.executors.stateful.embedded.sample_chain import BALANCE, EMPTY_LIST_HASH, EMPTY_TRIE_ROOT
from verifier.executors.stateful.embedded.signing import LEGACY, Call, Wallet
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from witness.chain_config import ChainConfig
from witness.header import keccak256
from witness.store import WitnessStore

FORK = "spurious_dragon"
CHAIN_ID = 7330016
GENESIS_TIME = 1_480_000_000
BLOCK_TIME = 15  # seconds
GAS_LIMIT, DIFFICULTY = 4_000_000, 131_072
RIPEMD160 = (3).to_bytes(20, "big")
EMPTY = address_of("dragon empty")
TOUCHING, OUTER, RIPEMD_CALLER = (address_of(f"dragon {name}") for name in ("touching", "outer", "ripemd"))
FAILED_TOUCH, FAILED_RIPEMD = "failed_touch", "failed_ripemd"
CODES = {
    # Touches the empty account, then has no gas left.
    TOUCHING: assemble("0 0 0 0 0 empty 5000 CALL loop: 1 POP @loop JUMP", empty=EMPTY),
    OUTER: assemble("0 0 0 0 0 touching 20000 CALL 0 SSTORE STOP", touching=TOUCHING),
    # RIPEMD-160 costs 600 gas at least, and gets 100.
    RIPEMD_CALLER: assemble("0 0 0 0 0 3 100 CALL 0 SSTORE STOP"),
}


def make_dragon_blocks(directory: Path) -> dict[str, Path]:
    """Name → the witness file of a block: a call that fails has touched an empty account; and is one to RIPEMD-160."""
    wallet = Wallet(keccak256(b"dragon sender"), CHAIN_ID)
    genesis = _genesis(wallet)
    paths: dict[str, Path] = {}
    with WitnessStore(directory / "witnesses", sync=False) as store:
        executor = EmbeddedExecutor(directory / "state", genesis, store, sync=False)
        try:
            for number, (name, to) in enumerate(((FAILED_TOUCH, OUTER), (FAILED_RIPEMD, RIPEMD_CALLER)), start=1):
                transactions = [wallet.sign(LEGACY, Call(to=address_of("payee"), value=1, gas=21_000))]
                transactions.append(wallet.sign(LEGACY, Call(to=to, gas=100_000)))
                encoded = _build(genesis.config, executor, transactions, GENESIS_TIME + number * BLOCK_TIME)
                outcome = executor.import_block(encoded)
                assert outcome.invalid is None, (name, outcome.invalid)
                assert outcome.path is not None
                paths[name] = outcome.path
        finally:
            executor.close()
    return paths


def _build(config: ChainConfig, executor: EmbeddedExecutor, transactions: list[bytes], timestamp: int) -> bytes:
    machine = machine_class(config, FORK)
    block_class = machine.get_block_class()
    with executor.reading() as reader:
        run = BlockRun(config, FORK, b"", executor.head().hash, reader)
        fields = {"timestamp": timestamp, "gas_limit": GAS_LIMIT}
        draft = block_class(
            header=machine.create_header_from_parent(run.parent, **fields),
            transactions=[block_class.get_transaction_builder().decode(each) for each in transactions],
            uncles=[],
        )
        return bytes(rlp.encode(run.compute(draft)))


def _genesis(wallet: Wallet) -> Genesis:
    numbered = ("homesteadBlock", "eip150Block", "eip155Block", "eip158Block")
    config = ChainConfig(CHAIN_ID, {"chainId": CHAIN_ID, **dict.fromkeys(numbered, 0)})
    fields = (
        bytes(32),
        EMPTY_LIST_HASH,
        bytes(20),
        None,
        EMPTY_TRIE_ROOT,
        EMPTY_TRIE_ROOT,
        bytes(256),
        DIFFICULTY.to_bytes(3, "big"),
        b"",
        GAS_LIMIT.to_bytes(3, "big"),
        b"",
        GENESIS_TIME.to_bytes(4, "big"),
        b"",
        bytes(32),
        bytes(8),
    )
    accounts = {address: GenesisAccount(nonce=1, code=code) for address, code in CODES.items()}
    accounts |= {wallet.address: GenesisAccount(balance=BALANCE), EMPTY: GenesisAccount(), RIPEMD160: GenesisAccount()}
    return Genesis(config, fields, accounts)
