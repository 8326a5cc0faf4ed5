package execution_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// prague is one busy block on another.
func prague(t *testing.T) *witnesstest.Chain {
	t.Helper()
	config := witnesstest.Prague()
	return witnesstest.Generate(t, config, witnesstest.Alloc(), 2, witnesstest.Busy(t, config))
}

// callOnce is a chain whose block at number has one transaction that the chain maker has not executed.
func callOnce(t *testing.T, count, number int, to common.Address, gas uint64, input func(*core.BlockGen) []byte,
) *witnesstest.Chain {
	t.Helper()
	return witnesstest.Generate(t, witnesstest.Prague(), witnesstest.Alloc(), count,
		func(at int, block *core.BlockGen) {
			if at == number {
				block.AddUncheckedTx(witnesstest.Legacy(t, block, 0, &to, gas, input(block)))
			}
		})
}

func expectAbstention(t *testing.T, response *rpcv1.ExecuteResponse, reason rpcv1.AbstentionReason,
) *rpcv1.Abstention {
	t.Helper()
	abstention := response.GetAbstention()
	if abstention.GetReason() != reason {
		t.Fatalf("expected %v, got %v", reason, response)
	}
	t.Log(abstention.Detail)
	return abstention
}

const (
	insufficient = rpcv1.AbstentionReason_ABSTENTION_REASON_WITNESS_INSUFFICIENT
	refused      = rpcv1.AbstentionReason_ABSTENTION_REASON_REFUSED
	unsupported  = rpcv1.AbstentionReason_ABSTENTION_REASON_UNSUPPORTED_FORK
)

// BLOCKHASH: geth answers 0 for an ancestor that it does not find.
func TestBlockHash(t *testing.T) {
	chain := callOnce(t, 9, 9, witnesstest.BlockHash, 100_000, func(block *core.BlockGen) []byte {
		return witnesstest.Words(5, block.PrevBlock(4).Hash())
	})
	if got := chain.Blocks[5].Hash(); !bytes.Contains(chain.Blocks[9].Transactions()[0].Data(), got[:]) {
		t.Fatal("the test asks for another block")
	}
	// The header at 6 names the hash of the block at 5, so headers 6 to 8 suffice.
	one := chain.Case(t, 9, 3)
	request := requestOf(one, witnesstest.Encode(one.Witness))
	request.AncestorHashes = map[uint64]common.Hash{5: {1}} // a header comes first
	response := execute(t, request)
	if receipts := response.GetComputed().GetReceipts(); len(receipts) != 1 || !receipts[0].GetSucceeded() {
		t.Fatalf("%v", response)
	}
	for ancestors := 1; ancestors < 3; ancestors++ {
		one := chain.Case(t, 9, ancestors)
		response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
		missing := expectAbstention(t, response, insufficient).Missing[0]
		highest := chain.Blocks[9-ancestors-1]
		if missing.Kind != rpcv1.Missing_KIND_HEADER || missing.Number != highest.NumberU64() ||
			common.Hash(missing.Hash) != highest.Hash() {
			t.Fatalf("%v", missing)
		}
		// The verifier's word stands in for it, and for nothing but the number that it is about.
		request := requestOf(one, witnesstest.Encode(one.Witness))
		request.AncestorHashes = map[uint64]common.Hash{4: chain.Blocks[5].Hash(), 8: {1}}
		expectAbstention(t, execute(t, request), insufficient)
		request.AncestorHashes[5] = chain.Blocks[5].Hash()
		if receipts := execute(t, request).GetComputed().GetReceipts(); len(receipts) != 1 || !receipts[0].GetSucceeded() {
			t.Fatal("the vouched hash is not used")
		}
		request.AncestorHashes[5] = common.Hash{1}
		if receipts := execute(t, request).GetComputed().GetReceipts(); len(receipts) != 1 || receipts[0].GetSucceeded() {
			t.Fatal("another vouched hash is not used")
		}
	}
}

