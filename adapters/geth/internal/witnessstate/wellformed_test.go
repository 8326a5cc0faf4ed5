package witnessstate

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"
)

func address(index int) common.Address {
	return common.BytesToAddress([]byte{byte(index >> 8), byte(index)})
}

// accountTrie returns the nodes and the root of an account trie of count accounts, made by geth.
func accountTrie(t testing.TB, count int) (nodes [][]byte, root common.Hash) {
	t.Helper()
	source, err := NewStore(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := trie.NewStateTrie(trie.StateTrieID(types.EmptyRootHash), sourceOf(source))
	if err != nil {
		t.Fatal(err)
	}
	for index := range count {
		account := types.NewEmptyStateAccount()
		account.Nonce, account.Balance = uint64(index), uint256.NewInt(uint64(index))
		if err := accounts.UpdateAccount(address(index), account, 0); err != nil {
			t.Fatal(err)
		}
	}
	proofs := memorydb.New()
	for index := range count {
		if err := accounts.Prove(crypto.Keccak256(address(index).Bytes()), proofs); err != nil {
			t.Fatal(err)
		}
	}
	iterator := proofs.NewIterator(nil, nil)
	defer iterator.Release()
	for iterator.Next() {
		nodes = append(nodes, slices.Clone(iterator.Value()))
	}
	return nodes, accounts.Hash()
}

func sourceOf(store *Store) *nodes {
	return &nodes{store: store, check: checkAccount, where: func(path []byte) string { return nibbles(path) }}
}

func TestGethsOwnNodesAreWellFormed(t *testing.T) {
	for _, count := range []int{1, 2, 17, 400} {
		blobs, root := accountTrie(t, count)
		store, err := NewStore(blobs, nil)
		if err != nil {
			t.Fatal(err)
		}
		accounts, err := trie.NewStateTrie(trie.StateTrieID(root), sourceOf(store))
		if err != nil {
			t.Fatal(err)
		}
		for index := range count + 50 {
			account, err := accounts.GetAccount(address(index))
			if err != nil || (account == nil) != (index >= count) {
				t.Fatalf("account %d of %d: %v, %v", index, count, account, err)
			}
		}
		if missing := store.Misses.List(); missing != nil {
			t.Fatalf("missing: %v", missing)
		}
	}
}

// read reads, changes and deletes in a trie, and must not panic whatever the nodes are.
func read(root common.Hash, store *Store) {
	accounts, err := trie.NewStateTrie(trie.StateTrieID(root), sourceOf(store))
	if err != nil {
		return
	}
	for index := range 40 {
		_, _ = accounts.GetAccount(address(index))
	}
	for index := range 20 {
		_ = accounts.UpdateAccount(address(index+30), types.NewEmptyStateAccount(), 0)
		_ = accounts.DeleteAccount(address(index))
	}
	_ = accounts.Hash()
}

// TestChangedNodesNeverPanic changes nodes and follows their new hashes up to the root, so that geth is led to them.
func TestChangedNodesNeverPanic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	blobs, root := accountTrie(t, 40)
	for range 4000 {
		changed, top := mutate(random, blobs, root)
		store, err := NewStore(changed, nil)
		if err != nil {
			t.Fatal(err)
		}
		read(top, store)
	}
}

// mutate changes one node and puts its new hash into its parents.
func mutate(random *rand.Rand, blobs [][]byte, root common.Hash) ([][]byte, common.Hash) {
	changed := slices.Clone(blobs)
	victim := random.IntN(len(changed))
	before := crypto.Keccak256Hash(changed[victim])
	node := slices.Clone(changed[victim])
	for range 1 + random.IntN(3) {
		switch position := random.IntN(len(node)); random.IntN(4) {
		case 0:
			node = slices.Delete(node, position, position+1)
		case 1:
			node = slices.Insert(node, position, byte(random.Uint32()))
		default:
			node[position] = byte(random.Uint32())
		}
		if len(node) == 0 {
			node = []byte{0xc0}
		}
	}
	changed[victim] = node
	for after := crypto.Keccak256Hash(node); ; {
		if before == root {
			return changed, after
		}
		parent := slices.IndexFunc(changed, func(blob []byte) bool { return bytes.Contains(blob, before[:]) })
		if parent < 0 {
			return changed, root
		}
		old := crypto.Keccak256Hash(changed[parent])
		changed[parent] = bytes.Replace(changed[parent], before[:], after[:], 1)
		before, after = old, crypto.Keccak256Hash(changed[parent])
	}
}

