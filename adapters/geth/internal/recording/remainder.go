package recording

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// refusedBytes is up to how many bytes of nodes and codes the witness of a refused block has all of the state, whatever
// the chain's WholeState: nobody knows how far the others get.
const refusedBytes = 1 << 20

// complete reads of the state before the block what other clients read and geth did not.
func (work *judging) complete() error {
	root := work.view.parent.Root
	limit := work.chain.WholeState
	if work.refused() {
		limit = max(limit, refusedBytes)
	}
	if err := work.chain.readEverything(root, limit); err != nil {
		return err
	}
	reader, err := state.NewMPTDatabase(work.chain.tries, nil).Reader(root)
	if err != nil {
		return err
	}
	for _, address := range work.named() {
		if _, err := reader.Account(address); err != nil {
			return err
		}
	}
	return nil
}

// commit makes the update of the state, of a block that was executed to its end.
func (work *judging) commit() error {
	if !work.executed {
		return nil
	}
	noted := work.chain.store.pause()
	defer work.chain.store.resume(noted)
	_, err := work.state.Commit(work.rules(), work.block.NumberU64())
	return err
}

// clearFirst reads the siblings that are needed where what the block clears is taken out of the tries before anything
// is put in. geth puts in first; of all orders clearing first reads most.
func (work *judging) clearFirst() error {
	if work.database == nil || work.database.update == nil {
		return nil
	}
	update := work.database.update
	var (
		root     = work.view.parent.Root
		accounts *trie.Trie
		err      error
	)
	if accounts, err = trie.New(trie.StateTrieID(root), work.chain.tries); err != nil {
		return err
	}
	for address, slots := range update.Storages {
		if err := work.clearSlots(accounts, address, slots); err != nil {
			return err
		}
	}
	for address, account := range update.Accounts {
		if account != nil {
			continue
		}
		if err := accounts.Delete(address[:]); err != nil {
			return err
		}
	}
	return nil
}

// clearSlots takes the slots that became zero out of an account's storage trie. address and slots are hashes.
func (work *judging) clearSlots(accounts *trie.Trie, address common.Hash, slots map[common.Hash]common.Hash) error {
	var storage *trie.Trie
	for slot, value := range slots {
		if value != (common.Hash{}) {
			continue
		}
		if storage == nil {
			before, err := accountOf(accounts, address)
			if err != nil || before == nil {
				return err
			}
			id := trie.StorageTrieID(work.view.parent.Root, address, before.Root)
			if storage, err = trie.New(id, work.chain.tries); err != nil {
				return err
			}
		}
		if err := storage.Delete(slot[:]); err != nil {
			return err
		}
	}
	return nil
}

func accountOf(accounts *trie.Trie, address common.Hash) (*types.StateAccount, error) {
	encoded, err := accounts.Get(address[:])
	if err != nil || len(encoded) == 0 {
		return nil, err
	}
	account := new(types.StateAccount)
	return account, rlp.DecodeBytes(encoded, account)
}

// readEverything reads all accounts, slots and codes of a state, until limit bytes have been read.
func (chain *Chain) readEverything(root common.Hash, limit int) error {
	if chain.store.noted.bytes >= limit {
		return nil
	}
	accounts, err := trie.New(trie.StateTrieID(root), chain.tries)
	if err != nil {
		return err
	}
	codes := state.NewCodeDB(chain.store).Reader()
	return chain.walk(accounts, limit, func(address common.Hash, value []byte) error {
		account := new(types.StateAccount)
		if err := rlp.DecodeBytes(value, account); err != nil {
			return fmt.Errorf("account %s: %w", address, err)
		}
		codes.Code(common.Address{}, common.BytesToHash(account.CodeHash))
		storage, err := trie.New(trie.StorageTrieID(root, address, account.Root), chain.tries)
		if err != nil {
			return err
		}
		return chain.walk(storage, limit, func(common.Hash, []byte) error { return nil })
	})
}

func (chain *Chain) walk(tree *trie.Trie, limit int, visit func(key common.Hash, value []byte) error) error {
	iterator, err := tree.NodeIterator(nil)
	if err != nil {
		return err
	}
	for chain.store.noted.bytes < limit && iterator.Next(true) {
		if !iterator.Leaf() {
			continue
		}
		if err := visit(common.Hash(iterator.LeafKey()), iterator.LeafBlob()); err != nil {
			return err
		}
	}
	return iterator.Error()
}
