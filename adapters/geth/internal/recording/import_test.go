package recording_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/recording"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// blocks is how many blocks the chains of these tests have.
const blocks = 3

// TestImport imports busy blocks of each fork, and has the adapter execute each on the witness that was made.
func TestImport(t *testing.T) {
	for _, fork := range []struct {
		name   string
		config *params.ChainConfig
	}{
		{"frontier", witnesstest.Frontier()}, {"london", witnesstest.London()}, {"paris", witnesstest.Paris()},
		{"shanghai", witnesstest.Shanghai()}, {"cancun", witnesstest.Cancun()}, {"prague", witnesstest.Prague()},
		{"osaka", witnesstest.Osaka()}, {"amsterdam", witnesstest.Amsterdam()},
	} {
		t.Run(fork.name, func(t *testing.T) {
			made := witnesstest.Generate(t, fork.config, witnesstest.Alloc(), blocks, witnesstest.Busy(t, fork.config))
			for _, wholeState := range []int{0, 1 << 17} {
				chain := open(t, made)
				chain.WholeState = wholeState
				for number := 1; number <= blocks; number++ {
					outcome := imported(t, chain, encoded(t, made.Blocks[number]))
					if !outcome.Accepted || outcome.Hash != made.Blocks[number].Hash() {
						t.Fatalf("block %d: %+v", number, outcome)
					}
					computed := executed(t, outcome, made.Blocks[number-1].Root()).GetComputed()
					if computed == nil || common.Hash(computed.StateRoot) != made.Blocks[number].Root() {
						t.Fatalf("block %d on its witness: %v", number, computed)
					}
				}
			}
		})
	}
}

// TestAncestors imports a block that asks for the hash of an ancestor, and finds the headers up to it in the witness.
func TestAncestors(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Cancun(), witnesstest.Alloc(), 6, nil)
	chain := open(t, made)
	for number := 1; number < 6; number++ {
		if headers := imported(t, chain, encoded(t, made.Blocks[number])).Witness.Headers; len(headers) != 1 {
			t.Errorf("block %d has %d headers", number, len(headers))
		}
	}
	// The chain maker has no ancestors to ask for, so the block is made of one without transactions, and its values stay.
	header := made.Blocks[6].Header()
	asking := witnesstest.Sign(t, types.LatestSigner(made.Config), &types.LegacyTx{
		To: &witnesstest.BlockHash, Gas: 1_000_000, GasPrice: header.BaseFee, Value: new(big.Int),
		Data: witnesstest.Words(2, made.Blocks[2].Hash()),
	})
	body := &types.Body{Transactions: types.Transactions{asking}, Withdrawals: made.Blocks[6].Withdrawals()}
	reseal(header, body)
	outcome := imported(t, chain, encoded(t, types.NewBlockWithHeader(header).WithBody(*body)))
	if !slices.Contains(outcome.Fields, "gas_used") {
		t.Fatalf("%+v", outcome)
	}
	// Header 3 has the hash of block 2.
	if headers := outcome.Witness.Headers; len(headers) != 3 {
		t.Errorf("%d headers", len(headers))
	}
	receipts := executed(t, outcome, made.Blocks[5].Root()).GetComputed().GetReceipts()
	if len(receipts) != 1 || !receipts[0].GetSucceeded() {
		t.Errorf("on the witness: %v", receipts)
	}
}

// TestAhead has the witness before the block is judged where all of the state fits, with every ancestor, and never where
// one byte more is needed.
func TestAhead(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Cancun(), witnesstest.Alloc(), 4, witnesstest.Busy(t, witnesstest.Cancun()))
	pendingWith := func(wholeState int) *recording.Pending {
		chain := open(t, made)
		for number := 1; number < 4; number++ {
			imported(t, chain, encoded(t, made.Blocks[number]))
		}
		chain.WholeState = wholeState
		pending, _, err := chain.Open(encoded(t, made.Blocks[4]), nil)
		if err != nil {
			t.Fatal(err)
		}
		return pending
	}
	pending := pendingWith(1 << 20)
	if pending.Witness == nil || len(pending.Witness.Headers) != 4 {
		t.Fatalf("%+v", pending.Witness)
	}
	length := 0
	for _, list := range [][][]byte{pending.Witness.State, pending.Witness.Codes, pending.Witness.Headers} {
		for _, one := range list {
			length += len(one)
		}
	}
	if pendingWith(length).Witness != nil || pendingWith(length+1).Witness == nil {
		t.Errorf("all is %d bytes, which decides", length)
	}
	outcome, err := pending.Judge()
	if err != nil || !outcome.Accepted || outcome.Witness != pending.Witness {
		t.Fatalf("%+v, %v", outcome, err)
	}
	computed := executed(t, outcome, made.Blocks[3].Root()).GetComputed()
	if computed == nil || common.Hash(computed.StateRoot) != made.Blocks[4].Root() {
		t.Errorf("on its witness: %v", computed)
	}
}

