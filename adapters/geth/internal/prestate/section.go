// Package prestate is geth's state over the prestate section of a witness file (docs/witness-format.md): the values that
// a block reads, without proofs, and what the block made of them.
package prestate

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// A Section is the accounts and slots before the block. What it does not list is unknown, not empty.
type Section struct {
	addresses []common.Address // ascending
	accounts  map[common.Address]*account
}

// An account as it is before the block; nil is one that does not exist.
type account struct {
	types.StateAccount
	keys  []common.Hash // ascending
	slots map[common.Hash]common.Hash
}

// Parse reads a section strictly: one encoding a content, anything else is an error. It keeps nothing of content.
func Parse(content []byte) (*Section, error) {
	entries, rest, err := rlp.SplitList(content)
	if err != nil {
		return nil, fmt.Errorf("prestate: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("prestate: %d bytes after the list", len(rest))
	}
	section := &Section{accounts: make(map[common.Address]*account)}
	for len(entries) > 0 {
		var fields []byte
		if fields, entries, err = rlp.SplitList(entries); err != nil {
			return nil, fmt.Errorf("prestate: entry %d: %w", len(section.addresses), err)
		}
		if err := section.add(fields); err != nil {
			return nil, fmt.Errorf("prestate: entry %d: %w", len(section.addresses), err)
		}
	}
	return section, nil
}

// add takes the fields of one entry, an address alone or a whole account.
func (section *Section) add(fields []byte) error {
	bytesOfAddress, fields, err := fixed(fields, common.AddressLength)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	address := common.Address(bytesOfAddress)
	if count := len(section.addresses); count > 0 && bytes.Compare(section.addresses[count-1][:], address[:]) >= 0 {
		return fmt.Errorf("address %s is out of order", address)
	}
	var found *account
	if len(fields) > 0 {
		if found, err = parseAccount(fields); err != nil {
			return fmt.Errorf("account %s: %w", address, err)
		}
	}
	section.addresses = append(section.addresses, address)
	section.accounts[address] = found
	return nil
}

// parseAccount reads nonce, balance, storage root, code hash and slots.
func parseAccount(fields []byte) (*account, error) {
	nonce, fields, err := integer(fields, 8) // EIP-2681: below 2^64
	if err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	balance, fields, err := integer(fields, 32)
	if err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	root, fields, err := fixed(fields, common.HashLength)
	if err != nil {
		return nil, fmt.Errorf("storage root: %w", err)
	}
	code, fields, err := fixed(fields, common.HashLength)
	if err != nil {
		return nil, fmt.Errorf("code hash: %w", err)
	}
	slots, rest, err := rlp.SplitList(fields)
	if err != nil {
		return nil, fmt.Errorf("slots: %w", err)
	}
	if len(rest) > 0 {
		return nil, errors.New("too many fields")
	}
	found := &account{
		StateAccount: types.StateAccount{
			Nonce: new(uint256.Int).SetBytes(nonce).Uint64(), Balance: new(uint256.Int).SetBytes(balance),
			Root: common.Hash(root), CodeHash: bytes.Clone(code),
		},
		slots: make(map[common.Hash]common.Hash),
	}
	return found, found.parseSlots(slots)
}

func (found *account) parseSlots(slots []byte) error {
	for len(slots) > 0 {
		pair, rest, err := rlp.SplitList(slots)
		if err != nil {
			return fmt.Errorf("slot %d: %w", len(found.keys), err)
		}
		slots = rest
		bytesOfKey, pair, err := fixed(pair, common.HashLength)
		if err != nil {
			return fmt.Errorf("slot %d: key: %w", len(found.keys), err)
		}
		key := common.Hash(bytesOfKey)
		if count := len(found.keys); count > 0 && bytes.Compare(found.keys[count-1][:], key[:]) >= 0 {
			return fmt.Errorf("slot %s is out of order", key)
		}
		value, pair, err := integer(pair, 32)
		if err != nil {
			return fmt.Errorf("slot %s: %w", key, err)
		}
		if len(pair) > 0 {
			return fmt.Errorf("slot %s: too many fields", key)
		}
		if len(value) > 0 && found.Root == types.EmptyRootHash {
			return fmt.Errorf("slot %s is not zero, and the storage root is that of the empty trie", key)
		}
		found.keys = append(found.keys, key)
		found.slots[key] = common.BytesToHash(value)
	}
	return nil
}

// fixed splits a string of exactly length bytes off fields.
func fixed(fields []byte, length int) (value, rest []byte, err error) {
	value, rest, err = rlp.SplitString(fields)
	if err == nil && len(value) != length {
		err = fmt.Errorf("%d bytes, not %d", len(value), length)
	}
	return value, rest, err
}

// integer splits a big-endian integer without leading zeros of at most length bytes off fields.
func integer(fields []byte, length int) (value, rest []byte, err error) {
	value, rest, err = rlp.SplitString(fields)
	switch {
	case err != nil:
	case len(value) > length:
		err = fmt.Errorf("an integer of %d bytes, at most %d are allowed", len(value), length)
	case len(value) > 0 && value[0] == 0:
		err = errors.New("an integer with a leading zero")
	}
	return value, rest, err
}
