"""What is mixed into py-evm's completed machine so that one block can be computed from a witness, not compared.

The mixed-in methods tell rule from rule, name ancestors that BLOCKHASH asks for and that are not there, and leave out
the comparison with the header. What the EVM does is untouched.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from eth.abc import BlockAndMetaWitness, BlockAPI, BlockHeaderAPI, SignedTransactionAPI
from eth.vm.interrupt import EVMMissingData
from eth_keys.exceptions import BadSignature
from eth_keys.exceptions import ValidationError as KeyValidationError
from eth_typing import Hash32
from eth_utils import ValidationError

from machine.errors import DepositError, RequestError
from verifier.rpc.v1 import executor_pb2 as pb

from .database import WitnessAccountDB
from .misses import record_ancestor


class BrokenRuleError(Exception):
    """The block breaks `rule`; str(error) tells the values. index: the transaction's, where there is one."""

    def __init__(self, rule: pb.Rule, detail: object, index: int | None = None) -> None:
        super().__init__(str(detail))
        self.rule = rule
        self.index = index


class AncestorMissingError(EVMMissingData):
    """BLOCKHASH asks for a block whose hash the witness does not prove."""


class BlockExecutor:
    """Mixed into the transaction executor: what is raised while a transaction is validated is about the transaction."""

    def validate_transaction(self, transaction: SignedTransactionAPI) -> None:
        """py-evm's completed validation. Raises BrokenRuleError."""
        try:
            super().validate_transaction(transaction)  # type: ignore[misc]  # of the class this is mixed into
        except (ValidationError, BadSignature, KeyValidationError) as error:
            raise BrokenRuleError(pb.RULE_TRANSACTION, error) from error


class BlockState:
    """Mixed into the state: reads go to the witness."""

    account_db_class = WitnessAccountDB

    def get_ancestor_hash(self, block_number: int) -> Hash32:
        """The hash that BLOCKHASH asks for; empty outside the 256 blocks before this one, where nothing is missed."""
        try:
            hash_: Hash32 = super().get_ancestor_hash(block_number)  # type: ignore[misc]
        except AncestorMissingError:
            record_ancestor(block_number)
            raise
        return hash_


class BlockMachine:
    """Mixed into the VM. `prepare` has to be called before `import_block`."""

    receipts: tuple[Any, ...]
    _ancestor_hashes: Mapping[int, bytes]

    def prepare(self, ancestor_hashes: Mapping[int, bytes]) -> None:
        """ancestor_hashes: the hashes that the witness proves, by block number."""
        self._ancestor_hashes = ancestor_hashes

    @property
    def previous_hashes(self) -> Iterator[Hash32]:
        """The hashes that BLOCKHASH may ask for, the parent's first; an unproven one raises where it is asked for."""
        number = self.get_header().block_number - 1  # type: ignore[attr-defined]
        while number >= 0:
            hash_ = self._ancestor_hashes.get(number)
            if hash_ is None:
                # py-evm itself would go on with an empty hash: wrong roots and no error.
                raise AncestorMissingError(f"block {number}")
            yield Hash32(hash_)
            number -= 1

    def validate_transaction_against_header(
        self, base_header: BlockHeaderAPI, transaction: SignedTransactionAPI
    ) -> None:
        """py-evm's check that the transaction fits into what is left of the block's gas. Raises BrokenRuleError."""
        try:
            super().validate_transaction_against_header(base_header, transaction)  # type: ignore[misc]
        except ValidationError as error:
            raise BrokenRuleError(pb.RULE_BLOCK_GAS, error) from error

    def apply_transaction(self, header: BlockHeaderAPI, transaction: SignedTransactionAPI) -> Any:
        """py-evm's; a broken rule gets the transaction's index."""
        try:
            return super().apply_transaction(header, transaction)  # type: ignore[misc]
        except BrokenRuleError as error:
            error.index = len(self.receipts)
            raise

    def refuse_requests(self, error: RequestError) -> None:
        """Called where the block's requests break a rule. Raises BrokenRuleError."""
        if isinstance(error, DepositError):
            raise BrokenRuleError(pb.RULE_DEPOSIT_REQUESTS, error, error.index) from error
        raise BrokenRuleError(pb.RULE_SYSTEM_CONTRACT, error) from error

    def mine_block(self, block: BlockAPI, *_: Any, **__: Any) -> BlockAndMetaWitness:
        """Finalizes; py-evm would then validate its own result once more, and ask for the parent again."""
        result: BlockAndMetaWitness = self.finalize_block(self.pack_block(block))  # type: ignore[attr-defined]
        return result
