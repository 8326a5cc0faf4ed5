package uploads

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

func put(store *Store, number int, length int) Digest {
	content := make([]byte, max(length, 8))
	binary.LittleEndian.PutUint64(content, uint64(number))
	digest := Digest(sha256.Sum256(content[:8]))
	store.Put(digest, content)
	return digest
}

func held(store *Store, digests []Digest) []int {
	var numbers []int
	for number, digest := range digests {
		if element := store.files[digest]; element != nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// The last four are held whatever their size, and what goes beyond them as far as 64 MiB are not yet held.
func TestBounds(t *testing.T) {
	for name, check := range map[string]struct{ length, files, held int }{
		"large files":  {100 << 20, 6, 4},
		"20 MiB":       {20 << 20, 6, 4},
		"10 MiB":       {10 << 20, 12, 7},
		"1 MiB":        {1 << 20, 200, 64},
		"files of 8 B": {8, maxFiles + 10, maxFiles},
	} {
		t.Run(name, func(t *testing.T) {
			store, last := NewStore(), Digest{}
			for number := range check.files {
				last = put(store, number, check.length)
			}
			if store.order.Len() != check.held || len(store.files) != check.held || store.bytes != check.held*check.length {
				t.Errorf("%d files, %d bytes", store.order.Len(), store.bytes)
			}
			if content, ok := store.Get(last); !ok || len(content) != check.length {
				t.Error("the last one is not held")
			}
		})
	}
}

// The least recently used is forgotten first, and sending one once more is a use of it.
func TestOrder(t *testing.T) {
	const length = 64 << 20
	store := NewStore()
	var digests []Digest
	for number := range 4 {
		digests = append(digests, put(store, number, length))
	}
	if _, ok := store.Get(digests[0]); !ok {
		t.Fatal("not held")
	}
	put(store, 1, length)
	digests = append(digests, put(store, 4, length))
	if numbers := held(store, digests); len(numbers) != 4 || store.files[digests[2]] != nil {
		t.Errorf("held: %v", numbers)
	}
	if _, ok := store.Get(digests[2]); ok {
		t.Error("the third is held")
	}
	digests = append(digests, put(store, 5, length), put(store, 6, length))
	if numbers := held(store, digests); len(numbers) != 4 || numbers[0] != 1 {
		t.Errorf("held: %v", numbers)
	}
}
