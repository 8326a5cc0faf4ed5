package recording

import (
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/witnessfile"
)

// reachable is how many ancestors BLOCKHASH reaches (Yellow Paper, 9.4.2).
const reachable = 256

// ahead makes the witness of a block that nobody has executed: all of the state before it and every ancestor that it can
// ask for, where that is no more than WholeState bytes. nil where it is more. Others need not wait for geth then.
func (chain *Chain) ahead(encoded []byte, opened *envelope, parent *types.Header) (*witnessfile.Content, error) {
	if chain.isLarge || chain.WholeState == 0 {
		return nil, nil
	}
	headers, length, err := chain.ancestors(parent)
	if err != nil {
		return nil, err
	}
	chain.store.begin()
	defer chain.store.pause()
	limit := chain.WholeState - length
	if limit > 0 {
		if err := chain.readEverything(parent.Root, limit); err != nil {
			return nil, err
		}
	}
	if limit <= chain.store.noted.bytes {
		chain.isLarge = true // and is not looked through before every block
		return nil, nil
	}
	return chain.content(encoded, opened, chain.store.pause(), headers), nil
}

// ancestors returns the headers that BLOCKHASH reaches, ascending, the parent last, and how many
// bytes they have. It ends early where that is more than WholeState.
func (chain *Chain) ancestors(parent *types.Header) (encoded [][]byte, length int, err error) {
	header := parent
	for ; header != nil && len(encoded) < reachable; header = chain.headers[header.ParentHash] {
		one, err := rlp.EncodeToBytes(header)
		if err != nil {
			return nil, 0, err
		}
		encoded = append([][]byte{one}, encoded...)
		if length += len(one); length > chain.WholeState {
			break
		}
	}
	return encoded, length, nil
}
