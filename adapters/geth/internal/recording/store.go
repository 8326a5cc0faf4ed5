package recording

import (
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
)

// A store is the key-value store beneath geth's state database: nodes and codes of every state, in memory. While a
// block is imported, whatever geth reads in it is noted. Nothing above it keeps nodes or codes from one block to the
// next, so that all that a block needs is read here.
type store struct {
	*memorydb.Database

	lock  sync.Mutex // geth updates tries in several goroutines
	noted *reads     // nil where nothing is to be noted
}

// reads are nodes and codes by their hash.
type reads struct {
	nodes map[common.Hash][]byte
	codes map[common.Hash][]byte
	bytes int
}

func newStore() *store { return &store{Database: memorydb.New()} }

// begin starts to note, from nothing.
func (store *store) begin() {
	store.noted = &reads{nodes: make(map[common.Hash][]byte), codes: make(map[common.Hash][]byte)}
}

// pause ends the noting until resume, and returns what has been noted.
func (store *store) pause() *reads {
	noted := store.noted
	store.noted = nil
	return noted
}

func (store *store) resume(noted *reads) { store.noted = noted }

// Get returns a value, noted if it is a node (its key is its hash) or a code.
func (store *store) Get(key []byte) ([]byte, error) {
	value, err := store.Database.Get(key)
	if err == nil && store.noted != nil {
		store.note(key, value)
	}
	return value, err
}

func (store *store) note(key, value []byte) {
	store.lock.Lock()
	defer store.lock.Unlock()
	into := store.noted.nodes
	if code, hash := rawdb.IsCodeKey(key); code {
		key, into = hash, store.noted.codes
	} else if len(key) != common.HashLength {
		return
	}
	if _, known := into[common.Hash(key)]; !known {
		into[common.Hash(key)] = value
		store.noted.bytes += len(value)
	}
}

func (noted *reads) lists() (nodes, codes [][]byte) {
	return slices.Collect(maps.Values(noted.nodes)), slices.Collect(maps.Values(noted.codes))
}
