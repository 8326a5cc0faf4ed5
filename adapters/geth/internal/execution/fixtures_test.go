package execution_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	forks "github.com/ethereum/go-ethereum/tests"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// divergences are fixtures that go-ethereum 1.17.10 itself does not agree with, by its own list in tests/block_test.go;
// the adapter shows its answer and does not hide it.
var divergences = map[string]string{
	"RevertInCreateInInit":           "storage is left at an address where a contract is created",
	"InitCollisionParis":             "storage is left at an address where a contract is created",
	"dynamicAccountOverwriteEmpty":   "storage is left at an address where a contract is created",
	"create2collisionStorageParis":   "storage is left at an address where a contract is created",
	"powToPosBlockRejection":         "the total difficulty is not to be seen from headers",
	"blockChainFrontierWithLargerTD": "the total difficulty is not to be seen from headers",
}

// A fixture is a BlockchainTest of ethereum/tests or execution-spec-tests.
type fixture struct {
	Network    string             `json:"network"`
	GenesisRLP hexutil.Bytes      `json:"genesisRLP"`
	Pre        types.GenesisAlloc `json:"pre"`
	Blocks     []struct {
		RLP             hexutil.Bytes `json:"rlp"`
		ExpectException string        `json:"expectException"`
	} `json:"blocks"`
}

// tally counts what the blocks of the fixtures came to.
type tally struct{ valid, rejected, different, refused, skipped int }

// TestFixtures executes the blocks of public fixtures. The state is geth's own blockchain, which gives each block's
// witness: all nodes and codes that there are. Valid blocks must give the header's values, invalid ones must not; valid
// ones must give the same on a prestate.
func TestFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	folder := os.Getenv("GETH_ADAPTER_FIXTURES") // another folder in ../shared/data
	if folder == "" {
		folder = filepath.Join("eest", "blockchain_tests")
	}
	root := filepath.Join("..", "..", "..", "..", "..", "shared", "data", folder)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		t.Skip("../shared/data/" + folder + " is not beside the checkout")
	}
	var counts tally
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		for name, test := range readFixtures(t, path) {
			if diverges(name) {
				counts.skipped += len(test.Blocks)
				continue
			}
			runFixture(t, name, test, &counts)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", counts)
	if counts.valid == 0 {
		t.Error("no block was valid")
	}
}

