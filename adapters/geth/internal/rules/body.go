package rules

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// A Commitment is what the body's lists hash to, computed here and equal to the header's once Body has returned.
type Commitment struct {
	TransactionsRoot common.Hash
	WithdrawalsRoot  *common.Hash // from Shanghai on
	BlobGasUsed      *uint64      // from Cancun on
}

// Body checks the body against the header, as geth's BlockValidator.ValidateBody does, which needs a blockchain. It
// returns an outcome.BrokenRule, or the rules that it could not check for this block.
func Body(chain core.ChainContext, block *types.Block) (*Commitment, []rpcv1.Rule, error) {
	var (
		config = chain.Config()
		header = block.Header()
		rules  = config.Rules(header.Number, header.Difficulty.Sign() == 0, header.Time)
	)
	if rules.IsOsaka && block.Size() > params.MaxBlockSize {
		return nil, nil, outcome.Break(rpcv1.Rule_RULE_BLOCK_SIZE, "%d bytes, at most %d are allowed (EIP-7934)",
			block.Size(), uint64(params.MaxBlockSize))
	}
	if err := checkTransactionTypes(rules, block.Transactions()); err != nil {
		return nil, nil, err
	}
	unchecked, err := checkUncles(chain, block)
	if err != nil {
		return nil, nil, err
	}
	commitment := &Commitment{TransactionsRoot: types.DeriveSha(block.Transactions(), trie.NewStackTrie(nil))}
	if commitment.TransactionsRoot != header.TxHash {
		return nil, nil, outcome.Break(rpcv1.Rule_RULE_TRANSACTIONS_ROOT, "header %s, computed %s", header.TxHash,
			commitment.TransactionsRoot)
	}
	if err := checkWithdrawals(block, commitment); err != nil {
		return nil, nil, err
	}
	if err := checkBlobs(block, commitment); err != nil {
		return nil, nil, err
	}
	return commitment, unchecked, nil
}

// checkTransactionTypes checks that the fork has the transactions' types, and that no blobs are in the block.
func checkTransactionTypes(rules params.Rules, transactions types.Transactions) error {
	active := map[uint8]bool{
		types.LegacyTxType:     true,
		types.AccessListTxType: rules.IsBerlin, // EIP-2930
		types.DynamicFeeTxType: rules.IsLondon, // EIP-1559
		types.BlobTxType:       rules.IsCancun, // EIP-4844
		types.SetCodeTxType:    rules.IsPrague, // EIP-7702
	}
	for index, transaction := range transactions {
		if !active[transaction.Type()] {
			return outcome.Break(rpcv1.Rule_RULE_BLOCK_ENCODING, "transaction %d: type %d is not of this fork", index,
				transaction.Type())
		}
		if transaction.BlobTxSidecar() != nil {
			return outcome.Break(rpcv1.Rule_RULE_BLOCK_ENCODING, "transaction %d has a blob sidecar", index)
		}
	}
	return nil
}

func checkWithdrawals(block *types.Block, commitment *Commitment) error {
	header := block.Header()
	switch {
	case header.WithdrawalsHash == nil && block.Withdrawals() == nil:
		return nil
	case header.WithdrawalsHash == nil:
		return outcome.Break(rpcv1.Rule_RULE_WITHDRAWALS_ROOT, "the body has withdrawals, the header no root of them")
	case block.Withdrawals() == nil:
		return outcome.Break(rpcv1.Rule_RULE_WITHDRAWALS_ROOT, "the body has no list of withdrawals")
	}
	root := types.DeriveSha(block.Withdrawals(), trie.NewStackTrie(nil))
	if root != *header.WithdrawalsHash {
		return outcome.Break(rpcv1.Rule_RULE_WITHDRAWALS_ROOT, "header %s, computed %s", *header.WithdrawalsHash, root)
	}
	commitment.WithdrawalsRoot = &root
	return nil
}

func checkBlobs(block *types.Block, commitment *Commitment) error {
	header := block.Header()
	if header.BlobGasUsed == nil {
		return nil // blob transactions are not of this fork, which has been checked
	}
	var used uint64
	for _, transaction := range block.Transactions() {
		used += uint64(len(transaction.BlobHashes())) * params.BlobTxBlobGasPerBlob
	}
	if used != *header.BlobGasUsed {
		return outcome.Break(rpcv1.Rule_RULE_BLOB_GAS_USED, "header %d, the body has %d", *header.BlobGasUsed, used)
	}
	commitment.BlobGasUsed = &used
	return nil
}

// Uncle rules of the Yellow Paper, section 11.1.
const (
	maxUncles          = 2
	maxUncleGeneration = 6 // an uncle is at most that many blocks older than the block
)

// checkUncles checks the uncles as far as a witness allows: which uncles the ancestors already had is in their bodies,
// and an uncle's parent may be older than the headers that are there.
func checkUncles(chain core.ChainContext, block *types.Block) ([]rpcv1.Rule, error) {
	var (
		header = block.Header()
		uncles = block.Uncles()
	)
	if hash := types.CalcUncleHash(uncles); hash != header.UncleHash {
		return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES_HASH, "header %s, computed %s", header.UncleHash, hash)
	}
	if len(uncles) == 0 {
		return nil, nil
	}
	if len(uncles) > maxUncles {
		return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "%d uncles, at most %d are allowed", len(uncles), maxUncles)
	}
	number := header.Number.Uint64()
	for index, uncle := range uncles {
		if err := uncle.SanityCheck(); err != nil {
			return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %d: %v", index, err)
		}
		// The generation's bounds also keep the reward from wrapping around.
		if at := uncle.Number.Uint64(); at >= number || at+maxUncleGeneration < number {
			return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %d has number %d in block %d", index, at, number)
		}
		switch hash := uncle.Hash(); {
		case index == 1 && hash == uncles[0].Hash():
			return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %s is there twice", hash)
		case hash == header.ParentHash || chain.GetHeaderByHash(hash) != nil:
			return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %s is an ancestor", hash)
		case uncle.ParentHash == header.ParentHash:
			return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %s is a sibling of the block", hash)
		}
		if parent := chain.GetHeaderByHash(uncle.ParentHash); parent != nil {
			if err := checkUncle(chain, uncle, parent); err != nil {
				return nil, outcome.Break(rpcv1.Rule_RULE_UNCLES, "uncle %d: %v", index, err)
			}
		}
	}
	return []rpcv1.Rule{rpcv1.Rule_RULE_UNCLES}, nil
}

// checkUncle asks geth's engine, which takes an uncle for a block of its own: one of the future, by this machine's clock,
// it looks at no further. No such rule holds for uncles (geth's VerifyUncles), so what else does is checked here.
func checkUncle(chain core.ChainContext, uncle, parent *types.Header) error {
	err := chain.Engine().VerifyHeader(chain, uncle)
	if errors.Is(err, consensus.ErrFutureBlock) {
		_, err = Header(chain, uncle, parent)
	}
	return err
}
