package execution

import (
	"context"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// compute returns everything that the block's execution gave. Nothing in it is the header's word.
func (run *run) compute(ctx context.Context) (*rpcv1.Computed, error) {
	root, changes := run.finalise()
	// Collapsing a branch reads siblings, so nodes can be missing here, too. The root is then wrong without an error.
	if err := run.check(ctx, nil); err != nil {
		return nil, err
	}
	receipts, err := run.summaries()
	if err != nil {
		return nil, err
	}
	bloom := types.MergeBloom(run.receipts)
	computed := &rpcv1.Computed{
		StateRoot:        root,
		LogsBloom:        bloom.Bytes(),
		GasUsed:          run.gas.Used(),
		TransactionsRoot: run.commitment.TransactionsRoot.Bytes(),
		BlobGasUsed:      run.commitment.BlobGasUsed,
		Receipts:         receipts,
		UncheckedRules:   run.unchecked,
		PostState:        changes,
	}
	// Before Byzantium receipts have state roots in them; the root of no receipts is known nevertheless.
	if run.prestate == nil || run.rules.IsByzantium || len(run.receipts) == 0 {
		computed.ReceiptsRoot = types.DeriveSha(run.receipts, trie.NewStackTrie(nil)).Bytes()
	}
	if run.commitment.WithdrawalsRoot != nil {
		computed.WithdrawalsRoot = run.commitment.WithdrawalsRoot.Bytes()
	}
	if run.rules.IsPrague {
		computed.RequestsHash = types.CalcRequestsHash(run.requests).Bytes()
	}
	if run.rules.IsAmsterdam {
		access := run.access.ToEncodingObj()
		// EIP-7928 bounds the list's size by the gas limit, whatever the header says of it.
		if err := access.Validate(run.header.GasLimit, len(run.block.Transactions())); err != nil {
			return nil, outcome.Break(rpcv1.Rule_RULE_OTHER, "block access list: %v", err)
		}
		computed.BlockAccessListHash = access.Hash().Bytes()
	}
	return computed, nil
}

// finalise returns the state root, or with a prestate what the block changed.
func (run *run) finalise() ([]byte, []*rpcv1.PostAccount) {
	if run.prestate == nil {
		return run.state.IntermediateRoot(run.rules).Bytes(), nil
	}
	run.state.Finalise(run.rules)
	return nil, run.prestate.Changes(run.state, run.writes)
}

func (run *run) summaries() ([]*rpcv1.Receipt, error) {
	summaries := make([]*rpcv1.Receipt, len(run.receipts))
	for index, receipt := range run.receipts {
		logs, err := rlp.EncodeToBytes(receipt.Logs) // each log as [address, topics, data]
		if err != nil {
			return nil, outcome.Crash("encoding the logs of transaction %d: %v", index, err)
		}
		summary := &rpcv1.Receipt{
			CumulativeGasUsed: receipt.CumulativeGasUsed,
			LogsHash:          crypto.Keccak256(logs),
		}
		if run.rules.IsByzantium { // EIP-658
			succeeded := receipt.Status == types.ReceiptStatusSuccessful
			summary.Succeeded = &succeeded
		} else if run.prestate == nil {
			summary.PostState = receipt.PostState
		}
		summaries[index] = summary
	}
	return summaries, nil
}
