package witnesstest

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// A Prestate is accounts and slots before a block; a nil account does not exist.
type Prestate map[common.Address]*PreAccount

// A PreAccount is an account with those of its slots that are known.
type PreAccount struct {
	types.StateAccount
	Slots map[common.Hash]common.Hash
}

// Clone returns a copy whose accounts and slots can be taken out.
func (prestate Prestate) Clone() Prestate {
	copied := maps.Clone(prestate)
	for address, account := range copied {
		if account != nil {
			copied[address] = &PreAccount{*account.Copy(), maps.Clone(account.Slots)}
		}
	}
	return copied
}

// EncodePrestate writes the prestate section of docs/witness-format.md.
func EncodePrestate(prestate Prestate) []byte {
	entries := []any{}
	for _, address := range slices.SortedFunc(maps.Keys(prestate), common.Address.Cmp) {
		account := prestate[address]
		if account == nil {
			entries = append(entries, []any{address})
			continue
		}
		slots := []any{}
		for _, key := range slices.SortedFunc(maps.Keys(account.Slots), common.Hash.Cmp) {
			slots = append(slots, []any{key, account.Slots[key].Big()})
		}
		entries = append(entries, []any{address, account.Nonce, account.Balance, account.Root, account.CodeHash, slots})
	}
	encoded, err := rlp.EncodeToBytes(entries)
	if err != nil {
		panic(err)
	}
	return encoded
}
