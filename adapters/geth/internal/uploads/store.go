// Package uploads keeps witness files that the verifier has sent, in memory and by their digest.
package uploads

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// Bounds by adapters/CONTRACT.md: at least the last four files and 64 MiB together are held, of up to 256 MiB each. So
// at most 1 GiB is held, where all four are of the largest size.
const (
	MaxFile   = 256 << 20 // bytes
	heldFiles = 4
	heldBytes = 64 << 20
)

// maxFiles bounds what tiny files cost beyond their bytes. 64 MiB of them would be files of less than 1 KiB each, which
// no witness file is.
const maxFiles = 1 << 16

// A Digest is the SHA-256 of a file.
type Digest [sha256.Size]byte

// String writes the digest in hexadecimal.
func (digest Digest) String() string { return hex.EncodeToString(digest[:]) }

// A Store holds files, and forgets the least recently used first. It is safe for concurrent use.
type Store struct {
	lock  sync.Mutex
	files map[Digest]*list.Element
	order list.List // of *file, the most recently used first
	bytes int
}

type file struct {
	digest  Digest
	content []byte
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{files: make(map[Digest]*list.Element)}
}

// Get returns the file with this digest, or false. The content must not be changed; it stays good after the store has
// forgotten the file.
func (store *Store) Get(digest Digest) ([]byte, bool) {
	store.lock.Lock()
	defer store.lock.Unlock()
	element, held := store.files[digest]
	if !held {
		return nil, false
	}
	store.order.MoveToFront(element)
	return element.Value.(*file).content, true
}

// Put keeps a file, whose digest has been checked.
func (store *Store) Put(digest Digest, content []byte) {
	store.lock.Lock()
	defer store.lock.Unlock()
	if element, held := store.files[digest]; held {
		store.order.MoveToFront(element)
		return
	}
	store.files[digest] = store.order.PushFront(&file{digest, content})
	store.bytes += len(content)
	for store.order.Len() > heldFiles {
		oldest := store.order.Back().Value.(*file)
		if store.bytes-len(oldest.content) < heldBytes && store.order.Len() <= maxFiles {
			break
		}
		store.order.Remove(store.order.Back())
		delete(store.files, oldest.digest)
		store.bytes -= len(oldest.content)
	}
}
