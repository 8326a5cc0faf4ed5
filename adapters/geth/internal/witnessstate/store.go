// Package witnessstate is geth's state database over the nodes and codes of a witness.
package witnessstate

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"execution-verifier/adapters/geth/internal/witnessfile"
)

// parallelBytes is the least amount of bytes for which a second goroutine hashes faster than one.
const parallelBytes = 32 << 10

// A Store finds nodes and codes by their keccak-256, which it has computed itself. It copies what is asked for, so
// that geth never reads mapped bytes: a fault there could happen in a goroutine of geth's, which nobody can recover.
type Store struct {
	nodes  map[common.Hash][]byte // views into the witness file
	codes  map[common.Hash][]byte
	Misses *Misses
}

// NewStore hashes all nodes and codes. The bytes must stay readable as long as the store is used.
func NewStore(nodes, codes [][]byte) (*Store, error) {
	store := &Store{
		nodes:  make(map[common.Hash][]byte, len(nodes)),
		codes:  make(map[common.Hash][]byte, len(codes)),
		Misses: new(Misses),
	}
	hashes, err := hashAll(nodes, codes)
	if err != nil {
		return nil, err
	}
	for index, node := range nodes {
		store.nodes[hashes[index]] = node
	}
	for index, code := range codes {
		store.codes[hashes[len(nodes)+index]] = code
	}
	return store, nil
}

// hashAll returns the keccak-256 of each node and then of each code, computed on all processors.
func hashAll(nodes, codes [][]byte) ([]common.Hash, error) {
	blobs := make([][]byte, 0, len(nodes)+len(codes))
	blobs = append(append(blobs, nodes...), codes...)
	total := 0
	for _, blob := range blobs {
		total += len(blob)
	}
	var (
		hashes  = make([]common.Hash, len(blobs))
		workers = min(runtime.GOMAXPROCS(0), 1+total/parallelBytes)
		failed  = make([]error, workers)
		group   sync.WaitGroup
	)
	// Each worker takes every n-th: nodes are sorted by their bytes, so branches and leaves are evenly spread.
	work := func(worker int) {
		failed[worker] = witnessfile.Guarded(func() error {
			hasher := crypto.NewKeccakState()
			for index := worker; index < len(blobs); index += workers {
				hashes[index] = crypto.HashData(hasher, blobs[index])
			}
			return nil
		})
	}
	for worker := 1; worker < workers; worker++ {
		group.Go(func() { work(worker) })
	}
	work(0)
	group.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// node returns a copy of the node with this hash, or nil after recording the miss. depth is in nibbles.
func (store *Store) node(hash common.Hash, depth int, check func([]byte) error, where func() string) []byte {
	node, ok := store.copy(store.nodes, hash)
	if !ok {
		store.Misses.Node(hash, where())
		return nil
	}
	if err := checkNode(node, depth, check); err != nil {
		store.Misses.Node(hash, fmt.Sprintf("%s: the bytes are not a well-formed trie node: %v", where(), err))
		return nil
	}
	return node
}

// code returns a copy of the code with this hash, or nil after recording the miss.
func (store *Store) code(hash common.Hash, where func() string) []byte {
	code, ok := store.copy(store.codes, hash)
	if !ok {
		store.Misses.Code(hash, where())
		return nil
	}
	return code
}

// codeSize returns the length of the code with this hash, or 0 after recording the miss.
func (store *Store) codeSize(hash common.Hash, where func() string) int {
	code, ok := store.codes[hash]
	if !ok {
		store.Misses.Code(hash, where())
	}
	return len(code)
}

func (store *Store) copy(blobs map[common.Hash][]byte, hash common.Hash) (blob []byte, ok bool) {
	view, ok := blobs[hash]
	if !ok {
		return nil, false
	}
	err := witnessfile.Guarded(func() error {
		blob = append(make([]byte, 0, len(view)), view...)
		return nil
	})
	if err != nil {
		store.Misses.Fault(err)
		return nil, false
	}
	return blob, true
}
