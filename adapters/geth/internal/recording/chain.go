// Package recording imports the blocks of a chain of its own with full state, as geth does, and makes the witness of
// each: also of a block that geth refuses, so that other clients can be asked about it.
//
// geth's own pieces judge: its consensus engine the header and the uncles, its StateProcessor the body, its
// BlockValidator the result. The state lies in geth's hash-based database in memory, and what is read of it is what a
// witness needs; `stateless.Witness` is not used, as it has nothing before Byzantium and nothing of a refused block.
package recording

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/holiman/uint256"

	"execution-verifier/adapters/geth/internal/chainconfig"
)

// A Chain is a genesis block and the blocks that were accepted on it, on whichever branch. It is not safe for
// concurrent use.
type Chain struct {
	// WholeState is up to how many bytes of nodes and codes a witness has all of the state, and not just what geth reads
	// of it: clients differ in what they look at before an instruction fails.
	WholeState int

	isLarge  bool // a block's parent had a larger state
	config   *chainconfig.Config
	document []byte // the chain config's JSON
	store    *store
	tries    *triedb.Database
	headers  map[common.Hash]*types.Header
	blocks   map[common.Hash]*types.Block
}

// A GenesisError says that the accounts do not give the state root that the genesis header states.
type GenesisError struct{ Stated, Computed common.Hash }

// Error gives both roots.
func (err *GenesisError) Error() string {
	return fmt.Sprintf("the genesis header states the state root %s, its accounts give %s", err.Stated, err.Computed)
}

// NewChain returns a chain that consists of its genesis block. A header without a state root (zero) gets that of the
// accounts.
func NewChain(document []byte, genesis *types.Header, accounts types.GenesisAlloc) (*Chain, error) {
	config, err := chainconfig.Parse(document)
	if err != nil {
		return nil, err
	}
	store := newStore()
	chain := &Chain{
		config:   config,
		document: document,
		store:    store,
		tries:    triedb.NewDatabase(rawdb.NewDatabase(store), triedb.HashDefaults),
		headers:  make(map[common.Hash]*types.Header),
		blocks:   make(map[common.Hash]*types.Block),
	}
	root, err := chain.writeAccounts(accounts)
	if err != nil {
		return nil, err
	}
	switch genesis.Root {
	case root:
	case common.Hash{}:
		genesis.Root = root
	default:
		return nil, &GenesisError{Stated: genesis.Root, Computed: root}
	}
	chain.headers[genesis.Hash()] = genesis
	return chain, nil
}

// writeAccounts does what geth's flushAlloc does, which is not exported.
func (chain *Chain) writeAccounts(accounts types.GenesisAlloc) (common.Hash, error) {
	opened, err := state.New(types.EmptyRootHash, state.NewMPTDatabase(chain.tries, nil))
	if err != nil {
		return common.Hash{}, err
	}
	for address, account := range accounts {
		if account.Balance != nil {
			balance, overflow := uint256.FromBig(account.Balance)
			if overflow {
				return common.Hash{}, fmt.Errorf("genesis account %s: a balance of %d bits", address,
					account.Balance.BitLen())
			}
			opened.AddBalance(address, balance, tracing.BalanceIncreaseGenesisBalance)
		}
		opened.SetCode(address, account.Code, tracing.CodeChangeGenesis)
		opened.SetNonce(address, account.Nonce, tracing.NonceChangeGenesis)
		for key, value := range account.Storage {
			opened.SetState(address, key, value)
		}
	}
	root, err := opened.Commit(params.Rules{}, 0)
	if err != nil {
		return common.Hash{}, err
	}
	return root, chain.tries.Commit(root, false)
}

// accept adds a block and the state after it.
func (chain *Chain) accept(block *types.Block, database *changes) error {
	if err := database.write(); err != nil {
		return err
	}
	// To the store, so that the next block's reads are seen there.
	if err := chain.tries.Commit(block.Root(), false); err != nil {
		return err
	}
	chain.headers[block.Hash()] = block.Header()
	chain.blocks[block.Hash()] = block
	return nil
}

// changes is geth's state database for one block, which keeps what the block changes until it is known whether that
// counts.
type changes struct {
	*state.MPTDatabase
	update *state.StateUpdate
}

// Commit keeps the update, in place of writing it.
func (database *changes) Commit(update *state.StateUpdate) error {
	database.update = update
	return nil
}

// Reader returns a reader of the state at root; once there is an update, of the state before it, as geth opens the one
// after it at the end of its own Commit, and does not use it here.
func (database *changes) Reader(root common.Hash) (state.Reader, error) {
	if database.update != nil {
		root = database.update.OriginRoot
	}
	return database.MPTDatabase.Reader(root)
}

func (database *changes) write() error {
	if database.update == nil {
		return nil
	}
	return database.MPTDatabase.Commit(database.update)
}
