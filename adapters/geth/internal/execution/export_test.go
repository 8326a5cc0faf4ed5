package execution

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnessstate"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// recording is a reader that remembers what it answered.
type recording struct {
	state.Reader
	lock sync.Mutex
	read witnesstest.Prestate
}

func (reading *recording) Account(address common.Address) (*types.StateAccount, error) {
	found, err := reading.Reader.Account(address)
	reading.lock.Lock()
	defer reading.lock.Unlock()
	if _, known := reading.read[address]; err == nil && !known {
		reading.read[address] = nil
		if found != nil {
			reading.read[address] = &witnesstest.PreAccount{
				StateAccount: *found.Copy(), Slots: make(map[common.Hash]common.Hash),
			}
		}
	}
	return found, err
}

func (reading *recording) Storage(address common.Address, key common.Hash) (common.Hash, error) {
	value, err := reading.Reader.Storage(address, key)
	reading.lock.Lock()
	defer reading.lock.Unlock()
	if known := reading.read[address]; err == nil && known != nil && known.Root != types.EmptyRootHash {
		known.Slots[key] = value
	}
	return value, err
}

// Recorded executes a request in proof mode and returns what geth read of the state: a prestate section's content.
func Recorded(request *Request) (witnesstest.Prestate, *rpcv1.Computed, error) {
	file, err := open(request)
	if err != nil {
		return nil, nil, err
	}
	work, err := prepare(file, request)
	if err != nil {
		return nil, nil, err
	}
	if err := work.checkRules(); err != nil {
		return nil, nil, err
	}
	run, err := work.newRun()
	if err != nil {
		return nil, nil, err
	}
	database := witnessstate.NewDatabase(work.store)
	reader, err := database.Reader(work.root)
	if err != nil {
		return nil, nil, err
	}
	reading := &recording{Reader: reader, read: make(witnesstest.Prestate)}
	if run.state, err = state.NewWithReader(work.root, database, reading); err != nil {
		return nil, nil, err
	}
	run.evm.StateDB = run.state
	if err := run.execute(context.Background()); err != nil {
		return nil, nil, err
	}
	computed, err := run.compute(context.Background())
	return reading.read, computed, err
}

// Applied returns the state root of the request's trusted pre-state with the changes made to it.
func Applied(request *Request, changes []*rpcv1.PostAccount) (common.Hash, error) {
	file, err := open(request)
	if err != nil {
		return common.Hash{}, err
	}
	store, err := witnessstate.NewStore(file.State, file.Codes)
	if err != nil {
		return common.Hash{}, err
	}
	database := witnessstate.NewDatabase(store)
	accounts, err := database.OpenTrie(request.PreStateRoot)
	if err != nil {
		return common.Hash{}, err
	}
	// Deletions last, as geth does it: then as few nodes as possible are needed.
	for _, change := range changes {
		if change.Deleted {
			continue
		}
		address := common.Address(change.Address)
		changed, err := accounts.GetAccount(address)
		if err != nil {
			return common.Hash{}, err
		}
		if changed == nil {
			changed = types.NewEmptyStateAccount()
		}
		changed.Nonce, changed.CodeHash = change.Nonce, change.CodeHash
		changed.Balance = new(uint256.Int).SetBytes(change.Balance)
		if len(change.Slots) > 0 { // a trie whose slots are not touched need not be in the witness
			storage, err := database.OpenStorageTrie(request.PreStateRoot, address, changed.Root, accounts)
			if err != nil {
				return common.Hash{}, err
			}
			if err := applySlots(storage, address, change.Slots); err != nil {
				return common.Hash{}, err
			}
			changed.Root = storage.Hash()
		}
		if err := accounts.UpdateAccount(address, changed, 0); err != nil {
			return common.Hash{}, err
		}
	}
	for _, change := range changes {
		if change.Deleted {
			if err := accounts.DeleteAccount(common.Address(change.Address)); err != nil {
				return common.Hash{}, err
			}
		}
	}
	return accounts.Hash(), nil
}

func applySlots(storage state.Trie, address common.Address, slots []*rpcv1.PostSlot) error {
	for _, slot := range slots {
		if len(slot.Value) > 0 {
			if err := storage.UpdateStorage(address, slot.Key, slot.Value); err != nil {
				return err
			}
		}
	}
	for _, slot := range slots {
		if len(slot.Value) == 0 {
			if err := storage.DeleteStorage(address, slot.Key); err != nil {
				return err
			}
		}
	}
	return nil
}
