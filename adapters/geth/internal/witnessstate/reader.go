package witnessstate

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
)

// A reader reads accounts, slots and codes at one state root. It is geth's own reader of tries (state.mptTrieReader,
// which is not exported), and knows in addition which account or slot a look-up is for.
type reader struct {
	Codes
	root common.Hash

	lock     sync.Mutex // geth demands that readers are safe for concurrent use; tries are not
	accounts *trie.StateTrie
	storages map[common.Address]*storage
	address  common.Address // of the look-up under way
}

// storage is an account's storage trie, opened at the first slot that is read.
type storage struct {
	root common.Hash
	trie *trie.StateTrie
	slot common.Hash // of the look-up under way
}

func newReader(db *Database, root common.Hash) (*reader, error) {
	reading := &reader{Codes: NewCodes(db.store), root: root, storages: make(map[common.Address]*storage)}
	source := &nodes{store: db.store, check: checkAccount, where: func(path []byte) string {
		if len(path) == 0 {
			return "the pre-state root"
		}
		return fmt.Sprintf("account %s, path %s", reading.address, nibbles(path))
	}}
	accounts, err := trie.NewStateTrie(trie.StateTrieID(root), source)
	if err != nil {
		return nil, err
	}
	reading.accounts = accounts
	return reading, nil
}

// Account returns the account, or nil where the trie proves that it does not exist.
func (reading *reader) Account(address common.Address) (*types.StateAccount, error) {
	reading.lock.Lock()
	defer reading.lock.Unlock()
	return reading.account(address)
}

func (reading *reader) account(address common.Address) (*types.StateAccount, error) {
	reading.address = address
	account, err := reading.accounts.GetAccount(address)
	if err != nil {
		return nil, err
	}
	root := types.EmptyRootHash
	if account != nil {
		root = account.Root
	}
	if reading.storages[address] == nil {
		reading.storages[address] = &storage{root: root}
	}
	return account, nil
}

// Storage returns the slot's value, or zero where the trie proves that there is none.
func (reading *reader) Storage(address common.Address, slot common.Hash) (common.Hash, error) {
	reading.lock.Lock()
	defer reading.lock.Unlock()
	if reading.storages[address] == nil {
		if _, err := reading.account(address); err != nil {
			return common.Hash{}, err
		}
	}
	store := reading.storages[address]
	store.slot = slot
	if store.trie == nil {
		source := &nodes{store: reading.store, check: checkSlot, where: func(path []byte) string {
			return fmt.Sprintf("account %s, slot %s, path %s", address, store.slot, nibbles(path))
		}}
		id := trie.StorageTrieID(reading.root, crypto.Keccak256Hash(address[:]), store.root)
		opened, err := trie.NewStateTrie(id, source)
		if err != nil {
			return common.Hash{}, err
		}
		store.trie = opened
	}
	content, err := store.trie.GetStorage(address, slot[:])
	if err != nil {
		return common.Hash{}, err
	}
	return common.BytesToHash(content), nil
}