// Outside the window of 256 blocks BLOCKHASH is 0 and needs nothing.
func TestBlockHashOutsideTheWindow(t *testing.T) {
	chain := callOnce(t, 260, 260, witnesstest.BlockHash, 100_000, func(*core.BlockGen) []byte {
		return witnesstest.Words(3, 0)
	})
	one := chain.Case(t, 260, 1)
	response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
	if receipts := response.GetComputed().GetReceipts(); len(receipts) != 1 || !receipts[0].GetSucceeded() {
		t.Fatalf("%v", response)
	}
}

// Without its header the parent's hash still goes into the history contract (EIP-2935), from the block.
func TestParentHeaderOptional(t *testing.T) {
	chain := prague(t)
	one := chain.Case(t, 2, 0)
	request := requestOf(one, witnesstest.Encode(one.Witness))
	missing := expectAbstention(t, execute(t, request), insufficient).Missing
	if len(missing) != 1 || common.Hash(missing[0].Hash) != one.Header.ParentHash || missing[0].Number != 1 {
		t.Fatalf("%v", missing)
	}
	request.ParentOptional = true
	computed := execute(t, request).GetComputed()
	if fields := differences(one.Header, computed); fields != nil {
		t.Fatalf("differs: %v", fields)
	}
	for _, rule := range []rpcv1.Rule{
		rpcv1.Rule_RULE_TIMESTAMP, rpcv1.Rule_RULE_GAS_LIMIT, rpcv1.Rule_RULE_BASE_FEE, rpcv1.Rule_RULE_EXCESS_BLOB_GAS,
	} {
		if !slices.Contains(computed.UncheckedRules, rule) {
			t.Errorf("%v is not said to be unchecked", rule)
		}
	}
	// Where the header is there it counts.
	one = chain.Case(t, 2, 1)
	request = requestOf(one, witnesstest.Encode(one.Witness))
	request.ParentOptional, request.PreStateRoot = true, chain.Blocks[0].Root()
	expectAbstention(t, execute(t, request), refused)
}

// An extra header above the parent must not choose the pre-state.
func TestHeaders(t *testing.T) {
	chain := prague(t)
	stranger, err := rlp.EncodeToBytes(&types.Header{
		Root: chain.Blocks[0].Root(), Number: common.Big2, Difficulty: common.Big0,
	})
	if err != nil {
		t.Fatal(err)
	}
	one := chain.Case(t, 2, 2)
	parent := one.Witness.Headers[1]
	for name, check := range map[string]struct {
		headers [][]byte
		reason  rpcv1.AbstentionReason
	}{
		"a stranger last":  {[][]byte{parent, stranger}, insufficient},
		"a stranger first": {[][]byte{stranger, parent}, refused},
		"descending":       {[][]byte{parent, one.Witness.Headers[0]}, insufficient},
		"the parent twice": {[][]byte{parent, parent}, refused},
		"an empty header":  {[][]byte{{}, parent}, refused},
		"none":             {nil, insufficient},
		"a changed parent": {[][]byte{append([]byte{parent[0]}, bytes.ToUpper(parent[1:])...)}, insufficient},
	} {
		t.Run(name, func(t *testing.T) {
			one.Witness.Headers = check.headers
			expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(one.Witness))), check.reason)
		})
	}
}

func TestOtherBlockAndOtherState(t *testing.T) {
	chain := prague(t)
	one, other := chain.Case(t, 2, 1), chain.Case(t, 1, 1)
	content := witnesstest.Encode(one.Witness)

	request := requestOf(one, content)
	request.BlockHash = chain.Blocks[1].Hash()
	expectAbstention(t, execute(t, request), refused)

	request = requestOf(one, content)
	request.PreStateRoot = common.Hash{1}
	expectAbstention(t, execute(t, request), refused)

	mixed := *one.Witness
	mixed.Block = other.Witness.Block
	expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(&mixed))), refused)

	mixed = *one.Witness
	mixed.BlockNumber++
	expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(&mixed))), refused)

	mixed = *one.Witness
	mixed.ChainID++
	expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(&mixed))), refused)

	for _, block := range [][]byte{{}, {0xc0}, {0x80}, {0xc1, 0x80}, []byte("block"), {0xff, 0xff}} {
		mixed = *one.Witness
		mixed.Block = block
		expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(&mixed))), refused)
	}
	expectAbstention(t, execute(t, &execution.Request{Path: filepath.Join(t.TempDir(), "none")}), refused)
	expectAbstention(t, execute(t, &execution.Request{Content: []byte("short")}), refused)
}

