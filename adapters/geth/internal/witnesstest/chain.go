package witnesstest

import (
	"encoding/json"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// A Chain is a chain that geth's chain maker made, with all nodes and codes of all its states.
type Chain struct {
	Config *params.ChainConfig
	Blocks []*types.Block // from the genesis block on
	State  [][]byte
	Codes  [][]byte
}

// Generate makes a chain of count blocks on a genesis block with alloc.
func Generate(t testing.TB, config *params.ChainConfig, alloc types.GenesisAlloc, count int,
	generate func(number int, block *core.BlockGen),
) *Chain {
	t.Helper()
	return GenerateWithGas(t, config, alloc, 30_000_000, count, generate)
}

// GenerateWithGas is Generate with another gas limit of the blocks.
func GenerateWithGas(t testing.TB, config *params.ChainConfig, alloc types.GenesisAlloc, gasLimit uint64, count int,
	generate func(number int, block *core.BlockGen),
) *Chain {
	t.Helper()
	genesis := &core.Genesis{
		Config: config, GasLimit: gasLimit, Alloc: alloc, Difficulty: big.NewInt(1 << 20),
		BaseFee: big.NewInt(params.InitialBaseFee),
	}
	if config.IsPostMerge(0, 0) {
		genesis.Difficulty = new(big.Int)
	}
	engine := beacon.New(ethash.NewFaker())
	database, blocks, _ := core.GenerateChainWithGenesis(genesis, engine, count, func(index int, block *core.BlockGen) {
		if generate != nil {
			generate(index+1, block)
		}
	})
	chain := &Chain{Config: config, Blocks: append([]*types.Block{genesis.ToBlock()}, blocks...)}
	iterator := database.NewIterator(nil, nil)
	defer iterator.Release()
	for iterator.Next() {
		switch key := iterator.Key(); {
		case len(key) == common.HashLength: // a trie node in hashdb
			chain.State = append(chain.State, slices.Clone(iterator.Value()))
		case len(key) == 1+common.HashLength && key[0] == 'c':
			chain.Codes = append(chain.Codes, slices.Clone(iterator.Value()))
		}
	}
	return chain
}

// Case returns the block at number with a witness of all nodes and codes, and the headers of as many ancestors.
func (chain *Chain) Case(t testing.TB, number, ancestors int) *Case {
	t.Helper()
	return chain.CaseOf(t, chain.Blocks[number], number-1, ancestors)
}

// CaseOf is Case for a block that is not on the chain, but whose parent is, at number.
func (chain *Chain) CaseOf(t testing.TB, block *types.Block, number, ancestors int) *Case {
	t.Helper()
	var (
		config = encode(t, json.Marshal, chain.Config)
		one    = &Case{
			Name:   "generated",
			Header: block.Header(),
			Witness: &Witness{
				ChainID: chain.Config.ChainID.Uint64(), BlockNumber: block.NumberU64(), BlockHash: block.Hash(),
				Block: encode(t, rlp.EncodeToBytes, block), ChainConfig: config, State: chain.State, Codes: chain.Codes,
			},
			PreStateRoot: chain.Blocks[number].Root(),
		}
	)
	for at := max(0, number+1-ancestors); at <= number; at++ {
		header := encode(t, rlp.EncodeToBytes, chain.Blocks[at].Header())
		one.Witness.Headers = append(one.Witness.Headers, header)
	}
	return one
}

// Changed returns the block with its header changed.
func Changed(block *types.Block, change func(*types.Header)) *types.Block {
	header := block.Header() // a copy
	change(header)
	return types.NewBlockWithHeader(header).WithBody(*block.Body())
}

func encode[Value any](t testing.TB, encoder func(any) ([]byte, error), value Value) []byte {
	t.Helper()
	encoded, err := encoder(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
