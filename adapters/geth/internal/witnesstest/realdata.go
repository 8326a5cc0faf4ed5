package witnesstest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// holesky is Holesky's chain config, which geth no longer carries.
const holesky = `{"chainId": 17000, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
	"byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
	"londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 1696000704, "cancunTime": 1707305664,
	"pragueTime": 1740434112, "depositContractAddress": "0x4242424242424242424242424242424242424242",
	"blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
		"prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}}}`

// A Case is a block with its witness.
type Case struct {
	Name         string
	Header       *types.Header
	Witness      *Witness
	PreStateRoot common.Hash
	BlockHashes  map[uint64]common.Hash // of ancestors, by number, which nothing proves
}

// The checkout, from the folder of any package in internal, in which go test runs its tests.
const checkout = "../../../.."

// RealBlocks reads the blocks in a folder of ../shared/data beside the checkout, and skips the test where it is not
// there.
func RealBlocks(t testing.TB, folder string) []Case {
	t.Helper()
	pattern := filepath.Join(checkout, "..", "shared", "data", folder)
	if _, err := os.Stat(pattern); errors.Is(err, fs.ErrNotExist) {
		t.Skip("../shared/data/" + folder + " is not beside the checkout")
	}
	paths, err := filepath.Glob(filepath.Join(pattern, "*_*_*.json.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no blocks in %s: %v", pattern, err)
	}
	var blocks []Case
	for _, path := range paths {
		blocks = append(blocks, realBlock(t, path))
	}
	return blocks
}

func realBlock(t testing.TB, path string) Case {
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
	var source struct {
		ChainID uint64        `json:"chainId"`
		Block   hexutil.Bytes `json:"block"`
		blockObjects
		ParentStateRoot *common.Hash `json:"parentStateRoot"`
		Witness         struct {
			Headers     []encodedHeader `json:"headers"`
			BlockHashes []common.Hash   `json:"blockHashes"` // descending, the parent's first
			State       []hexutil.Bytes `json:"state"`
			Codes       []hexutil.Bytes `json:"codes"`
		} `json:"witness"`
	}
	if err := json.NewDecoder(plain).Decode(&source); err != nil {
		t.Fatal(path, err)
	}
	if source.Block == nil {
		if source.Block, err = source.encode(); err != nil {
			t.Fatal(path, err)
		}
	}
	block := new(types.Block)
	if err := rlp.DecodeBytes(source.Block, block); err != nil {
		t.Fatal(path, err)
	}
	witness := &Witness{
		ChainID:     source.ChainID,
		BlockNumber: block.NumberU64(),
		BlockHash:   block.Hash(),
		Block:       source.Block,
		ChainConfig: []byte(holesky),
		State:       plainBytes(source.Witness.State),
		Codes:       plainBytes(source.Witness.Codes),
		Headers:     plainBytes(source.Witness.Headers),
	}
	if source.ChainID == 1 {
		if witness.ChainConfig, err = json.Marshal(params.MainnetChainConfig); err != nil {
			t.Fatal(err)
		}
	}
	decoded := make(map[string]uint64)
	for _, encoded := range witness.Headers {
		header := new(types.Header)
		if err := rlp.DecodeBytes(encoded, header); err != nil {
			t.Fatal(path, err)
		}
		decoded[string(encoded)] = header.Number.Uint64()
	}
	slices.SortFunc(witness.Headers, func(a, b []byte) int { return int(decoded[string(a)]) - int(decoded[string(b)]) })
	one := Case{
		Name: strings.TrimSuffix(filepath.Base(path), ".json.gz"), Header: block.Header(), Witness: witness,
	}
	for index, hash := range source.Witness.BlockHashes {
		if one.BlockHashes == nil {
			one.BlockHashes = make(map[uint64]common.Hash)
		}
		one.BlockHashes[block.NumberU64()-1-uint64(index)] = hash
	}
	if source.ParentStateRoot != nil {
		one.PreStateRoot = *source.ParentStateRoot
	} else if count := len(witness.Headers); count > 0 {
		parent := new(types.Header)
		if err := rlp.DecodeBytes(witness.Headers[count-1], parent); err != nil {
			t.Fatal(path, err)
		}
		one.PreStateRoot = parent.Root
	}
	return one
}

// blockObjects is a block as JSON objects, which some files have in place of its RLP.
type blockObjects struct {
	Header       *types.Header      `json:"header"`
	Transactions types.Transactions `json:"transactions"`
	Withdrawals  types.Withdrawals  `json:"withdrawals"`
}

func (objects *blockObjects) encode() ([]byte, error) {
	body := types.Body{Transactions: objects.Transactions, Withdrawals: objects.Withdrawals}
	return rlp.EncodeToBytes(types.NewBlockWithHeader(objects.Header).WithBody(body))
}

// An encodedHeader is a header's RLP, which is written as hexadecimal or as an object.
type encodedHeader []byte

func (encoded *encodedHeader) UnmarshalJSON(source []byte) error {
	if len(source) > 0 && source[0] == '"' {
		return (*hexutil.Bytes)(encoded).UnmarshalJSON(source)
	}
	header := new(types.Header)
	if err := header.UnmarshalJSON(source); err != nil {
		return err
	}
	var err error
	*encoded, err = rlp.EncodeToBytes(header)
	return err
}

func plainBytes[Element ~[]byte](elements []Element) [][]byte {
	plain := make([][]byte, len(elements))
	for index, element := range elements {
		plain[index] = element
	}
	return plain
}
