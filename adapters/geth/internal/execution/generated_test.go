package execution_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// TestForks executes busy blocks of each fork and compares everything with the header that geth's chain maker made.
func TestForks(t *testing.T) {
	for _, fork := range []struct {
		name   string
		config *params.ChainConfig
	}{
		{"frontier", witnesstest.Frontier()}, {"london", witnesstest.London()}, {"paris", witnesstest.Paris()},
		{"shanghai", witnesstest.Shanghai()}, {"cancun", witnesstest.Cancun()}, {"prague", witnesstest.Prague()},
		{"osaka", witnesstest.Osaka()}, {"amsterdam", witnesstest.Amsterdam()},
	} {
		t.Run(fork.name, func(t *testing.T) {
			chain := witnesstest.Generate(t, fork.config, witnesstest.Alloc(), 3, witnesstest.Busy(t, fork.config))
			for number := 1; number <= 3; number++ {
				one := chain.Case(t, number, number)
				computed := compute(t, one)
				checkReceipts(t, chain.Blocks[number], computed)
				if fork.name != "amsterdam" || number != 2 {
					continue
				}
				if computed.BlockAccessListHash == nil {
					t.Fatal("no hash of the block access list")
				}
			}
		})
	}
}

// compute executes a case and fails the test where the answer is not the header's values.
func compute(t *testing.T, one *witnesstest.Case) *rpcv1.Computed {
	t.Helper()
	response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
	computed := response.GetComputed()
	if computed == nil {
		t.Fatalf("not computed: %v", response)
	}
	if fields := differences(one.Header, computed); fields != nil {
		t.Fatalf("differs from the header: %v", fields)
	}
	return computed
}

// checkReceipts checks that before Byzantium receipts carry a state and then a status, and that gas adds up.
func checkReceipts(t *testing.T, block *types.Block, computed *rpcv1.Computed) {
	t.Helper()
	if len(computed.Receipts) != len(block.Transactions()) {
		t.Fatalf("%d receipts for %d transactions", len(computed.Receipts), len(block.Transactions()))
	}
	var previous uint64
	for index, receipt := range computed.Receipts {
		if (receipt.Succeeded == nil) == (receipt.PostState == nil) {
			t.Errorf("receipt %d has status %v and post state %x", index, receipt.Succeeded, receipt.PostState)
		}
		if receipt.CumulativeGasUsed <= previous || len(receipt.LogsHash) != 32 {
			t.Errorf("receipt %d: %v", index, receipt)
		}
		previous = receipt.CumulativeGasUsed
	}
}

func TestUnclesAndTheirReward(t *testing.T) {
	chain := witnesstest.Generate(t, witnesstest.London(), witnesstest.Alloc(), 4,
		func(number int, block *core.BlockGen) {
			if number == 4 {
				block.AddUncle(&types.Header{
					ParentHash: block.PrevBlock(1).Hash(), Number: block.PrevBlock(2).Number(),
					Coinbase: common.Address{0xaa}, Extra: []byte("uncle"),
				})
			}
		})
	computed := compute(t, chain.Case(t, 4, 3))
	if len(computed.UncheckedRules) != 1 || computed.UncheckedRules[0] != rpcv1.Rule_RULE_UNCLES {
		t.Errorf("unchecked: %v", computed.UncheckedRules)
	}
}

// TestEveryDrop is TestEveryDropOfARealBlock for a chain of our own.
func TestEveryDrop(t *testing.T) {
	for name, config := range map[string]*params.ChainConfig{
		"frontier": witnesstest.Frontier(), "prague": witnesstest.Prague(), "amsterdam": witnesstest.Amsterdam(),
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 2, witnesstest.Busy(t, config))
			dropEach(t, chain.Case(t, 2, 1))
		})
	}
}

// TestDAOFork moves the ether of the DAO and wants the fork's extra data.
func TestDAOFork(t *testing.T) {
	config := witnesstest.Frontier()
	config.HomesteadBlock, config.DAOForkBlock = common.Big0, common.Big2
	config.DAOForkSupport = true
	alloc := witnesstest.Alloc()
	alloc[params.DAODrainList()[0]] = types.Account{Balance: common.Big3}
	chain := witnesstest.Generate(t, config, alloc, 2, nil)
	compute(t, chain.Case(t, 2, 1))
	one := chain.CaseOf(t, witnesstest.Changed(chain.Blocks[2], func(header *types.Header) { header.Extra = nil }), 1, 1)
	expectRule(t, one, rpcv1.Rule_RULE_EXTRA_DATA)
}

func expectRule(t *testing.T, one *witnesstest.Case, rule rpcv1.Rule) {
	t.Helper()
	response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
	if response.GetBrokenRule().GetRule() != rule {
		t.Fatalf("expected %v, got %v", rule, response)
	}
	t.Log(response.GetBrokenRule().Detail)
}
