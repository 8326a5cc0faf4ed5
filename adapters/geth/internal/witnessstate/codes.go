package witnessstate

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Codes is geth's reader of codes over a Store (state.ContractCodeReader). It is safe for concurrent use.
type Codes struct{ store *Store }

// NewCodes returns the codes of a store.
func NewCodes(store *Store) Codes { return Codes{store} }

// Has says whether the witness has the code; where it should and does not, that is a miss.
func (codes Codes) Has(address common.Address, hash common.Hash) bool {
	return hash == types.EmptyCodeHash || codes.CodeSize(address, hash) > 0
}

// Code returns the code, or nil.
func (codes Codes) Code(address common.Address, hash common.Hash) []byte {
	return codes.store.code(hash, func() string { return "code of account " + address.Hex() })
}

// CodeSize returns the code's length, or 0.
func (codes Codes) CodeSize(address common.Address, hash common.Hash) int {
	return codes.store.codeSize(hash, func() string { return "code of account " + address.Hex() })
}
