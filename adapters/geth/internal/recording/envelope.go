package recording

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// An envelope is what can be told of a block whose header or body geth may not be able to decode.
type envelope struct {
	header []byte // RLP
	hash   common.Hash
	parent common.Hash
	number uint64
}

const (
	leastHeaderFields = 15 // the Yellow Paper's
	leastBlockItems   = 3  // header, transactions, uncles
	numberField       = 8
)

// open looks at a block leniently: three lists at least, the first of which is a header by its number of fields, its
// parent's hash and its block number. Of anything else nothing can be said, and nobody asked.
func open(encoded []byte) (*envelope, error) {
	items, _, err := rlp.SplitList(encoded)
	if err != nil {
		return nil, err
	}
	header, err := outerForm(items)
	if err != nil {
		return nil, err
	}
	fields, _, err := rlp.SplitList(header)
	if err != nil {
		return nil, err
	}
	if count, err := rlp.CountValues(fields); err != nil || count < leastHeaderFields {
		return nil, errors.Join(fmt.Errorf("a header with %d fields", count), err)
	}
	opened := &envelope{header: header, hash: crypto.Keccak256Hash(header)}
	for index := 0; index <= numberField; index++ {
		kind, content, rest, err := rlp.Split(fields)
		switch {
		case err != nil:
			return nil, err
		case kind == rlp.List:
			return nil, fmt.Errorf("header field %d is a list", index)
		case index == 0 && len(content) != common.HashLength:
			return nil, fmt.Errorf("a parent hash of %d bytes", len(content))
		case index == 0:
			opened.parent = common.Hash(content)
		case index == numberField:
			if opened.number, _, err = rlp.SplitUint64(fields); err != nil {
				return nil, fmt.Errorf("block number: %w", err)
			}
		}
		fields = rest
	}
	return opened, nil
}

// outerForm returns the header of a block's items, if these begin with enough lists.
func outerForm(items []byte) (header []byte, err error) {
	for index := range leastBlockItems {
		kind, _, rest, err := rlp.Split(items)
		if err != nil {
			return nil, err
		}
		if kind != rlp.List {
			return nil, errors.New("a block is a list of header, transactions and uncles")
		}
		if index == 0 {
			header = items[:len(items)-len(rest)]
		}
		items = rest
	}
	return header, nil
}
