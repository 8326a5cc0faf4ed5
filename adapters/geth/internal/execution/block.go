package execution

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Number of items of a header: the Yellow Paper's, and those that geth knows by now.
const (
	leastHeaderFields = 15
	mostHeaderFields  = 23
)

// decodeHeader finds the header in a block's RLP, binds it to the block hash, and decodes it strictly. The outer list
// is looked at leniently here: what is wrong with it is said by decodeBody, once it is sure which block this is.
func decodeHeader(block []byte, hash common.Hash) (*types.Header, error) {
	items, _, err := rlp.SplitList(block)
	if err != nil {
		return nil, outcome.Refuse("the block section is not a block: %v", err)
	}
	fields, rest, err := rlp.SplitList(items)
	if err != nil {
		return nil, outcome.Refuse("the block section has no header: %v", err)
	}
	encoded := items[:len(items)-len(rest)]
	if computed := crypto.Keccak256Hash(encoded); computed != hash {
		return nil, outcome.Refuse("the witness is of block %s, not of %s", computed, hash)
	}
	count, err := rlp.CountValues(fields)
	if err != nil {
		return nil, outcome.Break(rpcv1.Rule_RULE_BLOCK_ENCODING, "header: %v", err)
	}
	if count < leastHeaderFields || count > mostHeaderFields {
		return nil, outcome.Break(rpcv1.Rule_RULE_HEADER_FIELDS, "header with %d fields", count)
	}
	header := new(types.Header)
	if err := rlp.DecodeBytes(encoded, header); err != nil {
		return nil, outcome.Break(rpcv1.Rule_RULE_BLOCK_ENCODING, "header: %v", err)
	}
	// geth's bounds on what RLP leaves unbounded; each of them is beyond what the fields' own rules allow.
	switch {
	case !header.Number.IsUint64():
		return nil, outcome.Break(rpcv1.Rule_RULE_NUMBER, "number of %d bits", header.Number.BitLen())
	case header.Difficulty.BitLen() > 80:
		return nil, outcome.Break(rpcv1.Rule_RULE_DIFFICULTY, "difficulty of %d bits", header.Difficulty.BitLen())
	case header.BaseFee != nil && header.BaseFee.BitLen() > 256:
		return nil, outcome.Break(rpcv1.Rule_RULE_BASE_FEE, "base fee of %d bits", header.BaseFee.BitLen())
	}
	return header, nil
}

// decodeBody decodes the whole block strictly: one RLP value without trailing bytes, in canonical form.
func decodeBody(encoded []byte) (*types.Block, error) {
	block := new(types.Block)
	if err := rlp.DecodeBytes(encoded, block); err != nil {
		return nil, outcome.Break(rpcv1.Rule_RULE_BLOCK_ENCODING, "%v", err)
	}
	return block, nil
}
