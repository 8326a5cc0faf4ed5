// Package rules checks what go-ethereum knows of a block before it executes it, rule by rule.
//
// geth's own engine says in words what is wrong with a header; here each rule is checked on its own with geth's
// exported formulas, in a fixed order, so that the broken one has a name. At the end the engine is asked as well.
package rules

import (
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Header checks the header's rules, those of them that need the parent only where parent is not nil. It returns an
// outcome.BrokenRule, or the rules that it could not check for this block.
func Header(chain core.ChainContext, header, parent *types.Header) (unchecked []rpcv1.Rule, err error) {
	config := chain.Config()
	for _, check := range []func(*params.ChainConfig, *types.Header) error{
		checkMerge, checkFields, checkLimits, checkSeal, checkBlobGasUsed,
	} {
		if err := check(config, header); err != nil {
			return nil, err
		}
	}
	proofOfStake := header.Difficulty.Sign() == 0
	if parent == nil {
		unchecked = append(unchecked, rpcv1.Rule_RULE_TIMESTAMP, rpcv1.Rule_RULE_GAS_LIMIT)
		if config.IsLondon(header.Number) {
			unchecked = append(unchecked, rpcv1.Rule_RULE_BASE_FEE)
		}
		if !proofOfStake || !chainconfig.Merged(config, header.Time) {
			unchecked = append(unchecked, rpcv1.Rule_RULE_DIFFICULTY)
		}
		if header.ExcessBlobGas != nil {
			unchecked = append(unchecked, rpcv1.Rule_RULE_EXCESS_BLOB_GAS)
		}
		return unchecked, nil
	}
	if proofOfStake && parent.Difficulty.Sign() > 0 && !chainconfig.Merged(config, header.Time) {
		// EIP-3675: whether the chain had reached the terminal total difficulty is not to be seen from headers.
		unchecked = append(unchecked, rpcv1.Rule_RULE_DIFFICULTY)
	}
	if err := checkAgainstParent(config, header, parent); err != nil {
		return nil, err
	}
	// The timestamp of a block of the future (proof of work) depends on this machine's clock: not a rule of the block.
	if err := chain.Engine().VerifyHeader(chain, header); err != nil && !errors.Is(err, consensus.ErrFutureBlock) {
		return nil, outcome.Break(rpcv1.Rule_RULE_OTHER, "geth's engine: %v", err)
	}
	return unchecked, nil
}

// checkMerge checks that the difficulty is 0 after The Merge, and only then (EIP-3675).
func checkMerge(config *params.ChainConfig, header *types.Header) error {
	if header.Number.Sign() == 0 {
		return outcome.Break(rpcv1.Rule_RULE_NUMBER, "number 0: the genesis block is not executed")
	}
	merged := chainconfig.Merged(config, header.Time)
	switch {
	case merged && header.Difficulty.Sign() != 0:
		return outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty %v after The Merge, must be 0", header.Difficulty)
	case !merged && header.Difficulty.Sign() == 0 && config.TerminalTotalDifficulty == nil:
		return outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty 0 on a chain without The Merge")
	case header.Difficulty.Sign() == 0 && !config.IsLondon(header.Number):
		return outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty 0 before London")
	}
	return nil
}

// checkFields checks that the header has the fields of its fork and no others.
func checkFields(config *params.ChainConfig, header *types.Header) error {
	var (
		rules  = config.Rules(header.Number, header.Difficulty.Sign() == 0, header.Time)
		fields = []struct {
			name     string
			present  bool
			required bool
		}{
			{"baseFeePerGas", header.BaseFee != nil, rules.IsLondon},                      // EIP-1559
			{"withdrawalsRoot", header.WithdrawalsHash != nil, rules.IsShanghai},          // EIP-4895
			{"blobGasUsed", header.BlobGasUsed != nil, rules.IsCancun},                    // EIP-4844
			{"excessBlobGas", header.ExcessBlobGas != nil, rules.IsCancun},                // EIP-4844
			{"parentBeaconBlockRoot", header.ParentBeaconRoot != nil, rules.IsCancun},     // EIP-4788
			{"requestsHash", header.RequestsHash != nil, rules.IsPrague},                  // EIP-7685
			{"blockAccessListHash", header.BlockAccessListHash != nil, rules.IsAmsterdam}, // EIP-7928
			{"slotNumber", header.SlotNumber != nil, rules.IsAmsterdam},                   // EIP-7843
		}
	)
	for _, field := range fields {
		switch {
		case field.required && !field.present:
			return outcome.Break(rpcv1.Rule_RULE_HEADER_FIELDS, "%s is missing", field.name)
		case !field.required && field.present:
			return outcome.Break(rpcv1.Rule_RULE_HEADER_FIELDS, "%s is not of this fork", field.name)
		}
	}
	return nil
}

// checkLimits checks what is bounded by constants or by the header itself.
func checkLimits(config *params.ChainConfig, header *types.Header) error {
	if header.GasLimit > params.MaxGasLimit {
		return outcome.Break(rpcv1.Rule_RULE_GAS_LIMIT, "gas limit %d above %d", header.GasLimit,
			uint64(params.MaxGasLimit))
	}
	if header.GasLimit < params.MinGasLimit {
		return outcome.Break(rpcv1.Rule_RULE_GAS_LIMIT, "gas limit %d below %d", header.GasLimit, params.MinGasLimit)
	}
	if header.GasUsed > header.GasLimit {
		return outcome.Break(rpcv1.Rule_RULE_GAS_USED, "gas used %d above the gas limit %d", header.GasUsed,
			header.GasLimit)
	}
	if uint64(len(header.Extra)) > params.MaximumExtraDataSize {
		return outcome.Break(rpcv1.Rule_RULE_EXTRA_DATA, "extra data of %d bytes, at most %d are allowed",
			len(header.Extra), params.MaximumExtraDataSize)
	}
	if header.Difficulty.Sign() > 0 {
		if err := misc.VerifyDAOHeaderExtraData(config, header); err != nil {
			return outcome.Break(rpcv1.Rule_RULE_EXTRA_DATA, "%v", err)
		}
	}
	return nil
}

// checkSeal checks the constants that stand for the seal from Paris on (EIP-3675).
func checkSeal(_ *params.ChainConfig, header *types.Header) error {
	if header.Difficulty.Sign() != 0 {
		return nil // proof of work, which geth does not verify
	}
	if header.Nonce != (types.BlockNonce{}) {
		return outcome.Break(rpcv1.Rule_RULE_NONCE, "nonce 0x%x, must be 0", header.Nonce[:])
	}
	if header.UncleHash != types.EmptyUncleHash {
		return outcome.Break(rpcv1.Rule_RULE_UNCLES_HASH, "uncles hash %s, must be that of the empty list",
			header.UncleHash)
	}
	return nil
}

// checkBlobGasUsed checks the header's blob gas used against its bounds (EIP-4844). Body checks it against the body.
func checkBlobGasUsed(config *params.ChainConfig, header *types.Header) error {
	if header.BlobGasUsed == nil {
		return nil
	}
	used, most := *header.BlobGasUsed, eip4844.MaxBlobGasPerBlock(config, header.Time)
	if used > most {
		return outcome.Break(rpcv1.Rule_RULE_BLOB_GAS_USED, "blob gas used %d above the maximum %d", used, most)
	}
	if used%params.BlobTxBlobGasPerBlob != 0 {
		return outcome.Break(rpcv1.Rule_RULE_BLOB_GAS_USED, "blob gas used %d is not a multiple of %d", used,
			params.BlobTxBlobGasPerBlob)
	}
	return nil
}

// checkAgainstParent checks what follows from the parent's header.
func checkAgainstParent(config *params.ChainConfig, header, parent *types.Header) error {
	if new(big.Int).Sub(header.Number, parent.Number).Cmp(big.NewInt(1)) != 0 {
		return outcome.Break(rpcv1.Rule_RULE_NUMBER, "number %v on a parent with number %v", header.Number,
			parent.Number)
	}
	if header.Time <= parent.Time {
		return outcome.Break(rpcv1.Rule_RULE_TIMESTAMP, "timestamp %d, the parent's is %d", header.Time, parent.Time)
	}
	if parent.Difficulty.Sign() == 0 && header.Difficulty.Sign() != 0 {
		return outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty %v on a parent after The Merge",
			header.Difficulty)
	}
	if header.Difficulty.Sign() != 0 {
		expected := ethash.CalcDifficulty(config, header.Time, parent)
		if header.Difficulty.Cmp(expected) != 0 {
			return outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty %v, expected %v", header.Difficulty, expected)
		}
	}
	return checkFees(config, header, parent)
}

