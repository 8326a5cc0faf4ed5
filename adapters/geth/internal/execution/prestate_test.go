package execution_test

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"google.golang.org/protobuf/proto"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// record executes a block in proof mode and adds the prestate section of what geth read to its witness.
func record(t testing.TB, block *witnesstest.Case) *rpcv1.Computed {
	t.Helper()
	read, computed, err := execution.Recorded(proofRequest(block))
	if err != nil {
		t.Fatal(err)
	}
	block.Witness.Prestate = read
	return computed
}

func proofRequest(block *witnesstest.Case) *execution.Request {
	request := requestOf(block, witnesstest.Encode(block.Witness))
	request.AncestorHashes = block.BlockHashes
	return request
}

func prestateRequest(block *witnesstest.Case) *execution.Request {
	request := proofRequest(block)
	request.Prestate = true
	return request
}

// withoutNodes is the block with a witness that has no trie nodes.
func withoutNodes(block *witnesstest.Case) *witnesstest.Case {
	witness := *block.Witness
	witness.State = nil
	stripped := *block
	stripped.Witness = &witness
	return &stripped
}

// recreation names the public fixtures in which an account is destroyed and comes to be again with slots that geth never
// reads: they are not listed, so what the block changed does not tell that they are gone, and does not lead to the root.
const recreation = "test_recreate.py"

// checkPrestate executes a block in both modes: everything but the state must be the same, and what prestate mode says
// was changed must lead from the trusted root to the header's.
func checkPrestate(t *testing.T, block *witnesstest.Case) *rpcv1.Computed {
	t.Helper()
	proof := record(t, block)
	response := execute(t, prestateRequest(withoutNodes(block)))
	computed := response.GetComputed()
	if computed == nil {
		t.Fatalf("%v", response)
	}
	expected := proto.CloneOf(proof)
	expected.StateRoot = nil
	if len(proof.Receipts) > 0 && proof.Receipts[0].Succeeded == nil {
		expected.ReceiptsRoot = nil
		for _, receipt := range expected.Receipts {
			receipt.PostState = nil
		}
	}
	rest := proto.CloneOf(computed)
	rest.PostState = nil
	if !proto.Equal(rest, expected) {
		t.Errorf("with a prestate: %v\nwith proofs: %v", rest, expected)
	}
	if len(computed.StateRoot) != 0 {
		t.Errorf("state root %x", computed.StateRoot)
	}
	checkForm(t, computed.PostState)
	if strings.Contains(block.Name, recreation) {
		return computed
	}
	root, err := execution.Applied(proofRequest(block), computed.PostState)
	if err != nil {
		t.Fatal(err)
	}
	if root != block.Header.Root {
		t.Errorf("the changes lead to %s, not to %s", root, block.Header.Root)
	}
	return computed
}

// checkForm checks order and encodings.
func checkForm(t *testing.T, changes []*rpcv1.PostAccount) {
	t.Helper()
	minimal := func(value []byte) bool { return len(value) <= 32 && (len(value) == 0 || value[0] != 0) }
	for index, change := range changes {
		if len(change.Address) != 20 || (index > 0 && bytes.Compare(changes[index-1].Address, change.Address) >= 0) {
			t.Errorf("account %d: %x is out of order", index, change.Address)
		}
		if change.Deleted {
			if !proto.Equal(change, &rpcv1.PostAccount{Address: change.Address, Deleted: true}) {
				t.Errorf("deleted: %v", change)
			}
			continue
		}
		if !minimal(change.Balance) || len(change.CodeHash) != 32 {
			t.Errorf("%v", change)
		}
		for at, slot := range change.Slots {
			if len(slot.Key) != 32 || !minimal(slot.Value) ||
				(at > 0 && bytes.Compare(change.Slots[at-1].Key, slot.Key) >= 0) {
				t.Errorf("account %x: %v", change.Address, slot)
			}
		}
	}
}

func TestPrestateOfRealBlocks(t *testing.T) {
	for _, block := range witnesstest.RealBlocks(t, "mainnet") {
		t.Run(block.Name, func(t *testing.T) {
			computed := checkPrestate(t, &block)
			known := block.Header.Number.Uint64() >= 4370000 || block.Witness.ChainID != 1 || len(computed.Receipts) == 0
			if known && common.Hash(computed.ReceiptsRoot) != block.Header.ReceiptHash {
				t.Errorf("receipts root %x", computed.ReceiptsRoot)
			}
			if !known && len(computed.ReceiptsRoot) > 0 {
				t.Errorf("receipts root %x", computed.ReceiptsRoot)
			}
			if computed.GasUsed != block.Header.GasUsed {
				t.Errorf("gas used %d", computed.GasUsed)
			}
			slots := 0
			for _, account := range block.Witness.Prestate {
				if account != nil {
					slots += len(account.Slots)
				}
			}
			t.Logf("%d accounts and %d slots read, %d accounts changed", len(block.Witness.Prestate), slots,
				len(computed.PostState))
		})
	}
}

