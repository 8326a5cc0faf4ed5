package witnessstate

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/ethereum/go-ethereum/triedb/database"
)

// errReadOnly is returned by what a state that is never written does not need.
var errReadOnly = errors.New("a witness is read-only")

// A Database is geth's state.Database over a Store, in place of a key-value store, hashdb and their caches, through
// which a miss could not be followed.
type Database struct {
	store *Store
}

// NewDatabase returns the database of one request.
func NewDatabase(store *Store) *Database {
	return &Database{store: store}
}

// Type says that this is a Merkle-Patricia trie.
func (db *Database) Type() state.DatabaseType { return state.TypeMPT }

// Reader returns a reader of accounts, slots and codes at root.
func (db *Database) Reader(root common.Hash) (state.Reader, error) {
	return newReader(db, root)
}

// OpenTrie opens the account trie that a root is computed with.
func (db *Database) OpenTrie(root common.Hash) (state.Trie, error) {
	where := func(path []byte) string { return fmt.Sprintf("account path %s, for the state root", nibbles(path)) }
	return db.open(trie.StateTrieID(root), checkAccount, where)
}

// OpenStorageTrie opens an account's storage trie that a root is computed with.
func (db *Database) OpenStorageTrie(stateRoot common.Hash, address common.Address, root common.Hash,
	_ state.Trie,
) (state.Trie, error) {
	where := func(path []byte) string {
		return fmt.Sprintf("account %s, slot path %s, for the storage root", address, nibbles(path))
	}
	return db.open(trie.StorageTrieID(stateRoot, crypto.Keccak256Hash(address[:]), root), checkSlot, where)
}

// open avoids that a nil trie becomes an interface that is not nil.
func (db *Database) open(id *trie.ID, check func([]byte) error, where func(path []byte) string) (state.Trie, error) {
	opened, err := trie.NewStateTrie(id, &nodes{store: db.store, check: check, where: where})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Iteratee is not needed to execute a block.
func (db *Database) Iteratee(common.Hash) (state.Iteratee, error) { return nil, errReadOnly }

// TrieDB returns nil: there is no database below the tries. Nothing that executes a block asks for it.
func (db *Database) TrieDB() *triedb.Database { return nil }

// Commit is not needed to compute a root.
func (db *Database) Commit(*state.StateUpdate) error { return errReadOnly }

// nodes is geth's source of trie nodes for one trie. All its look-ups are by hash; the empty root is never looked up,
// as geth's trie package knows it, so whatever is not there is a miss.
type nodes struct {
	store *Store
	check func(value []byte) error // of a leaf's value
	where func(path []byte) string // for a miss, path in nibbles
}

// NodeReader returns nodes itself for every root, as it finds nodes by hash alone.
func (source *nodes) NodeReader(common.Hash) (database.NodeReader, error) { return source, nil }

// Node returns the node, or nil where the witness does not have it or it is not well formed. geth takes nil as missing.
func (source *nodes) Node(_ common.Hash, path []byte, hash common.Hash) ([]byte, error) {
	return source.store.node(hash, len(path), source.check, func() string { return source.where(path) }), nil
}

// nibbles writes a path as hexadecimal digits.
func nibbles(path []byte) string {
	if len(path) == 0 {
		return "(root)"
	}
	digits := make([]byte, len(path))
	for index, nibble := range path {
		digits[index] = "0123456789abcdef"[nibble&0x0f]
	}
	return string(digits)
}