// checkFees checks the gas limit's step (EIP-1559 doubles it at the fork), the base fee (EIP-1559) and the excess blob
// gas (EIP-4844, EIP-7918).
func checkFees(config *params.ChainConfig, header, parent *types.Header) error {
	parentGasLimit := parent.GasLimit
	if config.IsLondon(header.Number) && !config.IsLondon(parent.Number) {
		parentGasLimit *= config.ElasticityMultiplier()
	}
	if err := misc.VerifyGaslimit(parentGasLimit, header.GasLimit); err != nil {
		return outcome.Break(rpcv1.Rule_RULE_GAS_LIMIT, "%v", err)
	}
	if config.IsLondon(header.Number) {
		if config.IsLondon(parent.Number) && parent.BaseFee == nil {
			return outcome.Refuse("the parent's header has no base fee, though it is from after London")
		}
		if expected := eip1559.CalcBaseFee(config, parent); header.BaseFee.Cmp(expected) != 0 {
			return outcome.Break(rpcv1.Rule_RULE_BASE_FEE, "base fee %v, expected %v", header.BaseFee, expected)
		}
	}
	if header.ExcessBlobGas != nil {
		if expected := eip4844.CalcExcessBlobGas(config, parent, header.Time); *header.ExcessBlobGas != expected {
			return outcome.Break(rpcv1.Rule_RULE_EXCESS_BLOB_GAS, "excess blob gas %d, expected %d",
				*header.ExcessBlobGas, expected)
		}
	}
	return nil
}
