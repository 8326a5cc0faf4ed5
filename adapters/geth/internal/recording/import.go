package recording

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnessfile"
)

// Rules of blocks that are refused before anything of them is looked at; the contract has no words for these.
const (
	RuleParent = "parent"     // not known
	RuleHash   = "block_hash" // not the one that is stated
)

// An Outcome is what became of a block. A block that nobody can be asked about has no witness.
type Outcome struct {
	Hash     common.Hash // zero where no header can be told from the rest
	Number   uint64
	Accepted bool
	Rules    []string // that a refused block breaks, as the contract names them without RULE_ in lower case
	Fields   []string // of the header, whose values are not what was computed
	Reason   string   // geth's own words, one line
	Witness  *witnessfile.Content
}

// A Pending is a block that is decoded, on a parent that is there, and not judged yet.
type Pending struct {
	Hash   common.Hash
	Number uint64
	// Witness is there where it does not depend on what the block does: all of a small state.
	Witness *witnessfile.Content

	chain   *Chain
	encoded []byte
	opened  *envelope
	work    *judging
}

// Import is Open and Judge.
func (chain *Chain) Import(encoded []byte, stated *common.Hash) (*Outcome, error) {
	pending, result, err := chain.Open(encoded, stated)
	if pending != nil {
		result, err = pending.Judge()
	}
	return result, err
}

// Open decodes a block. stated is the hash that it is said to have, or nil. A block that cannot be judged has its
// outcome at once. The error is a *chainconfig.UnsupportedForkError, or something that says nothing about the block.
func (chain *Chain) Open(encoded []byte, stated *common.Hash) (*Pending, *Outcome, error) {
	opened, err := open(encoded)
	if err != nil {
		return nil, refused(&envelope{}, ruleName(rpcv1.Rule_RULE_BLOCK_ENCODING), "not a block: %v", err), nil
	}
	if stated != nil && *stated != opened.hash {
		return nil, refused(opened, RuleHash, "its hash is %s, %s is stated", opened.hash, *stated), nil
	}
	parent := chain.headers[opened.parent]
	if parent == nil {
		return nil, refused(opened, RuleParent, "unknown ancestor %s", opened.parent), nil
	}
	block, err := decode(encoded)
	if err != nil {
		result := refused(opened, ruleName(rpcv1.Rule_RULE_BLOCK_ENCODING), "%v", err)
		result.Witness, err = chain.undecodable(encoded, opened, parent)
		return nil, result, err
	}
	header := block.Header()
	if err := chain.config.Supported(header.Number, header.Time, header.Difficulty.Sign() == 0); err != nil {
		return nil, nil, err
	}
	config, err := chain.config.At(header.Time)
	if err != nil {
		return nil, nil, err
	}
	pending := &Pending{
		Hash: opened.hash, Number: opened.number, chain: chain, encoded: encoded, opened: opened,
		work: &judging{
			chain: chain,
			block: block,
			view:  &ancestry{chain: chain, config: config, parent: parent, lowest: parent.Number.Uint64()},
		},
	}
	pending.Witness, err = chain.ahead(encoded, opened, parent)
	return pending, nil, err
}

// Judge judges and executes the block, and adds it to the chain where geth accepts it.
func (pending *Pending) Judge() (*Outcome, error) {
	chain, work, opened := pending.chain, pending.work, pending.opened
	isAhead := pending.Witness != nil
	if !isAhead {
		chain.store.begin()
		defer chain.store.pause()
	}
	// geth's panics are refusals where a rule is broken already, and no statement about the block otherwise.
	if err := witnessfile.Guarded(work.judge); err != nil && !work.refused() {
		return nil, err
	}
	if !isAhead {
		if err := work.complete(); err != nil {
			return nil, err
		}
	}
	if err := work.commit(); err != nil {
		return nil, err
	}
	result := &Outcome{
		Hash: opened.hash, Number: opened.number, Accepted: !work.refused(), Rules: work.broken, Fields: work.fields,
		Reason: work.reason, Witness: pending.Witness,
	}
	var err error
	if !isAhead {
		result.Witness, err = pending.noted()
		if err != nil {
			return nil, err
		}
	}
	if result.Accepted {
		err = chain.accept(work.block, work.database)
	}
	return result, err
}

// noted makes the witness of what was read.
func (pending *Pending) noted() (*witnessfile.Content, error) {
	if err := pending.work.clearFirst(); err != nil {
		return nil, err
	}
	headers, err := pending.work.view.headers()
	if err != nil {
		return nil, err
	}
	return pending.chain.content(pending.encoded, pending.opened, pending.chain.store.pause(), headers), nil
}

// decode decodes the block strictly, with geth's bounds on what RLP leaves unbounded.
func decode(encoded []byte) (*types.Block, error) {
	block := new(types.Block)
	if err := rlp.DecodeBytes(encoded, block); err != nil {
		return nil, err
	}
	return block, block.SanityCheck()
}

// undecodable makes the witness of a block that geth cannot decode and others perhaps can: all of the state, as far as
// it is not too large.
func (chain *Chain) undecodable(encoded []byte, opened *envelope, parent *types.Header) (*witnessfile.Content, error) {
	chain.store.begin()
	defer chain.store.pause()
	if err := chain.readEverything(parent.Root, max(chain.WholeState, refusedBytes)); err != nil {
		return nil, err
	}
	header, err := rlp.EncodeToBytes(parent)
	if err != nil {
		return nil, err
	}
	return chain.content(encoded, opened, chain.store.pause(), [][]byte{header}), nil
}

func (chain *Chain) content(encoded []byte, opened *envelope, noted *reads, headers [][]byte) *witnessfile.Content {
	nodes, codes := noted.lists()
	return &witnessfile.Content{
		ChainID:     chain.config.ChainID.Uint64(),
		BlockNumber: opened.number,
		BlockHash:   opened.hash,
		Block:       encoded,
		ChainConfig: chain.document,
		State:       nodes,
		Codes:       codes,
		Headers:     headers,
	}
}

func refused(opened *envelope, rule, format string, arguments ...any) *Outcome {
	return &Outcome{
		Hash: opened.hash, Number: opened.number, Rules: []string{rule}, Reason: outcome.Line(format, arguments...),
	}
}

// brokenBy returns the rule and the words of an outcome.BrokenRule, or "".
func brokenBy(err error) (rule, words string) {
	var broken *outcome.BrokenRule
	if errors.As(err, &broken) {
		return ruleName(broken.Rule), broken.Detail
	}
	return "", fmt.Sprint(err)
}