func TestPrestateOfForks(t *testing.T) {
	for name, config := range map[string]*params.ChainConfig{
		"frontier": witnesstest.Frontier(), "london": witnesstest.London(), "shanghai": witnesstest.Shanghai(),
		"prague": witnesstest.Prague(), "amsterdam": witnesstest.Amsterdam(),
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 3, witnesstest.Busy(t, config))
			for number := 1; number <= 3; number++ {
				checkPrestate(t, chain.Case(t, number, number))
			}
		})
	}
}

// dropOfPrestate takes every account and every slot out in turn. The answer must be that the prestate is insufficient,
// naming something that it lacks, or the same as with all of it.
func dropOfPrestate(t *testing.T, block *witnesstest.Case) {
	t.Helper()
	record(t, block)
	block = withoutNodes(block)
	complete := block.Witness.Prestate
	expected := execute(t, prestateRequest(block)).GetComputed()
	if expected == nil {
		t.Fatal("not computed")
	}
	named, other, equal := 0, 0, 0
	try := func(address common.Address, key *common.Hash) {
		response := execute(t, prestateRequest(block))
		abstention := response.GetAbstention()
		switch {
		case abstention.GetReason() == insufficient:
			kind, wanted := rpcv1.Missing_KIND_ACCOUNT, []byte(nil)
			if key != nil {
				kind, wanted = rpcv1.Missing_KIND_SLOT, key.Bytes()
			}
			if slices.ContainsFunc(abstention.Missing, func(missing *rpcv1.Missing) bool {
				return missing.Kind == kind && common.Address(missing.Address) == address && bytes.Equal(missing.Key, wanted)
			}) {
				named++
			} else {
				other++
				t.Errorf("without %s, %v: %v", address, key, abstention.Missing)
			}
		case response.GetComputed() != nil && proto.Equal(response.GetComputed(), expected):
			equal++
		default:
			t.Errorf("without %s, %v: %v", address, key, response)
		}
	}
	for address, account := range complete {
		block.Witness.Prestate = complete.Clone()
		delete(block.Witness.Prestate, address)
		try(address, nil)
		if account == nil {
			continue
		}
		for key := range account.Slots {
			block.Witness.Prestate = complete.Clone()
			delete(block.Witness.Prestate[address].Slots, key)
			try(address, &key)
		}
	}
	t.Logf("%d named, %d others named, %d the same without it", named, other, equal)
	if named == 0 {
		t.Error("nothing was needed")
	}
}

func TestEveryDropOfAPrestate(t *testing.T) {
	for name, config := range map[string]*params.ChainConfig{
		"frontier": witnesstest.Frontier(), "london": witnesstest.London(), "prague": witnesstest.Prague(),
		"amsterdam": witnesstest.Amsterdam(),
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 2, witnesstest.Busy(t, config))
			dropOfPrestate(t, chain.Case(t, 2, 1))
		})
	}
}

func TestEveryDropOfARealPrestate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, block := range witnesstest.RealBlocks(t, "mainnet") {
		if block.Name == "1_22615247_keth" {
			dropOfPrestate(t, &block)
			return
		}
	}
	t.Fatal("block 22615247 is not there")
}

