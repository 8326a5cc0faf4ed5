package execution_test

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// TestHeaderRules breaks one field of a header at a time.
func TestHeaderRules(t *testing.T) {
	number := func(value uint64) *uint64 { return &value }
	for name, check := range map[string]struct {
		config *params.ChainConfig
		change func(*types.Header)
		rule   rpcv1.Rule
	}{
		"number":         {witnesstest.Prague(), func(h *types.Header) { h.Number = big.NewInt(7) }, rpcv1.Rule_RULE_NUMBER},
		"number 0":       {witnesstest.Prague(), func(h *types.Header) { h.Number = common.Big0 }, rpcv1.Rule_RULE_NUMBER},
		"large number":   {witnesstest.Prague(), func(h *types.Header) { h.Number.Lsh(common.Big1, 64) }, rpcv1.Rule_RULE_NUMBER},
		"timestamp":      {witnesstest.Prague(), func(h *types.Header) { h.Time = 10 }, rpcv1.Rule_RULE_TIMESTAMP},
		"gas limit step": {witnesstest.Prague(), func(h *types.Header) { h.GasLimit *= 2 }, rpcv1.Rule_RULE_GAS_LIMIT},
		"gas limit max":  {witnesstest.Prague(), func(h *types.Header) { h.GasLimit = 1 << 63 }, rpcv1.Rule_RULE_GAS_LIMIT},
		"gas limit min":  {witnesstest.Prague(), func(h *types.Header) { h.GasLimit, h.GasUsed = 4999, 0 }, rpcv1.Rule_RULE_GAS_LIMIT},
		"gas used":       {witnesstest.Prague(), func(h *types.Header) { h.GasUsed = h.GasLimit + 1 }, rpcv1.Rule_RULE_GAS_USED},
		"base fee":       {witnesstest.Prague(), func(h *types.Header) { h.BaseFee.Add(h.BaseFee, common.Big1) }, rpcv1.Rule_RULE_BASE_FEE},
		"large base fee": {witnesstest.Prague(), func(h *types.Header) { h.BaseFee.Lsh(common.Big1, 256) }, rpcv1.Rule_RULE_BASE_FEE},
		"extra data":     {witnesstest.Prague(), func(h *types.Header) { h.Extra = make([]byte, 33) }, rpcv1.Rule_RULE_EXTRA_DATA},
		"difficulty":     {witnesstest.Prague(), func(h *types.Header) { h.Difficulty = common.Big1 }, rpcv1.Rule_RULE_DIFFICULTY},
		"large difficulty": {
			witnesstest.Prague(), func(h *types.Header) { h.Difficulty.Lsh(common.Big1, 80) }, rpcv1.Rule_RULE_DIFFICULTY,
		},
		"nonce":           {witnesstest.Prague(), func(h *types.Header) { h.Nonce[7] = 1 }, rpcv1.Rule_RULE_NONCE},
		"uncles hash":     {witnesstest.Prague(), func(h *types.Header) { h.UncleHash[0]++ }, rpcv1.Rule_RULE_UNCLES_HASH},
		"excess blob gas": {witnesstest.Prague(), func(h *types.Header) { *h.ExcessBlobGas++ }, rpcv1.Rule_RULE_EXCESS_BLOB_GAS},
		"blob gas used": {
			witnesstest.Prague(), func(h *types.Header) { *h.BlobGasUsed += params.BlobTxBlobGasPerBlob },
			rpcv1.Rule_RULE_BLOB_GAS_USED,
		},
		"blob gas used, no multiple": {
			witnesstest.Prague(), func(h *types.Header) { *h.BlobGasUsed++ }, rpcv1.Rule_RULE_BLOB_GAS_USED,
		},
		"blob gas used, too much": {
			witnesstest.Prague(), func(h *types.Header) { *h.BlobGasUsed = 10 * params.BlobTxBlobGasPerBlob },
			rpcv1.Rule_RULE_BLOB_GAS_USED,
		},
		"no requests hash": {
			witnesstest.Prague(), func(h *types.Header) { h.RequestsHash = nil }, rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"requests hash in Cancun": {
			witnesstest.Cancun(), func(h *types.Header) { h.RequestsHash = &common.Hash{} }, rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"withdrawals root in Paris": {
			witnesstest.Paris(), func(h *types.Header) { h.WithdrawalsHash = &common.Hash{} }, rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"no base fee": {witnesstest.London(), func(h *types.Header) { h.BaseFee = nil }, rpcv1.Rule_RULE_HEADER_FIELDS},
		"base fee in Frontier": {
			witnesstest.Frontier(), func(h *types.Header) { h.BaseFee = common.Big1 }, rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"no slot number": {
			witnesstest.Amsterdam(), func(h *types.Header) { h.SlotNumber = nil }, rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"slot number in Osaka": {
			witnesstest.Osaka(), func(h *types.Header) { h.BlockAccessListHash, h.SlotNumber = &common.Hash{}, number(1) },
			rpcv1.Rule_RULE_HEADER_FIELDS,
		},
		"difficulty in Frontier": {
			witnesstest.Frontier(), func(h *types.Header) { h.Difficulty.Add(h.Difficulty, common.Big1) },
			rpcv1.Rule_RULE_DIFFICULTY,
		},
		"difficulty 0 in Frontier": {
			witnesstest.Frontier(), func(h *types.Header) { h.Difficulty = common.Big0 }, rpcv1.Rule_RULE_DIFFICULTY,
		},
		"transactions root": {witnesstest.Prague(), func(h *types.Header) { h.TxHash[0]++ }, rpcv1.Rule_RULE_TRANSACTIONS_ROOT},
		"withdrawals root": {
			witnesstest.Prague(), func(h *types.Header) { h.WithdrawalsHash[0]++ }, rpcv1.Rule_RULE_WITHDRAWALS_ROOT,
		},
		"uncles hash in Frontier": {
			witnesstest.Frontier(), func(h *types.Header) { h.UncleHash[0]++ }, rpcv1.Rule_RULE_UNCLES_HASH,
		},
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, check.config, witnesstest.Alloc(), 2, witnesstest.Busy(t, check.config))
			one := chain.CaseOf(t, witnesstest.Changed(chain.Blocks[2], check.change), 1, 2)
			expectRule(t, one, check.rule)
		})
	}
}

// mergeNetsplitBlock is no sign of The Merge: a proof-of-work block may stand above it.
func TestProofOfWorkAboveTheNetsplitBlock(t *testing.T) {
	config := witnesstest.London()
	config.MergeNetsplitBlock = new(big.Int)
	chain := witnesstest.Generate(t, witnesstest.London(), witnesstest.Alloc(), 1, nil)
	chain.Config = config
	compute(t, chain.Case(t, 1, 1))
}

// Fields that are computed and not checked: the answer has the computed ones, whatever the header says.
func TestComputedNotCompared(t *testing.T) {
	chain := prague(t)
	for name, change := range map[string]func(*types.Header){
		"state root":    func(h *types.Header) { h.Root[0]++ },
		"receipts root": func(h *types.Header) { h.ReceiptHash[0]++ },
		"logs bloom":    func(h *types.Header) { h.Bloom[0]++ },
		"gas used":      func(h *types.Header) { h.GasUsed++ },
		"requests hash": func(h *types.Header) { h.RequestsHash[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			one := chain.CaseOf(t, witnesstest.Changed(chain.Blocks[2], change), 1, 1)
			computed := execute(t, requestOf(one, witnesstest.Encode(one.Witness))).GetComputed()
			if fields := differences(chain.Blocks[2].Header(), computed); fields != nil {
				t.Errorf("differs from the right header: %v", fields)
			}
			if fields := differences(one.Header, computed); !slices.Equal(fields, []string{name}) {
				t.Errorf("differs from the wrong header: %v", fields)
			}
		})
	}
}

// with is block 1 of a chain with transactions in place of its own and everything that follows from them before
// execution right.
func with(t *testing.T, config *params.ChainConfig, inners ...types.TxData) *witnesstest.Case {
	t.Helper()
	chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 1, nil)
	var transactions types.Transactions
	var blobs uint64
	for _, inner := range inners {
		transaction := witnesstest.Sign(t, types.LatestSigner(witnesstest.Amsterdam()), inner)
		transactions = append(transactions, transaction)
		blobs += uint64(len(transaction.BlobHashes()))
	}
	block := witnesstest.Changed(chain.Blocks[1], func(header *types.Header) {
		header.TxHash = types.DeriveSha(transactions, trie.NewStackTrie(nil))
		if header.BlobGasUsed != nil {
			*header.BlobGasUsed = blobs * params.BlobTxBlobGasPerBlob
		}
	})
	block = block.WithBody(types.Body{Transactions: transactions, Withdrawals: block.Withdrawals()})
	return chain.CaseOf(t, block, 0, 1)
}

func legacy(nonce, gas uint64, change func(*types.LegacyTx)) *types.LegacyTx {
	inner := &types.LegacyTx{
		Nonce: nonce, Gas: gas, GasPrice: big.NewInt(2 * params.InitialBaseFee), To: &witnesstest.Bystander,
		Value: new(big.Int),
	}
	if change != nil {
		change(inner)
	}
	return inner
}

func TestTransactionRules(t *testing.T) {
	for name, check := range map[string]struct {
		config *params.ChainConfig
		inners []types.TxData
		rule   rpcv1.Rule
	}{
		"nonce": {
			witnesstest.Prague(), []types.TxData{legacy(0, 50_000, nil), legacy(2, 50_000, nil)}, rpcv1.Rule_RULE_TRANSACTION,
		},
		"intrinsic gas": {witnesstest.Prague(), []types.TxData{legacy(0, 20_999, nil)}, rpcv1.Rule_RULE_TRANSACTION},
		"funds": {witnesstest.Prague(), []types.TxData{legacy(0, 50_000, func(inner *types.LegacyTx) {
			inner.Value = new(big.Int).Lsh(common.Big1, 200)
		})}, rpcv1.Rule_RULE_TRANSACTION},
		"fee cap": {witnesstest.Prague(), []types.TxData{legacy(0, 50_000, func(inner *types.LegacyTx) {
			inner.GasPrice = common.Big1
		})}, rpcv1.Rule_RULE_TRANSACTION},
		"block gas": {witnesstest.Prague(), []types.TxData{
			legacy(0, 50_000, nil), legacy(1, 29_990_000, nil),
		}, rpcv1.Rule_RULE_BLOCK_GAS},
		"gas cap of Osaka": {witnesstest.Osaka(), []types.TxData{legacy(0, 1<<24+1, nil)}, rpcv1.Rule_RULE_TRANSACTION},
		"type of a later fork": {witnesstest.Paris(), []types.TxData{&types.BlobTx{
			BlobHashes: []common.Hash{{1}},
		}}, rpcv1.Rule_RULE_BLOCK_ENCODING},
		"deposit": {witnesstest.Prague(), []types.TxData{legacy(0, 100_000, func(inner *types.LegacyTx) {
			inner.To, inner.Data = &witnesstest.DepositContract, []byte("not a deposit")
		})}, rpcv1.Rule_RULE_DEPOSIT_REQUESTS},
	} {
		t.Run(name, func(t *testing.T) { expectRule(t, with(t, check.config, check.inners...), check.rule) })
	}
	// A cap of one fork is not one of the fork before.
	one := with(t, witnesstest.Prague(), legacy(0, 1<<24+1, nil))
	if response := execute(t, requestOf(one, witnesstest.Encode(one.Witness))); response.GetComputed() == nil {
		t.Errorf("%v", response)
	}
}

// An error whose cause is a missing node is no broken rule.
func TestMissingSenderIsNoBrokenRule(t *testing.T) {
	one := with(t, witnesstest.Prague(), legacy(5, 50_000, nil))
	expectRule(t, one, rpcv1.Rule_RULE_TRANSACTION)
	for index, node := range one.Witness.State {
		state := one.Witness.State
		one.Witness.State = slices.Delete(slices.Clone(state), index, index+1)
		response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
		one.Witness.State = state
		if response.GetBrokenRule() == nil {
			missing := expectAbstention(t, response, insufficient).Missing[0]
			if !bytes.Equal(missing.Hash, crypto.Keccak256(node)) {
				t.Fatalf("%v", missing)
			}
		}
	}
}

func TestSystemContractIsNotThere(t *testing.T) {
	alloc := witnesstest.Alloc()
	chain := witnesstest.Generate(t, witnesstest.Cancun(), alloc, 1, nil)
	delete(alloc, params.ConsolidationQueueAddress)
	without := witnesstest.Generate(t, witnesstest.Cancun(), alloc, 1, nil)
	for name, check := range map[string]struct {
		chain *witnesstest.Chain
		rule  rpcv1.Rule
	}{"there": {chain, rpcv1.Rule_RULE_UNSPECIFIED}, "not there": {without, rpcv1.Rule_RULE_SYSTEM_CONTRACT}} {
		t.Run(name, func(t *testing.T) {
			check.chain.Config = witnesstest.Prague() // the chain maker panics in such a block, so it made one of Cancun
			block := witnesstest.Changed(check.chain.Blocks[1], func(header *types.Header) {
				header.RequestsHash = &common.Hash{}
			})
			one := check.chain.CaseOf(t, block, 0, 1)
			response := execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
			if response.GetBrokenRule().GetRule() != check.rule {
				t.Fatalf("%v", response)
			}
		})
	}
}

// TestBlockEncoding changes the block's RLP around its right header.
func TestBlockEncoding(t *testing.T) {
	chain := prague(t)
	one := chain.Case(t, 2, 1)
	right := one.Witness.Block
	var items []rlp.RawValue
	if err := rlp.DecodeBytes(right, &items); err != nil {
		t.Fatal(err)
	}
	list := func(items ...rlp.RawValue) []byte {
		encoded, err := rlp.EncodeToBytes(items)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	for name, block := range map[string][]byte{
		"trailing bytes":       append(slices.Clone(right), 0),
		"no uncles":            list(items[:2]...),
		"a fifth list":         list(append(slices.Clone(items), rlp.RawValue{0xc0})...),
		"a byte for a list":    list(items[0], rlp.RawValue{0x01}, items[2], items[3]),
		"an empty transaction": list(items[0], rlp.RawValue{0xc1, 0x80}, items[2], items[3]),
		"an unknown type":      list(items[0], rlp.RawValue{0xc3, 0x82, 0x7f, 0x01}, items[2], items[3]),
	} {
		t.Run(name, func(t *testing.T) {
			one.Witness.Block = block
			expectRule(t, one, rpcv1.Rule_RULE_BLOCK_ENCODING)
		})
	}
	one.Witness.Block = list(items[:3]...)
	expectRule(t, one, rpcv1.Rule_RULE_WITHDRAWALS_ROOT)
	one.Witness.Block = list(items[0], items[1], rlp.RawValue(list(items[0])), items[3])
	expectRule(t, one, rpcv1.Rule_RULE_UNCLES_HASH)
	for name, fields := range map[string]int{"few": 14, "many": 24} {
		header, err := rlp.EncodeToBytes(make([]uint, fields))
		if err != nil {
			t.Fatal(err)
		}
		one.Witness.Block = list(header, items[1], items[2], items[3])
		one.Witness.BlockHash = crypto.Keccak256Hash(header)
		t.Run(name, func(t *testing.T) { expectRule(t, one, rpcv1.Rule_RULE_HEADER_FIELDS) })
	}
}

// EIP-7934 from Osaka on.
func TestBlockSize(t *testing.T) {
	config := witnesstest.Osaka()
	inners := make([]types.TxData, 0, 90)
	for nonce := range uint64(90) {
		inners = append(inners, legacy(nonce, 50_000, func(inner *types.LegacyTx) { inner.Data = make([]byte, 100_000) }))
	}
	expectRule(t, with(t, config, inners...), rpcv1.Rule_RULE_BLOCK_SIZE)
	expectRule(t, with(t, witnesstest.Prague(), inners...), rpcv1.Rule_RULE_TRANSACTION) // too little gas, not too big
}

func TestUncles(t *testing.T) {
	uncle := func(chain *witnesstest.Chain, number int64) *types.Header {
		return &types.Header{ParentHash: common.Hash{1}, Number: big.NewInt(number), Difficulty: common.Big1}
	}
	for name, uncles := range map[string]func(*witnesstest.Chain) []*types.Header{
		"too many": func(c *witnesstest.Chain) []*types.Header {
			return []*types.Header{uncle(c, 3), uncle(c, 4), uncle(c, 5)}
		},
		"twice":      func(c *witnesstest.Chain) []*types.Header { return []*types.Header{uncle(c, 5), uncle(c, 5)} },
		"too old":    func(c *witnesstest.Chain) []*types.Header { return []*types.Header{uncle(c, 1)} },
		"too young":  func(c *witnesstest.Chain) []*types.Header { return []*types.Header{uncle(c, 8)} },
		"ancestor":   func(c *witnesstest.Chain) []*types.Header { return []*types.Header{c.Blocks[6].Header()} },
		"the parent": func(c *witnesstest.Chain) []*types.Header { return []*types.Header{c.Blocks[7].Header()} },
		"difficulty": func(c *witnesstest.Chain) []*types.Header {
			header := c.Blocks[6].Header()
			header.Difficulty, header.Extra = common.Big1, []byte("x")
			return []*types.Header{header}
		},
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, witnesstest.London(), witnesstest.Alloc(), 8, func(int, *core.BlockGen) {})
			list := uncles(chain)
			block := witnesstest.Changed(chain.Blocks[8], func(header *types.Header) {
				header.UncleHash = types.CalcUncleHash(list)
			}).WithBody(types.Body{Uncles: list})
			expectRule(t, chain.CaseOf(t, block, 7, 4), rpcv1.Rule_RULE_UNCLES)
		})
	}
}

