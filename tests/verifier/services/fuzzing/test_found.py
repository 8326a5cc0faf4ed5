"""What generated blocks found wrong in py-evm, as small as it got. The values are those of the other clients."""

import pytest

from verifier.domain.conformance import Expected
from verifier.executors.stateful.genesis import GenesisAccount
from verifier.services.fuzzing.construction import Constructor
from verifier.services.fuzzing.draft import AuthorizationDraft, Draft, TransactionDraft
from verifier.services.fuzzing.wallets import CONTRACTS, POOR_ONE, wallets


@pytest.fixture(scope="module")
def constructor() -> Constructor:
    return Constructor()


def test_a_creation_by_a_delegated_sender_pays_for_its_init_code_once(constructor: Constructor) -> None:
    creating = bytes.fromhex("60218060" + "00" + "f0")  # PUSH1 33 DUP1 PUSH1 0 CREATE
    authorization = AuthorizationDraft(authority=2, target=CONTRACTS[0], nonce=3, chain=1)
    transaction = TransactionDraft(sender=2, kind=4, to=wallets()[2].address, authorizations=(authorization,))
    accounts = {CONTRACTS[0]: GenesisAccount(nonce=1, code=creating)}
    assert constructor.build(Draft("prague", accounts, (transaction,)), "name").gas_used == 65_522


@pytest.mark.parametrize("fork", ["shanghai", "osaka"])
def test_a_sender_has_to_have_what_a_transaction_may_cost_at_most(constructor: Constructor, fork: str) -> None:
    # It has 10^15 wei, pays 6 * 10^14, and may have to pay 3 * 10^15.
    built = constructor.build(Draft(fork, transactions=(TransactionDraft(sender=POOR_ONE, to=CONTRACTS[0]),)), "name")
    assert [each.index for each in built.refused] == [0]


@pytest.mark.parametrize("length", [31, 33])
def test_a_versioned_hash_has_32_bytes(constructor: Constructor, length: int) -> None:
    blob = TransactionDraft(kind=3, to=CONTRACTS[0], blob_hashes=(b"\1" * length,))
    built = constructor.build(Draft("prague", transactions=(blob,), with_refused=True), "name")
    assert built.expected is Expected.INVALID