// A file without a section, or with one that is not as documented, is refused; the other obligations stand.
func TestPrestateIsChecked(t *testing.T) {
	chain := prague(t)
	one := chain.Case(t, 2, 1)
	expectAbstention(t, execute(t, prestateRequest(one)), refused)
	record(t, one)
	good := func() *execution.Request { return prestateRequest(withoutNodes(one)) }
	if execute(t, good()).GetComputed() == nil {
		t.Fatal("not computed")
	}
	request := good()
	request.PreStateRoot = common.Hash{1}
	expectAbstention(t, execute(t, request), refused)
	request = good()
	request.BlockHash = common.Hash{1}
	expectAbstention(t, execute(t, request), refused)
	codes := one.Witness.Codes
	one.Witness.Codes = nil
	missing := expectAbstention(t, execute(t, good()), insufficient).Missing
	if missing[0].Kind != rpcv1.Missing_KIND_CODE {
		t.Errorf("%v", missing)
	}
	one.Witness.Codes = codes
	headers := one.Witness.Headers
	one.Witness.Headers = nil
	missing = expectAbstention(t, execute(t, good()), insufficient).Missing
	if missing[0].Kind != rpcv1.Missing_KIND_HEADER {
		t.Errorf("%v", missing)
	}
	one.Witness.Headers = headers
	complete := one.Witness.Prestate
	one.Witness.Prestate = complete.Clone()
	one.Witness.Prestate[witnesstest.Sender].Nonce++
	if broken := execute(t, good()).GetBrokenRule(); broken.GetRule() != rpcv1.Rule_RULE_TRANSACTION {
		t.Errorf("%v", broken)
	}
	one.Witness.Prestate = complete.Clone()
	for key := range one.Witness.Prestate[witnesstest.Storage].Slots {
		one.Witness.Prestate[witnesstest.Storage].Root = types.EmptyRootHash
		one.Witness.Prestate[witnesstest.Storage].Slots[key] = common.Hash{1}
	}
	expectAbstention(t, execute(t, good()), refused)
}

// A lifecycle is a contract that is destroyed and comes to be again in one block, before that was restricted to the
// transaction of its creation (EIP-6780).
type lifecycle struct {
	chain   *witnesstest.Chain
	address common.Address
}

// factory creates, with CREATE2 and no salt, a contract whose code it fetches from source; called with a first word of
// 1 it has it set slot 2 to 7 in its creation.
var (
	factory = common.HexToAddress("0x3000000000000000000000000000000000000001")
	reborn  = crypto.CreateAddress2(factory, common.Hash{}, crypto.Keccak256(rebirth()))
)

// rebirth is creation code: it sets slot 2 to 7, slot 4 to 0 by way of 9, and leaves a code that destroys itself.
func rebirth() []byte {
	return program.New().Sstore(2, 7).Sstore(4, 9).Sstore(4, 0).ReturnData(destruction()).Bytes()
}

func destruction() []byte { return program.New().Push(0).Op(vm.SELFDESTRUCT).Bytes() }

// newLifecycle makes a block that destroys the contract and, if again, creates it anew.
func newLifecycle(t *testing.T, config *params.ChainConfig, again bool) *lifecycle {
	t.Helper()
	alloc := witnesstest.Alloc()
	code := program.New().Create2(rebirth(), 0).Op(vm.POP).Bytes()
	alloc[factory] = types.Account{Code: code, Nonce: 1, Balance: new(big.Int)}
	alloc[reborn] = types.Account{
		Code: destruction(), Nonce: 1, Balance: big.NewInt(5), Storage: map[common.Hash]common.Hash{
			{31: 1}: {31: 11}, {31: 2}: {31: 7}, {31: 3}: {31: 13},
		},
	}
	chain := witnesstest.Generate(t, config, alloc, 1, func(_ int, block *core.BlockGen) {
		block.AddTx(witnesstest.Legacy(t, block, 0, &reborn, 100_000, nil))
		if again {
			block.AddTx(witnesstest.Legacy(t, block, 1, &factory, 1_000_000, nil))
		}
	})
	return &lifecycle{chain, reborn}
}

func changeOf(changes []*rpcv1.PostAccount, address common.Address) *rpcv1.PostAccount {
	for _, change := range changes {
		if common.Address(change.Address) == address {
			return change
		}
	}
	return nil
}

func TestPrestateOfADestroyedAccount(t *testing.T) {
	life := newLifecycle(t, witnesstest.Shanghai(), false)
	computed := checkPrestate(t, life.chain.Case(t, 1, 1))
	if change := changeOf(computed.PostState, life.address); !change.GetDeleted() {
		t.Errorf("%v", change)
	}
}

