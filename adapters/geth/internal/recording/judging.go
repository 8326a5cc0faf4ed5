package recording

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/rules"
)

// jumpDestinations are geth's cache of where a code may jump to, by code hash, for all chains.
var jumpDestinations = core.NewJumpDestCache()

// A judging is geth's judgement of one block under way.
type judging struct {
	chain    *Chain
	block    *types.Block
	view     *ancestry
	database *changes
	state    *state.StateDB
	broken   []string // rules, in the order in which they were found broken
	fields   []string // of the header, whose values are not what was computed
	reason   string   // geth's own words on the first; "" as long as geth has nothing against the block
	executed bool     // to the end: the witness has what geth reads of it
}

// judge does what core.BlockChain does with a block: header, body, execution, result. A block with a broken rule is
// executed nevertheless, as other clients may look further before they find it, or not find it at all.
func (work *judging) judge() error {
	work.checkHeader()
	work.checkBody()
	if work.refused() && work.isBoundless() {
		return nil
	}
	return work.execute()
}

// mostExcess is the highest excess blob gas that the blob base fee is computed of where a rule is broken already: it
// takes geth as many steps as there are update fractions (some millions) in it. No chain ever comes near.
const mostExcess = 1 << 32

// isBoundless says whether nobody knows how long the block's execution takes, as its header lets transactions run
// without bounds (London doubles the gas limit), or its blob base fee has astronomically many digits.
func (work *judging) isBoundless() bool {
	excess := work.block.ExcessBlobGas()
	return work.block.GasLimit() > 2*work.view.parent.GasLimit || (excess != nil && *excess > mostExcess)
}

// refuse notes a broken rule, or fields that differ, and the words on whatever comes first.
func (work *judging) refuse(rule, reason string, fields ...string) {
	if rule != "" && !slices.Contains(work.broken, rule) {
		work.broken = append(work.broken, rule)
	}
	work.fields = append(work.fields, fields...)
	if work.reason == "" {
		work.reason = outcome.Line("%s", reason)
	}
}

func (work *judging) refused() bool { return work.reason != "" }

// checkHeader asks geth's engine; the adapter's rules only tell which rule it is that the engine means.
func (work *judging) checkHeader() {
	header := work.block.Header()
	err := engine.VerifyHeader(work.view, header)
	// The timestamp of a block of the future (proof of work) depends on this machine's clock: not a rule of the block.
	if err == nil || errors.Is(err, consensus.ErrFutureBlock) {
		return
	}
	_, named := rules.Header(work.view, header, work.view.parent)
	rule, _ := brokenBy(named)
	if rule == "" {
		rule = ruleName(rpcv1.Rule_RULE_OTHER)
	}
	work.refuse(rule, err.Error())
}

// checkBody checks what core.BlockValidator.ValidateBody checks, which needs a whole BlockChain.
func (work *judging) checkBody() {
	if len(work.block.Uncles()) > 0 {
		work.view.readUncles()
	}
	if _, _, err := rules.Body(work.view, work.block); err != nil {
		work.refuse(brokenBy(err))
	}
	if err := engine.VerifyUncles(work.view, work.block); err != nil {
		work.refuse(ruleName(rpcv1.Rule_RULE_UNCLES), err.Error())
	}
}

func (work *judging) execute() (err error) {
	work.database = &changes{MPTDatabase: state.NewMPTDatabase(work.chain.tries, nil)}
	if work.state, err = state.New(work.view.parent.Root, work.database); err != nil {
		return err
	}
	processor := core.NewStateProcessor(work.view)
	result, failure := processor.Process(context.Background(), work.block, work.state, jumpDestinations, nil,
		vm.Config{DisableParallelExecution: true}, nil)
	if failure == nil {
		work.executed = true
		failure = core.NewBlockValidator(work.view.config, nil).ValidateState(work.block, work.state, result, false)
		if failure != nil {
			work.refuse("", failure.Error(), work.differences(result)...)
		}
	} else {
		work.refuse(ruleOfExecution(failure), failure.Error())
	}
	// Also where geth has not come so far: the others need what the root is computed from.
	work.state.IntermediateRoot(work.rules())
	return work.state.Error()
}

func (work *judging) rules() params.Rules {
	header := work.block.Header()
	return work.view.config.Rules(header.Number, header.Difficulty.Sign() == 0, header.Time)
}

// differences returns all of the header's fields that are not what was computed; geth names the first alone. None:
// what geth refuses is not a value (a field that is not there, a list that is too long).
func (work *judging) differences(result *core.ProcessResult) (fields []string) {
	header := work.block.Header()
	differs := func(field string, differs bool) {
		if differs {
			fields = append(fields, field)
		}
	}
	differs("state_root", work.state.IntermediateRoot(work.rules()) != header.Root)
	differs("receipts_root", types.DeriveSha(result.Receipts, trie.NewStackTrie(nil)) != header.ReceiptHash)
	differs("logs_bloom", types.MergeBloom(result.Receipts) != header.Bloom)
	differs("gas_used", result.GasUsed != header.GasUsed)
	if header.RequestsHash != nil {
		differs("requests_hash", types.CalcRequestsHash(result.Requests) != *header.RequestsHash)
	}
	return fields
}

// ruleOfExecution names the rule that is broken where execution ends early: what geth's error wraps, or its words.
func ruleOfExecution(failure error) string {
	words := failure.Error()
	switch {
	case errors.Is(failure, core.ErrGasLimitReached):
		return ruleName(rpcv1.Rule_RULE_BLOCK_GAS)
	case strings.HasPrefix(words, "could not apply tx"):
		return ruleName(rpcv1.Rule_RULE_TRANSACTION)
	case strings.HasPrefix(words, "failed to parse deposit logs"):
		return ruleName(rpcv1.Rule_RULE_DEPOSIT_REQUESTS)
	case strings.HasPrefix(words, "failed to process"):
		return ruleName(rpcv1.Rule_RULE_SYSTEM_CONTRACT)
	default:
		return ruleName(rpcv1.Rule_RULE_OTHER)
	}
}

// ruleName is a rule's name as the verifier writes it: RULE_BASE_FEE is "base_fee".
func ruleName(rule rpcv1.Rule) string {
	return strings.ToLower(strings.TrimPrefix(rule.String(), "RULE_"))
}

// named are the accounts that a block names or that its fork touches in every block. Some client or other looks at
// each of them, where geth need not.
func (work *judging) named() []common.Address {
	var (
		header = work.block.Header()
		signer = types.MakeSigner(work.view.config, header.Number, header.Time)
		named  = []common.Address{header.Coinbase}
	)
	if work.view.config.IsCancun(header.Number, header.Time) {
		named = append(named, params.SystemAddress)
	}
	for _, transaction := range work.block.Transactions() {
		if sender, err := types.Sender(signer, transaction); err == nil {
			named = append(named, sender)
		}
		if to := transaction.To(); to != nil {
			named = append(named, *to)
		}
		for _, authorization := range transaction.SetCodeAuthorizations() {
			if authority, err := authorization.Authority(); err == nil {
				named = append(named, authority)
			}
		}
	}
	for _, withdrawal := range work.block.Withdrawals() {
		named = append(named, withdrawal.Address)
	}
	for _, uncle := range work.block.Uncles() {
		named = append(named, uncle.Coinbase)
	}
	return named
}
