package recording

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// engine is geth's for proof of stake around the one for proof of work, which it no longer verifies.
var engine = beacon.New(ethash.NewFaker())

// uncleAncestors is how many ancestors the rules on uncles look at (Yellow Paper, 11.1).
const uncleAncestors = 7

// An ancestry is the chain as geth sees it below one block. It is geth's core.ChainContext and consensus.ChainReader,
// and notes how far down headers were read.
type ancestry struct {
	chain  *Chain
	config *params.ChainConfig // with the blob schedule that is in force
	parent *types.Header
	lowest uint64 // of the numbers of the headers that were read
}

// headers returns the RLP of the headers that were read, ascending, without gaps, the parent last.
func (view *ancestry) headers() ([][]byte, error) {
	var encoded [][]byte
	for header := view.parent; header != nil; header = view.chain.headers[header.ParentHash] {
		one, err := rlp.EncodeToBytes(header)
		if err != nil {
			return nil, err
		}
		encoded = append([][]byte{one}, encoded...)
		if header.Number.Uint64() <= view.lowest {
			break
		}
	}
	return encoded, nil
}

// readUncles notes the ancestors that the rules on uncles look at.
func (view *ancestry) readUncles() {
	view.lowest = min(view.lowest, max(view.parent.Number.Uint64(), uncleAncestors-1)-(uncleAncestors-1))
}

// Config returns the rules of the chain.
func (view *ancestry) Config() *params.ChainConfig { return view.config }

// Engine returns geth's consensus engine.
func (view *ancestry) Engine() consensus.Engine { return engine }

// CurrentHeader returns the parent's header.
func (view *ancestry) CurrentHeader() *types.Header { return view.parent }

// GetHeader returns the header with this hash and number, or nil.
func (view *ancestry) GetHeader(hash common.Hash, number uint64) *types.Header {
	header := view.chain.headers[hash]
	if header == nil || header.Number.Uint64() != number {
		return nil
	}
	view.lowest = min(view.lowest, number)
	return header
}

// GetHeaderByNumber returns the ancestor with this number, or nil.
func (view *ancestry) GetHeaderByNumber(number uint64) *types.Header {
	for header := view.parent; header != nil; header = view.chain.headers[header.ParentHash] {
		if header.Number.Uint64() == number {
			return header
		}
	}
	return nil
}

// GetHeaderByHash returns one of those ancestors that the rules on uncles look at, or nil: a block of another branch is
// no ancestor.
func (view *ancestry) GetHeaderByHash(hash common.Hash) *types.Header {
	ancestor := view.parent.Hash()
	for range uncleAncestors {
		header := view.chain.headers[ancestor]
		if header == nil || ancestor == hash {
			return header
		}
		ancestor = header.ParentHash
	}
	return nil
}

// GetBlock returns the block with this hash and number, or nil.
func (view *ancestry) GetBlock(hash common.Hash, number uint64) *types.Block {
	block := view.chain.blocks[hash]
	if block == nil || block.NumberU64() != number {
		return nil
	}
	return block
}
