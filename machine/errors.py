"""Rules on requests that a block breaks. Any other broken rule is a plain ValidationError, as in py-evm."""

from eth_utils.exceptions import ValidationError


class RequestError(ValidationError):
    """The block's execution requests (EIP-7685) cannot be made."""


class SystemContractError(RequestError):
    """A contract that requests come from is not there, or its call fails (EIP-7002, EIP-7251)."""


class DepositError(RequestError):
    """An event of the deposit contract has not the layout of EIP-6110. index: of the transaction that logged it."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index
