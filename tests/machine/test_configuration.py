"""Machines out of chain configs: every fork that FORKS has up to BPO5, and the values that a chain sets."""

from typing import Any

import pytest
from eth.vm.forks.prague import PragueVM

from machine.configuration import VIRTUAL_MACHINES, Parts, machine_class, parameters
from tests.machine.running import CONFIG, OwnMachine, OwnState
from witness.chain_config import FORKS, ChainConfig, known_chain_config, parse_chain_config
from witness.errors import ChainConfigError

MAINNET = parse_chain_config(known_chain_config(1))
PARTS = Parts(OwnMachine, OwnState)


def test_every_fork_up_to_bpo5() -> None:
    assert list(VIRTUAL_MACHINES) == list(FORKS[: FORKS.index("amsterdam")])


@pytest.mark.parametrize("fork", VIRTUAL_MACHINES)
def test_machine_of_a_fork(fork: str) -> None:
    chosen = parameters(CONFIG, fork)
    machine = machine_class(chosen, PARTS)
    assert machine.parameters == machine.get_state_class().parameters == chosen
    assert issubclass(machine, (VIRTUAL_MACHINES[fork], OwnMachine))
    assert machine is machine_class(parameters(CONFIG, fork), PARTS)
    assert (chosen.schedule is None) == (FORKS.index(fork) < FORKS.index("cancun"))
    assert [name for name in FORKS if chosen.has(name)] == list(FORKS[: FORKS.index(fork) + 1])


def test_py_evms_own_classes_stay_as_they_are() -> None:
    machine_class(parameters(MAINNET, "bpo2"), PARTS)
    assert PragueVM.fork == "prague"
    assert not hasattr(PragueVM, "parameters")
    assert 0x1E not in PragueVM._state_class.computation_class.opcodes


def test_executor_is_mixed_in_where_given() -> None:
    class OwnExecutor:
        """Nothing of one's own in the executor."""

    machine = machine_class(parameters(MAINNET, "osaka"), Parts(OwnMachine, OwnState, OwnExecutor))
    executor: Any = machine.get_state_class().transaction_executor_class
    assert issubclass(executor, OwnExecutor)
    assert executor.parameters.fork == "osaka"


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_fork_of_the_schedule_alone_needs_its_entry(number: int) -> None:
    document = {**CONFIG.document, "blobSchedule": {**CONFIG.document["blobSchedule"], f"bpo{number}": None}}
    with pytest.raises(ChainConfigError, match=f"no entry for bpo{number}"):
        parameters(ChainConfig(7, document), f"bpo{number}")


def test_deposit_contract() -> None:
    assert parameters(ChainConfig(7, {}), "prague").deposit_contract == bytes(20)
    assert parameters(MAINNET, "prague").deposit_contract.hex() == "00000000219ab540356cbb839cbe05303d7705fa"
    for wrong in ("0x12", "none", 5):
        with pytest.raises(ChainConfigError, match="is not an address"):
            parameters(ChainConfig(7, {"depositContractAddress": wrong}), "prague")


@pytest.mark.parametrize("supported", [True, False])
def test_dao_fork(supported: bool) -> None:
    document = {"homesteadBlock": 0, "daoForkBlock": 20, "daoForkSupport": supported}
    machine = machine_class(parameters(ChainConfig(7, document), "homestead"), PARTS)
    assert machine.support_dao_fork is supported
    assert machine.get_dao_fork_block_number() == 20
    without = machine_class(parameters(ChainConfig(7, {"homesteadBlock": 0}), "homestead"), PARTS)
    assert without.support_dao_fork is False