// FuzzNode gives geth any bytes as the root node.
func FuzzNode(f *testing.F) {
	blobs, _ := accountTrie(f, 40)
	for _, blob := range blobs[:8] {
		f.Add(blob)
	}
	f.Add([]byte{0xc2, 0x20, 0x80})
	f.Fuzz(func(t *testing.T, node []byte) {
		store, err := NewStore([][]byte{node}, nil)
		if err != nil {
			t.Fatal(err)
		}
		root := crypto.Keccak256Hash(node)
		if root == types.EmptyRootHash {
			return // geth knows the empty trie without looking it up
		}
		read(root, store)
		if err := checkNode(node, 0, checkAccount); err != nil {
			missing := store.Misses.List()
			if len(missing) != 1 || common.Hash(missing[0].Hash) != root {
				t.Fatalf("a malformed root (%v) is not missing: %v", err, missing)
			}
		}
	})
}

func TestCheckNode(t *testing.T) {
	hash := bytes.Repeat([]byte{1}, 32)
	encode := func(items ...any) []byte {
		encoded, err := rlp.EncodeToBytes(items)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	branch := func(children map[int]any, value []byte) []byte {
		items := make([]any, 17)
		for index := range 16 {
			items[index] = []byte{}
			if child, ok := children[index]; ok {
				items[index] = child
			}
		}
		items[16] = value
		return encode(items...)
	}
	leafPath := append([]byte{0x20}, make([]byte, 32)...)
	slot := []byte{0x05}
	for name, check := range map[string]struct {
		node  []byte
		depth int
		good  bool
	}{
		"leaf":                   {encode(leafPath, slot), 0, true},
		"leaf too deep":          {encode(leafPath, slot), 1, false},
		"leaf without value":     {encode(leafPath, []byte{}), 0, false},
		"leaf with long value":   {encode(leafPath, append([]byte{0xa1}, make([]byte, 33)...)), 0, false},
		"leaf, odd":              {encode(append([]byte{0x31}, make([]byte, 31)...), slot), 1, true},
		"leaf, bad padding":      {encode(append([]byte{0x21}, make([]byte, 32)...), slot), 0, false},
		"unknown flags":          {encode(append([]byte{0x40}, make([]byte, 32)...), slot), 0, false},
		"empty path":             {encode([]byte{}, hash), 0, false},
		"extension":              {encode([]byte{0x11}, hash), 3, true},
		"extension of nothing":   {encode([]byte{0x00}, hash), 3, false},
		"extension to nothing":   {encode([]byte{0x11}, []byte{}), 3, false},
		"extension to the leafs": {encode([]byte{0x11}, hash), 63, false},
		"short reference":        {encode([]byte{0x11}, hash[:31]), 3, false},
		"branch":                 {branch(map[int]any{0: hash, 15: hash}, nil), 63, true},
		"branch below the leafs": {branch(map[int]any{0: hash, 15: hash}, nil), 64, false},
		"branch of one":          {branch(map[int]any{0: hash}, nil), 0, false},
		"branch with a value":    {branch(map[int]any{0: hash, 15: hash}, slot), 0, false},
		"embedded leafs": {
			branch(map[int]any{0: []any{[]byte{0x20}, slot}, 1: []any{[]byte{0x20}, slot}}, nil), 63, true,
		},
		"embedded leaf, too deep": {
			branch(map[int]any{0: []any{[]byte{0x31}, slot}, 1: hash}, nil), 63, false,
		},
		"embedded, too long": {
			branch(map[int]any{0: []any{[]byte{0x20}, append([]byte{0x9d}, hash[:29]...)}, 1: hash}, nil), 63, false,
		},
		"three items":    {encode(hash, hash, hash), 0, false},
		"no list":        {[]byte{0x80}, 0, false},
		"trailing bytes": {append(encode(leafPath, slot), 0), 0, false},
		"nothing":        {nil, 0, false},
	} {
		if err := checkNode(check.node, check.depth, checkSlot); (err == nil) != check.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckValues(t *testing.T) {
	hash := common.Hash{1}
	encode := func(value any) []byte {
		encoded, err := rlp.EncodeToBytes(value)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	account := func(items ...any) []byte { return encode(items) }
	if err := checkAccount(account(uint64(1), uint64(2), hash, hash)); err != nil {
		t.Error(err)
	}
	for index, bad := range [][]byte{
		account(uint64(1), uint64(2), hash), account(uint64(1), uint64(2), hash, hash, hash),
		account(make([]byte, 9), uint64(2), hash, hash), account(uint64(1), make([]byte, 33), hash, hash),
		account(uint64(1), uint64(2), hash[:31], hash), account(uint64(1), uint64(2), hash, hash[:31]),
		append(account(uint64(1), uint64(2), hash, hash), 0), {0x80}, nil,
	} {
		if checkAccount(bad) == nil {
			t.Errorf("account %d is not refused", index)
		}
	}
	for index, bad := range [][]byte{{}, {0x80}, {0x05, 0x05}, {0x82, 0x00, 0x05}, {0xc0}, encode(make([]byte, 33))} {
		if checkSlot(bad) == nil {
			t.Errorf("slot %d is not refused", index)
		}
	}
}
