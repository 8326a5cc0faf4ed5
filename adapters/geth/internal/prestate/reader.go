package prestate

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/triedb"

	"execution-verifier/adapters/geth/internal/witnessstate"
)

var (
	// errUnknown is what geth is told of an account or slot that the section does not list. It goes on regardless; the
	// record of what was missing decides.
	errUnknown = errors.New("the prestate section does not list it")
	errNoTrie  = errors.New("a prestate has no tries")
)

// A reader reads accounts and slots from the section, and codes from the witness. It changes nothing, so it is safe for
// concurrent use.
type reader struct {
	witnessstate.Codes
	section *Section
	misses  *witnessstate.Misses
}

// Account returns the account, or nil where the section says that it does not exist.
func (reading *reader) Account(address common.Address) (*types.StateAccount, error) {
	found, listed := reading.section.accounts[address]
	switch {
	case !listed:
		reading.misses.Account(address, "")
		return nil, errUnknown
	case found == nil:
		return nil, nil
	}
	return found.Copy(), nil // geth changes what it is given
}

// Storage returns the slot's value before the block.
func (reading *reader) Storage(address common.Address, key common.Hash) (common.Hash, error) {
	found, listed := reading.section.accounts[address]
	if !listed {
		reading.misses.Account(address, "slot "+key.Hex()+" of it is read")
		return common.Hash{}, errUnknown
	}
	if found == nil || found.Root == types.EmptyRootHash {
		return common.Hash{}, nil
	}
	value, listed := found.slots[key]
	if !listed {
		reading.misses.Slot(address, key, "")
		return common.Hash{}, errUnknown
	}
	return value, nil
}

// Open returns geth's state before the block. What is read and not there is recorded in the store's misses.
func Open(section *Section, store *witnessstate.Store) (*state.StateDB, error) {
	reading := &reader{Codes: witnessstate.NewCodes(store), section: section, misses: store.Misses}
	return state.NewWithReader(types.EmptyRootHash, database{reading}, reading)
}

// database is geth's state.Database where there is no trie. geth wants one after each transaction before Byzantium,
// whose root goes into the receipt; that root is nonsense here and must not be used.
type database struct{ reader *reader }

func (db database) Type() state.DatabaseType                     { return state.TypeMPT }
func (db database) Reader(common.Hash) (state.Reader, error)     { return db.reader, nil }
func (db database) Iteratee(common.Hash) (state.Iteratee, error) { return nil, errNoTrie }
func (db database) OpenTrie(common.Hash) (state.Trie, error)     { return noTrie{}, nil }
func (db database) TrieDB() *triedb.Database                     { return nil }
func (db database) Commit(*state.StateUpdate) error              { return errNoTrie }
func (db database) OpenStorageTrie(common.Hash, common.Address, common.Hash, state.Trie) (state.Trie, error) {
	return noTrie{}, nil
}

// noTrie takes updates and forgets them. What it does not have of a trie nothing asks for; if something did, it would
// panic, and that is contained.
type noTrie struct{ state.Trie }

func (noTrie) UpdateAccount(common.Address, *types.StateAccount, int) error { return nil }
func (noTrie) UpdateStorage(common.Address, []byte, []byte) error           { return nil }
func (noTrie) DeleteAccount(common.Address) error                           { return nil }
func (noTrie) DeleteStorage(common.Address, []byte) error                   { return nil }
func (noTrie) UpdateContractCode(common.Address, common.Hash, []byte) error { return nil }
func (noTrie) Hash() common.Hash                                            { return common.Hash{} }
