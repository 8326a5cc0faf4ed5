// Package ancestors holds the headers of a witness: the chain below the block, bound to it by their hashes.
package ancestors

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrNoParent is returned where the last header is not the block's parent, or there is none.
var ErrNoParent = errors.New("the witness does not have the parent's header")

// engine is geth's for proof of stake around the one for proof of work. It does not verify proofs of work, as geth
// itself no longer does.
var engine = beacon.New(ethash.NewFaker())

// A Chain is the block's header and its ancestors in the witness. It is geth's core.ChainContext, in place of a
// HeaderChain, which needs a database.
type Chain struct {
	config  *params.ChainConfig
	block   *types.Header
	headers []*types.Header // ascending, the parent last
	hashes  []common.Hash   // of headers
}

// New decodes the headers, ascending with the parent last, and checks by their hashes that they are the chain below
// block. The error is ErrNoParent, or one that says where the chain is broken.
func New(config *params.ChainConfig, block *types.Header, encoded [][]byte) (*Chain, error) {
	chain := &Chain{
		config:  config,
		block:   block,
		headers: make([]*types.Header, len(encoded)),
		hashes:  make([]common.Hash, len(encoded)),
	}
	expected := block.ParentHash
	for index := len(encoded) - 1; index >= 0; index-- {
		hash := crypto.Keccak256Hash(encoded[index])
		if hash != expected {
			if index == len(encoded)-1 {
				return nil, ErrNoParent
			}
			return nil, fmt.Errorf("witness header %d of %d is %s, the header above it names %s", index, len(encoded),
				hash, expected)
		}
		header := new(types.Header)
		if err := rlp.DecodeBytes(encoded[index], header); err != nil {
			return nil, fmt.Errorf("witness header %d of %d: %w", index, len(encoded), err)
		}
		if err := header.SanityCheck(); err != nil {
			return nil, fmt.Errorf("witness header %d of %d: %w", index, len(encoded), err)
		}
		// Below the parent. Whether the block itself follows its parent is a rule of the block.
		if index < len(encoded)-1 && header.Number.Uint64()+1 != chain.headers[index+1].Number.Uint64() {
			return nil, fmt.Errorf("witness header %d of %d has number %d below number %d", index, len(encoded),
				header.Number, chain.headers[index+1].Number)
		}
		chain.headers[index], chain.hashes[index] = header, hash
		expected = header.ParentHash
	}
	if len(encoded) == 0 {
		return chain, ErrNoParent
	}
	return chain, nil
}

// Parent returns the parent's header, or nil where the witness does not have it.
func (chain *Chain) Parent() *types.Header {
	if len(chain.headers) == 0 {
		return nil
	}
	return chain.headers[len(chain.headers)-1]
}

// Hash returns the hash of the ancestor at number, which is below the block's. Where the headers do not reach down to
// it, found is false and missing is the first header that would be needed, with its hash.
func (chain *Chain) Hash(number uint64) (hash common.Hash, missing Position, found bool) {
	// The header at number n+1 names the hash of the one at n; the block itself is the highest of them.
	var (
		distance = chain.block.Number.Uint64() - 1 - number // 0 for the parent
		count    = uint64(len(chain.headers))
	)
	switch {
	case distance == 0:
		return chain.block.ParentHash, Position{}, true
	case distance <= count:
		return chain.headers[count-distance].ParentHash, Position{}, true
	case count == 0:
		return common.Hash{}, Position{chain.block.Number.Uint64() - 1, chain.block.ParentHash}, false
	default:
		lowest := chain.headers[0]
		return common.Hash{}, Position{chain.block.Number.Uint64() - 1 - count, lowest.ParentHash}, false
	}
}

// A Position names a header.
type Position struct {
	Number uint64
	Hash   common.Hash
}

// Config returns the rules of the chain.
func (chain *Chain) Config() *params.ChainConfig { return chain.config }

// Engine returns geth's consensus engine.
func (chain *Chain) Engine() consensus.Engine { return engine }

// CurrentHeader returns the parent's header, or nil.
func (chain *Chain) CurrentHeader() *types.Header { return chain.Parent() }

// GetHeader returns the ancestor with this hash and number, or nil.
func (chain *Chain) GetHeader(hash common.Hash, number uint64) *types.Header {
	if header := chain.GetHeaderByHash(hash); header != nil && header.Number.Uint64() == number {
		return header
	}
	return nil
}

// GetHeaderByNumber returns the ancestor with this number, or nil.
func (chain *Chain) GetHeaderByNumber(number uint64) *types.Header {
	for _, header := range chain.headers {
		if header.Number.Uint64() == number {
			return header
		}
	}
	return nil
}

// GetHeaderByHash returns the ancestor with this hash, or nil.
func (chain *Chain) GetHeaderByHash(hash common.Hash) *types.Header {
	for index := len(chain.hashes) - 1; index >= 0; index-- {
		if chain.hashes[index] == hash {
			return chain.headers[index]
		}
	}
	return nil
}
