package prestate

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/holiman/uint256"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Writes are the slots that a block wrote, also those whose writing was reverted. The reader does not hear of all of
// them: geth knows without reading that those of an account which was destroyed in the block are zero.
type Writes map[common.Address]map[common.Hash]struct{}

// Hooks returns what geth's state is to call.
func (writes Writes) Hooks() *tracing.Hooks {
	return &tracing.Hooks{OnStorageChange: func(address common.Address, key, _, _ common.Hash) {
		if writes[address] == nil {
			writes[address] = make(map[common.Hash]struct{})
		}
		writes[address][key] = struct{}{}
	}}
}

// Changes compares the state after the block, which must be finalised, with the section. All that was read is listed, or
// there were misses, and then the changes say nothing. Nothing is changed without being read, but the slots of an account
// that had no storage or was destroyed: one that is not listed was zero before.
func (section *Section) Changes(after *state.StateDB, writes Writes) []*rpcv1.PostAccount {
	var changes []*rpcv1.PostAccount
	for _, address := range section.addresses {
		before := section.accounts[address]
		if !after.Exist(address) {
			if before != nil {
				changes = append(changes, &rpcv1.PostAccount{Address: address.Bytes(), Deleted: true})
			}
			continue
		}
		var (
			slots   = section.changedSlots(address, after, writes[address])
			nonce   = after.GetNonce(address)
			balance = after.GetBalance(address)
			code    = after.GetCodeHash(address)
		)
		if len(slots) == 0 && before.equals(nonce, balance, code) {
			continue
		}
		changes = append(changes, &rpcv1.PostAccount{
			Address: address.Bytes(), Nonce: nonce, Balance: balance.Bytes(), CodeHash: code.Bytes(), Slots: slots,
		})
	}
	return changes
}

// equals says whether the account was there before the block, with these values.
func (found *account) equals(nonce uint64, balance *uint256.Int, code common.Hash) bool {
	return found != nil && found.Nonce == nonce && found.Balance.Eq(balance) && common.Hash(found.CodeHash) == code
}

// changedSlots compares those slots of an account that are listed or were written.
func (section *Section) changedSlots(address common.Address, after *state.StateDB, written map[common.Hash]struct{},
) []*rpcv1.PostSlot {
	var keys []common.Hash
	var before map[common.Hash]common.Hash
	if found := section.accounts[address]; found != nil {
		keys, before = append(keys, found.keys...), found.slots
	}
	for key := range written {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, common.Hash.Cmp)
	var changed []*rpcv1.PostSlot
	for _, key := range slices.Compact(keys) {
		if value := after.GetState(address, key); value != before[key] {
			changed = append(changed, &rpcv1.PostSlot{Key: key.Bytes(), Value: bytes.TrimLeft(value[:], "\x00")})
		}
	}
	return changed
}