// TestRefused imports blocks that geth refuses: each is answered with its rule, has a witness on which the adapter says
// the same, and leaves the chain as it was.
func TestRefused(t *testing.T) {
	config := witnesstest.Cancun()
	made := witnesstest.Generate(t, config, witnesstest.Alloc(), blocks, witnesstest.Busy(t, config))
	chain := open(t, made)
	good := made.Blocks[1]
	for _, one := range []struct {
		name   string
		rule   string
		fields []string
		change func(header *types.Header, body *types.Body)
	}{
		{"timestamp", "timestamp", nil, func(header *types.Header, _ *types.Body) { header.Time = 0 }},
		{"gas limit", "gas_limit", nil, func(header *types.Header, _ *types.Body) { header.GasLimit *= 2 }},
		{"boundless gas", "gas_limit", nil, func(header *types.Header, _ *types.Body) { header.GasLimit *= 3 }},
		{"no base fee", "header_fields", nil, func(header *types.Header, _ *types.Body) { shorten(header) }},
		{"boundless excess", "excess_blob_gas", nil, func(header *types.Header, _ *types.Body) {
			*header.ExcessBlobGas = 1<<64 - 3*params.BlobTxBlobGasPerBlob
		}},
		{"transactions root", "transactions_root", nil, func(header *types.Header, _ *types.Body) {
			header.TxHash[0]++
		}},
		{"uncles", "uncles_hash", nil, func(_ *types.Header, body *types.Body) {
			body.Uncles = []*types.Header{good.Header()}
		}},
		{"nonce", "transaction", nil, func(header *types.Header, body *types.Body) {
			body.Transactions = body.Transactions[1:]
			reseal(header, body)
		}},
		{"block gas", "block_gas", nil, func(header *types.Header, body *types.Body) {
			header.GasLimit = made.Blocks[0].GasLimit() - made.Blocks[0].GasLimit()/1024 + 1
			greedy := witnesstest.Sign(t, types.LatestSigner(config), &types.LegacyTx{
				To: &common.Address{1}, Gas: made.Blocks[0].GasLimit(), GasPrice: header.BaseFee, Value: new(big.Int),
			})
			body.Transactions = types.Transactions{greedy}
			*header.BlobGasUsed = 0
			reseal(header, body)
		}},
		{"values", "", []string{"state_root", "receipts_root", "gas_used"}, func(header *types.Header, _ *types.Body) {
			header.Root[0]++
			header.ReceiptHash[0]++
			header.GasUsed++
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			header, body := good.Header(), *good.Body()
			one.change(header, &body)
			block := types.NewBlockWithHeader(header).WithBody(body)
			outcome := imported(t, chain, encoded(t, block))
			if outcome.Accepted || first(outcome) != one.rule || (one.rule == "" && !slices.Equal(outcome.Fields, one.fields)) ||
				outcome.Reason == "" || outcome.Hash != block.Hash() {
				t.Fatalf("%+v", outcome)
			}
			response := executed(t, outcome, made.Blocks[0].Root())
			switch broken := response.GetBrokenRule(); {
			case one.rule == "" && response.GetComputed() == nil:
				t.Errorf("on the witness: %v", response)
			case one.rule != "" && "RULE_"+strings.ToUpper(one.rule) != broken.GetRule().String():
				t.Errorf("on the witness: %v", response)
			}
		})
	}
	if outcome := imported(t, chain, encoded(t, good)); !outcome.Accepted {
		t.Errorf("the good block afterwards: %+v", outcome)
	}
}

// TestNotAsked imports what nobody can be asked about.
func TestNotAsked(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Paris(), witnesstest.Alloc(), 2, nil)
	chain := open(t, made)
	bytes := encoded(t, made.Blocks[1])
	for _, one := range []struct {
		name, rule string
		encoded    []byte
		stated     *common.Hash
	}{
		{"no RLP", "block_encoding", []byte{0xff}, nil},
		{"nothing", "block_encoding", nil, nil},
		{"an empty list", "block_encoding", []byte{0xc0}, nil},
		{"short header", "block_encoding", []byte{0xc3, 0xc0, 0xc0, 0xc0}, nil},
		{"cut", "block_encoding", bytes[:len(bytes)-1], nil},
		{"unknown parent", "parent", encoded(t, made.Blocks[2]), nil},
		{"another hash", "block_hash", bytes, &common.Hash{1}},
	} {
		outcome, err := chain.Import(one.encoded, one.stated)
		if err != nil || outcome.Accepted || first(outcome) != one.rule || outcome.Witness != nil || outcome.Reason == "" {
			t.Errorf("%s: %+v, %v", one.name, outcome, err)
		}
	}
	hash := made.Blocks[1].Hash()
	if outcome, err := chain.Import(bytes, &hash); err != nil || !outcome.Accepted {
		t.Errorf("the stated hash is the right one: %+v, %v", outcome, err)
	}
}