// TestUnclesOfTheFuture accepts an uncle whatever this machine's clock says, and checks the rest of it all the same.
func TestUnclesOfTheFuture(t *testing.T) {
	chain := witnesstest.Generate(t, witnesstest.London(), witnesstest.Alloc(), 8, func(int, *core.BlockGen) {})
	executed := func(change func(uncle *types.Header)) *rpcv1.ExecuteResponse {
		parent := chain.Blocks[5].Header()
		uncle := chain.Blocks[6].Header()
		uncle.Time = 1 << 40
		uncle.Difficulty = ethash.CalcDifficulty(chain.Config, uncle.Time, parent)
		change(uncle)
		list := []*types.Header{uncle}
		block := witnesstest.Changed(chain.Blocks[8], func(header *types.Header) {
			header.UncleHash = types.CalcUncleHash(list)
		}).WithBody(types.Body{Uncles: list})
		one := chain.CaseOf(t, block, 7, 4)
		return execute(t, requestOf(one, witnesstest.Encode(one.Witness)))
	}
	if response := executed(func(*types.Header) {}); response.GetComputed() == nil {
		t.Errorf("an uncle of the future: %v", response)
	}
	for name, change := range map[string]func(*types.Header){
		"difficulty": func(uncle *types.Header) { uncle.Difficulty.Add(uncle.Difficulty, common.Big1) },
		"gas limit":  func(uncle *types.Header) { uncle.GasLimit *= 2 },
		"base fee":   func(uncle *types.Header) { uncle.BaseFee.Add(uncle.BaseFee, common.Big1) },
		"extra data": func(uncle *types.Header) { uncle.Extra = make([]byte, 33) },
	} {
		if rule := executed(change).GetBrokenRule().GetRule(); rule != rpcv1.Rule_RULE_UNCLES {
			t.Errorf("%s: %v", name, rule)
		}
	}
}
