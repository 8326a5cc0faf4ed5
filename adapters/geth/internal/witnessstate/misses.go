package witnessstate

import (
	"bytes"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// maxMisses is the most missing things that are named in one answer.
const maxMisses = 32

// Misses remembers what was asked of the witness and is not in it. geth goes on after most misses and answers with
// wrong values, so this record decides and not geth's errors. It is safe for concurrent use.
type Misses struct {
	lock    sync.Mutex
	missing []*rpcv1.Missing
	fault   error
	onFirst func()
}

// OnFirst sets what is called, once, at the first miss or fault, e.g. to stop the execution.
func (misses *Misses) OnFirst(stop func()) {
	misses.lock.Lock()
	defer misses.lock.Unlock()
	misses.onFirst = stop
}

// Node records a trie node.
func (misses *Misses) Node(hash common.Hash, where string) {
	misses.add(&rpcv1.Missing{Kind: rpcv1.Missing_KIND_NODE, Hash: hash.Bytes(), Where: where})
}

// Code records a contract's code.
func (misses *Misses) Code(hash common.Hash, where string) {
	misses.add(&rpcv1.Missing{Kind: rpcv1.Missing_KIND_CODE, Hash: hash.Bytes(), Where: where})
}

// Header records a header; hash is zero where it is not known.
func (misses *Misses) Header(number uint64, hash common.Hash, where string) {
	missing := &rpcv1.Missing{Kind: rpcv1.Missing_KIND_HEADER, Number: number, Where: where}
	if hash != (common.Hash{}) {
		missing.Hash = hash.Bytes()
	}
	misses.add(missing)
}

// Account records an account that a prestate does not list.
func (misses *Misses) Account(address common.Address, where string) {
	misses.add(&rpcv1.Missing{Kind: rpcv1.Missing_KIND_ACCOUNT, Address: address.Bytes(), Where: where})
}

// Slot records a slot that a prestate does not list.
func (misses *Misses) Slot(address common.Address, key common.Hash, where string) {
	misses.add(&rpcv1.Missing{
		Kind: rpcv1.Missing_KIND_SLOT, Address: address.Bytes(), Key: key.Bytes(), Where: where,
	})
}

// Fault records that the witness could not be read.
func (misses *Misses) Fault(err error) {
	misses.lock.Lock()
	defer misses.lock.Unlock()
	if misses.fault == nil {
		misses.fault = err
	}
	misses.stop()
}

// List returns what is missing, in the order in which it was asked for, without repetition.
func (misses *Misses) List() []*rpcv1.Missing {
	misses.lock.Lock()
	defer misses.lock.Unlock()
	return misses.missing
}

// Err returns the first fault, or nil.
func (misses *Misses) Err() error {
	misses.lock.Lock()
	defer misses.lock.Unlock()
	return misses.fault
}

func (misses *Misses) add(missing *rpcv1.Missing) {
	misses.lock.Lock()
	defer misses.lock.Unlock()
	if len(misses.missing) >= maxMisses {
		return
	}
	for _, other := range misses.missing {
		if other.Kind == missing.Kind && other.Number == missing.Number && bytes.Equal(other.Hash, missing.Hash) &&
			bytes.Equal(other.Address, missing.Address) && bytes.Equal(other.Key, missing.Key) {
			return
		}
	}
	misses.missing = append(misses.missing, missing)
	misses.stop()
}

func (misses *Misses) stop() {
	if misses.onFirst != nil {
		misses.onFirst()
		misses.onFirst = nil
	}
}
