package execution

import (
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// systemCallsBefore does what core.PreExecution does, but takes the parent's hash from the block: PreExecution hashes
// the parent's header, which need not be there, and a stand-in for it would write a wrong entry without an error.
func (run *run) systemCallsBefore() {
	access := bal.NewConstructionBlockAccessList()
	if run.header.ParentBeaconRoot != nil { // EIP-4788
		core.ProcessBeaconBlockRoot(*run.header.ParentBeaconRoot, run.evm, access)
	}
	if run.rules.IsPrague { // EIP-2935
		core.ProcessParentBlockHash(run.header.ParentHash, run.evm, access)
	}
	run.access.Merge(access)
}

// systemCallsAfter does what core.PostExecution does, step by step, so that each failure has its rule: withdrawals
// (EIP-4895), deposits from the logs (EIP-6110), and the request contracts (EIP-7002, EIP-7251, EIP-8282).
func (run *run) systemCallsAfter() error {
	var (
		access = bal.NewConstructionBlockAccessList()
		index  = uint32(len(run.block.Transactions()) + 1)
	)
	if run.rules.IsShanghai {
		core.ProcessWithdrawals(run.block.Withdrawals(), run.evm, index, access)
	}
	if run.rules.IsPrague {
		run.requests = [][]byte{}
		var logs []*types.Log
		for _, receipt := range run.receipts {
			logs = append(logs, receipt.Logs...)
		}
		if err := core.ParseDepositLogs(&run.requests, logs, run.config); err != nil {
			return outcome.Break(rpcv1.Rule_RULE_DEPOSIT_REQUESTS, "%v", err)
		}
	}
	for _, queue := range []struct {
		active  bool
		name    string
		process func(*[][]byte, params.Rules, *vm.EVM, uint32, *bal.ConstructionBlockAccessList) error
	}{
		{run.rules.IsPrague, "withdrawal requests", core.ProcessWithdrawalQueue},
		{run.rules.IsPrague, "consolidation requests", core.ProcessConsolidationQueue},
		{run.rules.IsAmsterdam, "builder deposits", core.ProcessBuilderDepositQueue},
		{run.rules.IsAmsterdam, "builder exits", core.ProcessBuilderExitQueue},
	} {
		if !queue.active {
			continue
		}
		if err := queue.process(&run.requests, run.rules, run.evm, index, access); err != nil {
			return outcome.Break(rpcv1.Rule_RULE_SYSTEM_CONTRACT, "%s: %v", queue.name, err)
		}
	}
	run.access.Merge(access)
	return nil
}
