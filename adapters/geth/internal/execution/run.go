package execution

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/prestate"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnessstate"
)

// A run is one execution of a task.
type run struct {
	*task
	rules    params.Rules
	state    *state.StateDB
	evm      *vm.EVM
	gas      *core.GasPool
	receipts types.Receipts
	writes   prestate.Writes                  // with a prestate
	requests [][]byte                         // from Prague on; empty and not nil where there are none
	access   *bal.ConstructionBlockAccessList // from Amsterdam on
}

// newRun opens the pre-state: that of the trusted root, whose node must be in the witness, or the prestate section.
func (work *task) newRun() (*run, error) {
	opened, err := work.open()
	if insufficient := work.insufficient(); insufficient != nil {
		return nil, insufficient
	}
	if err != nil {
		return nil, outcome.Crash("opening the state: %v", err)
	}
	run := &run{
		task:   work,
		rules:  work.config.Rules(work.header.Number, work.header.Difficulty.Sign() == 0, work.header.Time),
		state:  opened,
		gas:    core.NewGasPool(work.header.GasLimit),
		access: bal.NewConstructionBlockAccessList(),
	}
	context := core.NewEVMBlockContext(work.header, work.chain, nil)
	context.GetHash = work.blockHash
	var view vm.StateDB = opened
	if work.prestate != nil {
		run.writes = make(prestate.Writes)
		view = state.NewHookedState(opened, run.writes.Hooks())
	}
	run.evm = vm.NewEVM(context, view, work.config, vm.Config{})
	return run, nil
}

func (work *task) open() (*state.StateDB, error) {
	if work.prestate != nil {
		return prestate.Open(work.prestate, work.store)
	}
	return state.New(work.root, witnessstate.NewDatabase(work.store))
}

func (run *run) release() { run.evm.Release() }

// blockHash serves BLOCKHASH, in place of geth's own look-up, which answers 0 for an ancestor that the witness lacks.
// geth asks only for the 256 blocks below this one; what is outside is 0 without being asked for.
func (work *task) blockHash(number uint64) common.Hash {
	hash, missing, found := work.chain.Hash(number)
	if !found {
		if hash, found = work.vouched[number]; found {
			return hash
		}
		work.store.Misses.Header(missing.Number, missing.Hash, "BLOCKHASH asks for an ancestor at or below this one")
	}
	return hash
}

// execute applies the block to the state. A miss or the end of ctx stops the virtual machine.
func (run *run) execute(ctx context.Context) error {
	stop := context.AfterFunc(ctx, run.evm.Cancel)
	defer stop()
	run.store.Misses.OnFirst(func() {
		run.recorder.Silence()
		run.evm.Cancel()
	})

	if run.config.DAOForkSupport && run.config.DAOForkBlock != nil &&
		run.config.DAOForkBlock.Cmp(run.header.Number) == 0 {
		misc.ApplyDAOHardFork(run.state)
	}
	run.systemCallsBefore()
	if err := run.check(ctx, nil); err != nil {
		return err
	}
	signer := types.MakeSigner(run.config, run.header.Number, run.header.Time)
	for index, transaction := range run.block.Transactions() {
		apply := run.apply
		if run.recorder.Wants(index) {
			apply = run.applyTraced
		}
		if err := run.check(ctx, apply(ctx, signer, index, transaction)); err != nil {
			return err
		}
	}
	if err := run.check(ctx, run.systemCallsAfter()); err != nil {
		return err
	}
	// Block and uncle rewards before Paris; afterwards nothing.
	run.chain.Engine().Finalize(run.chain, run.header, run.state, run.block.Body())
	return run.check(ctx, nil)
}

// check decides between what a step said and what it stumbled over: a miss explains any error, and makes any success
// worthless. Only then is err about the block.
func (run *run) check(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if insufficient := run.insufficient(); insufficient != nil {
		return insufficient
	}
	if failure := run.state.Error(); failure != nil {
		return outcome.Crash("geth's state database failed though nothing was missing: %v", failure)
	}
	return err
}

// apply executes one transaction and keeps its receipt.
func (run *run) apply(ctx context.Context, signer types.Signer, index int, transaction *types.Transaction) error {
	message, err := core.TransactionToMessage(transaction, signer, run.header.BaseFee)
	if err != nil {
		return outcome.Break(rpcv1.Rule_RULE_TRANSACTION, "transaction %d (%s): %v", index, transaction.Hash(), err)
	}
	run.state.SetTxContext(transaction.Hash(), index, uint32(index+1))
	receipt, access, err := core.ApplyTransactionWithEVM(ctx, message, run.gas, run.state, run.header.Number,
		run.block.Hash(), run.header.Time, transaction, run.evm)
	if err != nil {
		rule := rpcv1.Rule_RULE_TRANSACTION
		if errors.Is(err, core.ErrGasLimitReached) {
			rule = rpcv1.Rule_RULE_BLOCK_GAS
		}
		return outcome.Break(rule, "transaction %d (%s): %v", index, transaction.Hash(), err)
	}
	run.receipts = append(run.receipts, receipt)
	run.access.Merge(access)
	return nil
}

// applyTraced is apply with the steps recorded. The virtual machine has a tracer only in here, as it uses a slower loop
// with one; and so no system call is ever traced.
func (run *run) applyTraced(ctx context.Context, signer types.Signer, index int, transaction *types.Transaction) error {
	run.recorder.Start(index, transaction.Hash())
	run.evm.Config.Tracer = run.recorder.Hooks()
	err := run.check(ctx, run.apply(ctx, signer, index, transaction))
	run.evm.Config.Tracer = nil
	if err != nil {
		run.recorder.Flush()
		return err
	}
	receipt := run.receipts[index]
	succeeded := receipt.Status == types.ReceiptStatusSuccessful || (!run.rules.IsHomestead && run.recorder.Kept())
	run.recorder.End(succeeded, receipt.GasUsed)
	return nil
}
