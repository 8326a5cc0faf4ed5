package witnessstate

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

func TestCodes(t *testing.T) {
	code := []byte{0x60, 0x00}
	store, err := NewStore(nil, [][]byte{code})
	if err != nil {
		t.Fatal(err)
	}
	reading := NewCodes(store)
	hash := crypto.Keccak256Hash(code)
	if got := reading.Code(common.Address{}, hash); string(got) != string(code) || reading.CodeSize(common.Address{}, hash) != 2 {
		t.Fatalf("%x", got)
	}
	if !reading.Has(common.Address{}, types.EmptyCodeHash) || store.Misses.List() != nil {
		t.Fatal("the empty code is never missing")
	}
	if reading.Has(common.Address{9}, common.Hash{1}) || reading.CodeSize(common.Address{9}, common.Hash{1}) != 0 ||
		reading.Code(common.Address{9}, common.Hash{2}) != nil {
		t.Fatal("a code is there that is not there")
	}
	missing := store.Misses.List()
	if len(missing) != 2 || missing[0].Kind != rpcv1.Missing_KIND_CODE || missing[0].Where == "" {
		t.Fatalf("%v", missing)
	}
}

func TestMisses(t *testing.T) {
	misses := new(Misses)
	stopped := 0
	misses.OnFirst(func() { stopped++ })
	for index := range 2 * maxMisses {
		misses.Node(common.Hash{byte(index / 2)}, "")
	}
	misses.Header(7, common.Hash{}, "")
	if list := misses.List(); len(list) != maxMisses || stopped != 1 {
		t.Fatalf("%d misses, stopped %d times", len(list), stopped)
	}
	if misses.Err() != nil {
		t.Fatal(misses.Err())
	}
	misses.Fault(errors.New("first"))
	misses.Fault(errors.New("second"))
	if misses.Err().Error() != "first" {
		t.Fatal(misses.Err())
	}
}

// The file is truncated between hashing and use: a fault is recorded, and nothing is taken for missing.
func TestTruncatedInUse(t *testing.T) {
	node := make([]byte, 1<<16)
	path := filepath.Join(t.TempDir(), "witness")
	content := witnesstest.Encode(&witnesstest.Witness{State: [][]byte{node}})
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := witnessfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	store, err := NewStore(file.State, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	_ = store.node(crypto.Keccak256Hash(node), 0, checkAccount, func() string { return "" })
	if !errors.Is(store.Misses.Err(), witnessfile.ErrFault) {
		t.Fatal(store.Misses.Err())
	}
	if _, err := NewStore(file.State, nil); !errors.Is(err, witnessfile.ErrFault) {
		t.Fatal(err)
	}
}