// The slots that the new account no longer has became zero, as far as they are listed; what it wrote has changed only
// where the value before was another.
func TestPrestateOfARebornAccount(t *testing.T) {
	life := newLifecycle(t, witnesstest.Shanghai(), true)
	one := life.chain.Case(t, 1, 1)
	record(t, one)
	before := one.Witness.Prestate[life.address]
	key := func(last byte) common.Hash { return common.Hash{31: last} }
	one = withoutNodes(one)

	before.Slots = map[common.Hash]common.Hash{key(1): key(11), key(2): key(7), key(4): {}}
	change := changeOf(execute(t, prestateRequest(one)).GetComputed().GetPostState(), life.address)
	expected := &rpcv1.PostAccount{
		Address: life.address.Bytes(), Nonce: 1, CodeHash: crypto.Keccak256(destruction()),
		Slots: []*rpcv1.PostSlot{{Key: key(1).Bytes()}},
	}
	if !proto.Equal(change, expected) {
		t.Errorf("%v, expected %v", change, expected)
	}

	before.Slots = map[common.Hash]common.Hash{key(2): key(6), key(4): key(1)}
	change = changeOf(execute(t, prestateRequest(one)).GetComputed().GetPostState(), life.address)
	expected.Slots = []*rpcv1.PostSlot{{Key: key(2).Bytes(), Value: []byte{7}}, {Key: key(4).Bytes()}}
	if !proto.Equal(change, expected) {
		t.Errorf("%v, expected %v", change, expected)
	}

	// Not listed is zero before: geth itself read none of its slots.
	before.Slots = nil
	change = changeOf(execute(t, prestateRequest(one)).GetComputed().GetPostState(), life.address)
	expected.Slots = []*rpcv1.PostSlot{{Key: key(2).Bytes(), Value: []byte{7}}}
	if !proto.Equal(change, expected) {
		t.Errorf("%v, expected %v", change, expected)
	}
}

// A contract that comes and goes within a block was not there before and is not after it.
func TestPrestateOfAnEphemeralAccount(t *testing.T) {
	alloc := witnesstest.Alloc()
	alloc[factory] = types.Account{
		Code:  program.New().Create2(rebirth(), 0).Op(vm.POP).Call(nil, reborn, 0, 0, 0, 0, 0).Bytes(),
		Nonce: 1, Balance: new(big.Int),
	}
	chain := witnesstest.Generate(t, witnesstest.Prague(), alloc, 1, func(_ int, block *core.BlockGen) {
		block.AddTx(witnesstest.Legacy(t, block, 0, &factory, 1_000_000, nil))
	})
	computed := checkPrestate(t, chain.Case(t, 1, 1))
	if change := changeOf(computed.PostState, reborn); change != nil {
		t.Errorf("%v", change)
	}
}

// An empty account that is touched goes from EIP-161 on; before it, one that is touched comes to be.
func TestPrestateOfTouchedAccounts(t *testing.T) {
	var (
		empty  = common.HexToAddress("0x4000000000000000000000000000000000000001")
		absent = common.HexToAddress("0x4000000000000000000000000000000000000002")
		alloc  = witnesstest.Alloc()
	)
	alloc[empty] = types.Account{Balance: new(big.Int)}
	for name, config := range map[string]*params.ChainConfig{"frontier": witnesstest.Frontier(), "london": witnesstest.London()} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, config, alloc, 1, func(_ int, block *core.BlockGen) {
				block.AddTx(witnesstest.Legacy(t, block, 0, &empty, 100_000, nil))
				block.AddTx(witnesstest.Legacy(t, block, 1, &absent, 100_000, nil))
			})
			changes := checkPrestate(t, chain.Case(t, 1, 1)).PostState
			first, second := changeOf(changes, empty), changeOf(changes, absent)
			if name == "london" && (!first.GetDeleted() || second != nil) {
				t.Errorf("%v, %v", first, second)
			}
			if name == "frontier" && (first != nil || second == nil || second.Deleted || len(second.Balance) > 0 ||
				common.Hash(second.CodeHash) != types.EmptyCodeHash) {
				t.Errorf("%v, %v", first, second)
			}
		})
	}
}

// BenchmarkModes executes real blocks with proofs and with a prestate in turn, and reports the medians in ms.
func BenchmarkModes(b *testing.B) {
	for _, block := range witnesstest.RealBlocks(b, "mainnet") {
		b.Run(block.Name, func(b *testing.B) {
			record(b, &block)
			proof, prestate := proofRequest(&block), prestateRequest(&block)
			var times [2][]time.Duration
			for b.Loop() {
				for index, request := range []*execution.Request{proof, prestate} {
					start := time.Now()
					if response := execute(b, request); response.GetComputed() == nil {
						b.Fatal(response)
					}
					times[index] = append(times[index], time.Since(start))
				}
			}
			b.ReportMetric(0, "ns/op")
			for index, name := range []string{"proof-ms", "prestate-ms"} {
				slices.Sort(times[index])
				b.ReportMetric(float64(times[index][len(times[index])/2].Microseconds())/1000, name)
			}
		})
	}
}