func diverges(name string) bool {
	for prefix := range divergences {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func readFixtures(t *testing.T, path string) map[string]*fixture {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var fixtures map[string]*fixture
	if err := json.NewDecoder(plain).Decode(&fixtures); err != nil {
		t.Fatal(path, err)
	}
	return fixtures
}

func runFixture(t *testing.T, name string, test *fixture, counts *tally) {
	t.Helper()
	config, ok := forks.Forks[test.Network]
	if !ok {
		counts.skipped += len(test.Blocks)
		return
	}
	database := rawdb.NewMemoryDatabase()
	chain, err := chainOf(test, config, database)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer chain.Stop()
	for index, block := range test.Blocks {
		one, parent := fixtureCase(t, chain, database, config, block.RLP)
		if one == nil || parent == nil {
			counts.skipped++ // bytes without a header, or on an unknown parent: there is nothing to execute
			continue
		}
		request := &execution.Request{
			Content: witnesstest.Encode(one.Witness), BlockHash: one.Witness.BlockHash, PreStateRoot: parent.Root,
		}
		response, err := execution.Execute(context.Background(), request, time.Now())
		if err != nil {
			t.Fatal(name, err)
		}
		verdict := judge(one.Header, response, counts)
		if one.Name, one.PreStateRoot = name, parent.Root; verdict == "" {
			checkPrestate(t, one)
		}
		if (verdict == "") != (block.ExpectException == "") {
			t.Errorf("%s, block %d: expected %q, got %q", name, index, block.ExpectException, verdict)
		}
		if block.ExpectException != "" {
			continue
		}
		decoded := new(types.Block)
		if err := rlp.DecodeBytes(block.RLP, decoded); err != nil {
			t.Fatal(name, err)
		}
		if _, err := chain.InsertChain(types.Blocks{decoded}); err != nil {
			t.Errorf("%s, block %d: geth itself: %v", name, index, err)
			return
		}
	}
}

// judge returns what speaks against the block, or nothing.
func judge(header *types.Header, response *rpcv1.ExecuteResponse, counts *tally) string {
	switch {
	case response.GetBrokenRule() != nil:
		counts.rejected++
		return response.GetBrokenRule().String()
	case response.GetAbstention() != nil:
		counts.refused++
		return response.GetAbstention().String()
	}
	if fields := differences(header, response.GetComputed()); fields != nil {
		counts.different++
		return strings.Join(fields, ", ")
	}
	counts.valid++
	return ""
}

func chainOf(test *fixture, config *params.ChainConfig, database ethdb.Database) (*core.BlockChain, error) {
	block := new(types.Block)
	if err := rlp.DecodeBytes(test.GenesisRLP, block); err != nil {
		return nil, err
	}
	header := block.Header()
	genesis := &core.Genesis{
		Config: config, Nonce: header.Nonce.Uint64(), Timestamp: header.Time, ParentHash: header.ParentHash,
		ExtraData: header.Extra, GasLimit: header.GasLimit, GasUsed: header.GasUsed, Difficulty: header.Difficulty,
		Mixhash: header.MixDigest, Coinbase: header.Coinbase, Alloc: test.Pre, BaseFee: header.BaseFee,
		BlobGasUsed: header.BlobGasUsed, ExcessBlobGas: header.ExcessBlobGas,
	}
	options := core.DefaultConfig().WithStateScheme(rawdb.HashScheme).WithArchive(true)
	options.SnapshotLimit, options.TrieCleanLimit = 0, 0
	return core.NewBlockChain(database, genesis, beacon.New(ethash.NewFaker()), options)
}

// fixtureCase returns the block as a case and its parent's header, as far as there are a header and a parent.
func fixtureCase(t *testing.T, chain *core.BlockChain, database ethdb.Database, config *params.ChainConfig,
	block []byte,
) (*witnesstest.Case, *types.Header) {
	t.Helper()
	items, _, err := rlp.SplitList(block)
	if err != nil {
		return nil, nil
	}
	_, rest, err := rlp.SplitList(items)
	if err != nil {
		return nil, nil
	}
	encoded := items[:len(items)-len(rest)]
	header := new(types.Header)
	if rlp.DecodeBytes(encoded, header) != nil {
		return nil, nil
	}
	settings, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	one := &witnesstest.Case{Header: header, Witness: &witnesstest.Witness{
		ChainID: config.ChainID.Uint64(), BlockNumber: header.Number.Uint64(),
		BlockHash: crypto.Keccak256Hash(encoded), Block: block, ChainConfig: settings,
	}}
	parent := chain.GetHeaderByHash(header.ParentHash)
	for at, left := parent, 256; at != nil && left > 0; left-- {
		ancestor, err := rlp.EncodeToBytes(at)
		if err != nil {
			t.Fatal(err)
		}
		one.Witness.Headers = append(one.Witness.Headers, ancestor)
		at = chain.GetHeaderByHash(at.ParentHash)
	}
	slices.Reverse(one.Witness.Headers)
	iterator := database.NewIterator(nil, nil)
	defer iterator.Release()
	for iterator.Next() {
		switch key := iterator.Key(); {
		case len(key) == common.HashLength:
			one.Witness.State = append(one.Witness.State, slices.Clone(iterator.Value()))
		case len(key) == 1+common.HashLength && key[0] == 'c':
			one.Witness.Codes = append(one.Witness.Codes, slices.Clone(iterator.Value()))
		}
	}
	return one, parent
}