// TestUndecodable imports a block with a field too long for geth: it is refused, and others can be asked about it.
func TestUndecodable(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Paris(), witnesstest.Alloc(), 1, witnesstest.Busy(t, witnesstest.Paris()))
	var items struct {
		Header       []rlp.RawValue
		Transactions rlp.RawValue
		Uncles       rlp.RawValue
	}
	if err := rlp.DecodeBytes(encoded(t, made.Blocks[1]), &items); err != nil {
		t.Fatal(err)
	}
	items.Header[9] = append(rlp.RawValue{0x89}, make([]byte, 9)...) // a gas limit of 72 bits
	items.Header[9][1] = 1
	bytes, err := rlp.EncodeToBytes(items)
	if err != nil {
		t.Fatal(err)
	}
	outcome := imported(t, open(t, made), bytes)
	if outcome.Accepted || first(outcome) != "block_encoding" || outcome.Witness == nil {
		t.Fatalf("%+v", outcome)
	}
	if nodes := len(outcome.Witness.State); nodes < 5 || len(outcome.Witness.Headers) != 1 {
		t.Errorf("%d nodes", nodes)
	}
}

// TestSideBranch imports two blocks on the same parent and one on each of them.
func TestSideBranch(t *testing.T) {
	config := witnesstest.Cancun()
	first := witnesstest.Generate(t, config, witnesstest.Alloc(), 2, witnesstest.Busy(t, config))
	second := witnesstest.Generate(t, config, witnesstest.Alloc(), 2, func(_ int, block *core.BlockGen) {
		block.SetExtra([]byte("another branch"))
		witnesstest.Busy(t, config)(2, block)
	})
	chain := open(t, first)
	for number := 1; number <= 2; number++ {
		for _, branch := range []*witnesstest.Chain{first, second} {
			outcome := imported(t, chain, encoded(t, branch.Blocks[number]))
			if !outcome.Accepted {
				t.Fatalf("block %d: %+v", number, outcome)
			}
			if executed(t, outcome, branch.Blocks[number-1].Root()).GetComputed() == nil {
				t.Errorf("block %d on its witness", number)
			}
		}
	}
}

// TestRefusedChains gives chains that geth cannot begin or go on with.
func TestRefusedChains(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Paris(), witnesstest.Alloc(), 1, nil)
	genesis := made.Blocks[0].Header()
	genesis.Root[0]++
	var wrong *recording.GenesisError
	if _, err := recording.NewChain(document(t, made.Config), genesis, witnesstest.Alloc()); !errors.As(err, &wrong) {
		t.Errorf("a wrong state root: %v", err)
	}
	if _, err := recording.NewChain([]byte("{"), made.Blocks[0].Header(), nil); err == nil {
		t.Error("a chain config that is no JSON")
	}
	unknown := strings.Replace(string(document(t, made.Config)), "{", `{"verkleTime":0,"someTime":0,`, 1)
	chain, err := recording.NewChain([]byte(unknown), made.Blocks[0].Header(), witnesstest.Alloc())
	if err != nil {
		t.Fatal(err)
	}
	var unsupported *chainconfig.UnsupportedForkError
	if _, err := chain.Import(encoded(t, made.Blocks[1]), nil); !errors.As(err, &unsupported) {
		t.Errorf("an unknown fork: %v", err)
	}
}

// first is the rule as which a block is refused, or "".
func first(outcome *recording.Outcome) string {
	if len(outcome.Rules) == 0 {
		return ""
	}
	return outcome.Rules[0]
}

func document(t *testing.T, config *params.ChainConfig) []byte {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func open(t *testing.T, made *witnesstest.Chain) *recording.Chain {
	t.Helper()
	chain, err := recording.NewChain(document(t, made.Config), made.Blocks[0].Header(), witnesstest.Alloc())
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func encoded(t *testing.T, block *types.Block) []byte {
	t.Helper()
	bytes, err := rlp.EncodeToBytes(block)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func imported(t *testing.T, chain *recording.Chain, bytes []byte) *recording.Outcome {
	t.Helper()
	outcome, err := chain.Import(bytes, nil)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Witness == nil {
		t.Fatalf("no witness: %+v", outcome)
	}
	return outcome
}

// executed is the adapter's answer to a block on the witness that was made of it.
func executed(t *testing.T, outcome *recording.Outcome, root common.Hash) *rpcv1.ExecuteResponse {
	t.Helper()
	content, err := witnessfile.Encode(outcome.Witness)
	if err != nil {
		t.Fatal(err)
	}
	request := &execution.Request{Content: content, BlockHash: outcome.Hash, PreStateRoot: root}
	response, err := execution.Execute(context.Background(), request, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// reseal makes the header's transactions root right again.
func reseal(header *types.Header, body *types.Body) {
	header.TxHash = types.NewBlock(header, body, nil, trie.NewStackTrie(nil)).TxHash()
}

// shorten takes away what London and later forks put behind a header.
func shorten(header *types.Header) {
	header.BaseFee, header.WithdrawalsHash, header.BlobGasUsed = nil, nil, nil
	header.ExcessBlobGas, header.ParentBeaconRoot = nil, nil
}
