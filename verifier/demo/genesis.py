"""The genesis of a private chain: one fork's rules from its first block, contracts to call, accounts that can pay."""

from typing import Any

from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES, CONTRACTS
from verifier.executors.stateful.embedded.signing import Wallet
from verifier.executors.stateful.embedded.system_contracts import AMSTERDAM_CONTRACTS, SYSTEM_CONTRACTS
from witness.chain_config import FORKS, NUMBERED_FORKS, TIMED_FORKS
from witness.header import keccak256

CHAIN_ID = 7330002
GAS_LIMIT = 30_000_000
BASE_FEE = 10**9  # wei
BALANCE = 10**24  # wei
# Who pays for what. A pool of transactions takes either blobs or others from an account, hence `blobs`; `authority`
# delegates and never sends (EIP-7702); `visitor` is nobody's in the traffic.
WALLETS = ("transfers", "calls", "blobs", "delegations", "authority", "visitor")
OPTIONAL_FORKS = ("dao", "muir_glacier", "arrow_glacier", "gray_glacier")
BLOB_SCHEDULE = {
    "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
    "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
    "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
    "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8346193},
    "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11684671},
    "amsterdam": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11684671},
}


def wallets() -> dict[str, Wallet]:
    """The accounts that can pay, by name, with nonce 0."""
    return {name: Wallet(keccak256(f"private chain {name}".encode()), CHAIN_ID) for name in WALLETS}


def private_genesis(fork: str, timestamp: int) -> dict[str, Any]:
    """A genesis document in geth's form. fork: "paris" or a later one up to "amsterdam"; timestamp: seconds.

    Every fork up to `fork` is active from the genesis block on. Forks that only change the blob schedule ("bpo1") are
    left out unless named or passed by.
    """
    active = FORKS[: FORKS.index(fork) + 1]
    config: dict[str, Any] = {"chainId": CHAIN_ID, "eip155Block": 0, "terminalTotalDifficulty": 0}
    config |= {key: 0 for name, key in NUMBERED_FORKS if name not in OPTIONAL_FORKS}
    timed = {name: key for name, key in TIMED_FORKS if name in active and (name in BLOB_SCHEDULE or name == "shanghai")}
    config |= dict.fromkeys(timed.values(), 0)
    config["blobSchedule"] = {name: BLOB_SCHEDULE[name] for name in timed if name in BLOB_SCHEDULE}
    config["depositContractAddress"] = f"0x{ADDRESSES['deposits'].hex()}"
    codes = [*SYSTEM_CONTRACTS.items(), *CONTRACTS.values()]
    if fork == "amsterdam":
        codes += AMSTERDAM_CONTRACTS.items()
    alloc: dict[str, Any] = {
        address.hex(): {"balance": "0x0", "nonce": "0x1", "code": f"0x{code.hex()}"} for address, code in codes
    }
    # A trie with branches, an extension and leaves from the start.
    alloc[ADDRESSES["writer"].hex()]["storage"] = {
        f"0x{slot:064x}": f"0x{slot + 1:064x}" for slot in range(0x1000, 0x1010)
    }
    alloc |= {wallet.address.hex(): {"balance": hex(BALANCE)} for wallet in wallets().values()}
    return {
        "config": config,
        "nonce": "0x0",
        "timestamp": hex(timestamp),
        "extraData": "0x" + b"private chain".hex(),
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": "0x0",
        "mixHash": f"0x{bytes(32).hex()}",
        "coinbase": f"0x{bytes(20).hex()}",
        "baseFeePerGas": hex(BASE_FEE),
        "alloc": dict(sorted(alloc.items())),
    }