// A change to any byte of a node makes it another node, so the right one is missing.
func TestChangedNode(t *testing.T) {
	chain := prague(t)
	one := chain.Case(t, 2, 1)
	needed := 0
	for index, node := range one.Witness.State {
		changed := slices.Clone(node)
		changed[len(changed)/2] ^= 1
		one.Witness.State[index] = changed
		response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
		one.Witness.State[index] = node
		if computed := response.GetComputed(); computed != nil {
			if fields := differences(one.Header, computed); fields != nil {
				t.Fatalf("node %d: differs: %v", index, fields)
			}
			continue
		}
		needed++
		missing := response.GetAbstention().GetMissing()
		if len(missing) == 0 || common.Hash(missing[0].Hash) != crypto.Keccak256Hash(node) {
			t.Fatalf("node %d: %v", index, response)
		}
	}
	if needed == 0 {
		t.Fatal("no node was needed")
	}
}

// A root that is committed to, but to bytes that are no node. geth panics on some of these.
func TestMalformedNodes(t *testing.T) {
	for _, node := range [][]byte{
		{}, {0xc0}, {0xc2, 0x20, 0x80}, {0xc2, 0x80, 0x80}, bytes.Repeat([]byte{0xff}, 40), []byte("node"),
		append([]byte{0xd1}, bytes.Repeat([]byte{0x80}, 17)...), {0xc3, 0x00, 0xc1, 0x80},
	} {
		root := crypto.Keccak256Hash(node)
		chain := witnesstest.Generate(t, witnesstest.Prague(), witnesstest.Alloc(), 1, nil)
		parent := witnesstest.Changed(chain.Blocks[0], func(header *types.Header) { header.Root = root })
		block := witnesstest.Changed(chain.Blocks[1], func(header *types.Header) { header.ParentHash = parent.Hash() })
		chain.Blocks[0] = parent
		one := chain.CaseOf(t, block, 0, 1)
		one.Witness.State = append(one.Witness.State, node)
		missing := expectAbstention(t, execute(t, requestOf(one, witnesstest.Encode(one.Witness))), insufficient).Missing
		if common.Hash(missing[0].Hash) != root {
			t.Fatalf("%v", missing)
		}
	}
}

// A contract that runs for minutes is stopped at the deadline.
func TestDeadline(t *testing.T) {
	chain := witnesstest.GenerateWithGas(t, witnesstest.Prague(), witnesstest.Alloc(), 1<<50, 1,
		func(_ int, block *core.BlockGen) {
			block.AddUncheckedTx(witnesstest.Legacy(t, block, 0, &witnesstest.Loop, 1<<42, nil))
		})
	one := chain.Case(t, 1, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	response, err := execution.Execute(ctx, requestOf(one, witnesstest.Encode(one.Witness)), time.Now())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, %v", response, err)
	}
}

// A file that is gone is refused.
func TestPath(t *testing.T) {
	chain := prague(t)
	one := chain.Case(t, 2, 1)
	path := filepath.Join(t.TempDir(), "witness")
	if err := os.WriteFile(path, witnesstest.Encode(one.Witness), 0o444); err != nil {
		t.Fatal(err)
	}
	request := requestOf(one, nil)
	request.Path = path
	if execute(t, request).GetComputed() == nil {
		t.Fatal("not computed")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expectAbstention(t, execute(t, request), refused)
}
