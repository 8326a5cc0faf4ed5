package witnessstate

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// keyNibbles is the length of every path to a leaf: the nibbles of a keccak-256 hash (Yellow Paper, appendix D).
const keyNibbles = 64

// checkNode says what is wrong with an encoded trie node that stands depth nibbles below the root of its trie. geth
// decodes nodes leniently, and panics on some bad ones, partly in goroutines that nobody can recover; so no node gets
// to it that is not exactly what the trie's definition allows there.
func checkNode(node []byte, depth int, checkValue func([]byte) error) error {
	items, rest, err := rlp.SplitList(node)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return errors.New("bytes after the node")
	}
	return checkItems(items, depth, checkValue)
}

func checkItems(items []byte, depth int, checkValue func([]byte) error) error {
	count, err := rlp.CountValues(items)
	if err != nil {
		return err
	}
	switch count {
	case 2:
		return checkShort(items, depth, checkValue)
	case 17:
		return checkBranch(items, depth, checkValue)
	default:
		return fmt.Errorf("%d items", count)
	}
}

// checkShort checks an extension or a leaf: [compact path, child or value].
func checkShort(items []byte, depth int, checkValue func([]byte) error) error {
	path, rest, err := rlp.SplitString(items)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return errors.New("empty path")
	}
	var (
		flags   = path[0] >> 4
		odd     = int(flags & 1)
		nibbles = 2*(len(path)-1) + odd
	)
	if flags > 3 || (odd == 0 && path[0]&0x0f != 0) {
		return fmt.Errorf("path starts with 0x%02x", path[0])
	}
	if flags&2 != 0 { // a leaf
		if depth+nibbles != keyNibbles {
			return fmt.Errorf("leaf at depth %d with %d nibbles", depth, nibbles)
		}
		value, _, err := rlp.SplitString(rest)
		if err != nil {
			return err
		}
		return checkValue(value)
	}
	if nibbles == 0 || depth+nibbles >= keyNibbles {
		return fmt.Errorf("extension at depth %d with %d nibbles", depth, nibbles)
	}
	used, _, err := checkChild(rest, depth+nibbles, checkValue)
	if err == nil && !used {
		err = errors.New("extension without a child")
	}
	return err
}

// checkBranch checks a branch: 16 children, of which at least two are there, and no value, as all keys are of one
// length.
func checkBranch(items []byte, depth int, checkValue func([]byte) error) error {
	if depth >= keyNibbles {
		return fmt.Errorf("branch at depth %d", depth)
	}
	children := 0
	for range 16 {
		used, rest, err := checkChild(items, depth+1, checkValue)
		if err != nil {
			return err
		}
		if used {
			children++
		}
		items = rest
	}
	if children < 2 {
		return fmt.Errorf("branch with %d children", children)
	}
	value, _, err := rlp.SplitString(items)
	if err != nil {
		return err
	}
	if len(value) != 0 {
		return errors.New("branch with a value")
	}
	return nil
}

// checkChild checks the first item: empty, a hash, or an embedded node of less than 32 bytes.
func checkChild(items []byte, depth int, checkValue func([]byte) error) (used bool, rest []byte, err error) {
	kind, content, rest, err := rlp.Split(items)
	if err != nil {
		return false, nil, err
	}
	switch {
	case kind == rlp.List:
		if size := len(items) - len(rest); size >= common.HashLength {
			return false, nil, fmt.Errorf("embedded node of %d bytes", size)
		}
		return true, rest, checkItems(content, depth, checkValue)
	case kind == rlp.String && len(content) == 0:
		return false, rest, nil
	case kind == rlp.String && len(content) == common.HashLength:
		return true, rest, nil
	default:
		return false, nil, fmt.Errorf("reference of %d bytes", len(content))
	}
}

// checkAccount checks a value of the account trie: [nonce, balance, storage root, code hash].
func checkAccount(value []byte) error {
	items, rest, err := rlp.SplitList(value)
	if err != nil || len(rest) != 0 {
		return errors.New("account is not one RLP list")
	}
	if _, items, err = rlp.SplitUint64(items); err != nil {
		return fmt.Errorf("account's nonce: %w", err)
	}
	balance, items, err := rlp.SplitString(items)
	if err != nil || len(balance) > 32 || (len(balance) > 0 && balance[0] == 0) {
		return errors.New("account's balance is not a 256-bit number")
	}
	root, items, err := rlp.SplitString(items)
	if err != nil || len(root) != common.HashLength {
		return errors.New("account's storage root is not a hash")
	}
	code, items, err := rlp.SplitString(items)
	if err != nil || len(code) != common.HashLength || len(items) != 0 {
		return errors.New("account's code hash is not a hash")
	}
	return nil
}

// checkSlot checks a value of a storage trie: the RLP of a 256-bit number that is not 0.
func checkSlot(value []byte) error {
	number, rest, err := rlp.SplitString(value)
	if err != nil || len(rest) != 0 || len(number) == 0 || len(number) > 32 || number[0] == 0 {
		return errors.New("slot is not a 256-bit number above 0")
	}
	return nil
}
