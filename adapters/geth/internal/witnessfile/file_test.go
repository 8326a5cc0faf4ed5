package witnessfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/quick"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sys/unix"

	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

func sample() *witnesstest.Witness {
	return &witnesstest.Witness{
		ChainID: 1, BlockNumber: 2, BlockHash: common.Hash{3}, Block: []byte{0xc0}, ChainConfig: []byte("{}"),
		State: [][]byte{{1, 2, 3}, {4}}, Codes: [][]byte{{5, 6}}, Headers: [][]byte{{9}, {8}},
	}
}

func TestRoundTrip(t *testing.T) {
	property := func(chainID, number uint64, hash [32]byte, block, config []byte, headers [][]byte) bool {
		witness := sample()
		witness.ChainID, witness.BlockNumber, witness.BlockHash = chainID, number, hash
		witness.Block, witness.ChainConfig, witness.Headers = block, config, headers
		file, err := witnessfile.Parse(witnesstest.Encode(witness))
		return err == nil && file.ChainID == chainID && file.BlockNumber == number && file.BlockHash == hash &&
			bytes.Equal(file.Block, block) && bytes.Equal(file.ChainConfig, config) &&
			slices.EqualFunc(file.Headers, headers, bytes.Equal) &&
			slices.EqualFunc(file.State, witness.State, bytes.Equal) &&
			slices.EqualFunc(file.Codes, witness.Codes, bytes.Equal)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Fatal(err)
	}
}

// Every byte of a file is covered by a check.
func TestEveryChangedByteIsRefused(t *testing.T) {
	content := witnesstest.Encode(sample())
	for index := range content {
		for _, mask := range []byte{0x01, 0x80, 0xff} {
			changed := slices.Clone(content)
			changed[index] ^= mask
			if _, err := witnessfile.Parse(changed); err == nil {
				t.Fatalf("byte %d ^ 0x%02x is not noticed", index, mask)
			}
		}
	}
	for length := range content {
		if _, err := witnessfile.Parse(content[:length]); err == nil {
			t.Fatalf("truncation to %d bytes is not noticed", length)
		}
	}
	if _, err := witnessfile.Parse(append(slices.Clone(content), 0)); err == nil {
		t.Fatal("an extra byte is not noticed")
	}
}

// The same with checksums that are right: what is wrong is the layout itself.
func TestWrongLayout(t *testing.T) {
	order := binary.LittleEndian
	for name, change := range map[string]func(content []byte) []byte{
		"version":         func(c []byte) []byte { c[4] = 2; return c },
		"no section":      func(c []byte) []byte { c[6] = 0; return c },
		"65 sections":     func(c []byte) []byte { c[6] = 65; return c },
		"kinds disorder":  func(c []byte) []byte { order.PutUint32(c[64:], 2); return c },
		"overlap":         func(c []byte) []byte { order.PutUint64(c[64+24+8:], order.Uint64(c[64+8:])); return c },
		"offset overflow": func(c []byte) []byte { order.PutUint64(c[64+8:], 1<<63); return c },
		"length overflow": func(c []byte) []byte { order.PutUint64(c[64+16:], 1<<64-1); return c },
		"total":           func(c []byte) []byte { order.PutUint32(c[8:], uint32(len(c)+8)); return c },
		"padding":         func(c []byte) []byte { c[64+72+1] = 1; return c },
		"gap at the end":  func(c []byte) []byte { order.PutUint32(c[8:], uint32(len(c)+1)); return append(c, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			content := change(witnesstest.Encode(sample()))
			witnesstest.Seal(content, 3)
			if _, err := witnessfile.Parse(content); err == nil {
				t.Fatal("not refused")
			} else {
				t.Log(err)
			}
		})
	}
}

func TestSections(t *testing.T) {
	lists := []byte{12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0}
	complete := []witnesstest.Section{
		{Kind: 1, Content: []byte{0xc0}}, {Kind: 2, Content: lists}, {Kind: 3, Content: []byte("{}")},
	}
	encode := func(sections []witnesstest.Section) []byte {
		return witnesstest.EncodeSections(1, 1, common.Hash{}, sections)
	}
	later := append(slices.Clone(complete), witnesstest.Section{Kind: 9, Content: []byte("later")},
		witnesstest.Section{Kind: 1 << 31})
	if _, err := witnessfile.Parse(encode(later)); err != nil {
		t.Errorf("unknown sections: %v", err)
	}
	for index := range complete {
		if _, err := witnessfile.Parse(encode(slices.Delete(slices.Clone(complete), index, index+1))); err == nil {
			t.Errorf("a file without section %d is not refused", complete[index].Kind)
		}
	}
	if _, err := witnessfile.Parse(encode(append(slices.Clone(complete), complete[2]))); err == nil {
		t.Error("the same section twice is not refused")
	}
	for name, content := range map[string][]byte{
		"empty":           {},
		"first offset":    {11, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0},
		"descending":      {12, 0, 0, 0, 11, 0, 0, 0, 12, 0, 0, 0},
		"beyond":          {12, 0, 0, 0, 12, 0, 0, 0, 13, 0, 0, 0},
		"short table":     {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 4, 0},
		"odd table":       {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 5, 0, 0, 0, 0},
		"zero table":      {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0},
		"element order":   {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0},
		"element beyond":  {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0},
		"table too large": {12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 252, 255, 255, 255},
	} {
		sections := slices.Clone(complete)
		sections[1].Content = content
		if _, err := witnessfile.Parse(encode(sections)); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// FuzzParse looks for bytes that end the process. Checksums are made right, so that the layout is reached.
func FuzzParse(f *testing.F) {
	f.Add(witnesstest.Encode(sample()), 0, byte(0))
	f.Add(witnesstest.Encode(sample()), 9, byte(255))
	f.Fuzz(func(t *testing.T, content []byte, position int, value byte) {
		if len(content) == 0 {
			return
		}
		content = slices.Clone(content)
		content[uint(position)%uint(len(content))] = value
		if len(content) >= 64 && int(content[6])*24+64 <= len(content) {
			witnesstest.Seal(content, int(content[6]))
		}
		file, err := witnessfile.Parse(content)
		if (err == nil) == (file == nil) {
			t.Fatalf("file %v, error %v", file, err)
		}
		sections := witnesstest.EncodeSections(1, 1, common.Hash{}, []witnesstest.Section{
			{Kind: 1, Content: []byte{0xc0}}, {Kind: 2, Content: content}, {Kind: 3, Content: []byte("{}")},
		})
		if file, err = witnessfile.Parse(sections); err == nil {
			for _, list := range [][][]byte{file.State, file.Codes, file.Headers} {
				for _, element := range list {
					if len(element) > len(content) {
						t.Fatal("an element is longer than its list")
					}
				}
			}
		}
	})
}

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "witness")
	if err := os.WriteFile(path, witnesstest.Encode(sample()), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := witnessfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if file.BlockNumber != 2 || len(file.State) != 2 {
		t.Errorf("%+v", file)
	}
	file.Close()
	file.Close()
	fifo := filepath.Join(folder, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(folder, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, fifo, empty, "/dev/zero", filepath.Join(folder, "none"), "a\x00b"} {
		if _, err := witnessfile.Open(path); err == nil {
			t.Errorf("%q is not refused", path)
		}
	}
}

// A file that is truncated while it is mapped is an error and not the end of the process.
func TestTruncatedWhileMapped(t *testing.T) {
	witness := sample()
	witness.Block = make([]byte, 1<<16)
	path := filepath.Join(t.TempDir(), "witness")
	if err := os.WriteFile(path, witnesstest.Encode(witness), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := witnessfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	var sum int
	err = witnessfile.Guarded(func() error {
		for _, value := range file.Block {
			sum += int(value)
		}
		return nil
	})
	if !errors.Is(err, witnessfile.ErrFault) {
		t.Fatalf("%v (sum %d)", err, sum)
	}
}

func TestGuardedPanic(t *testing.T) {
	var panicked *witnessfile.PanicError
	err := witnessfile.Guarded(func() error { panic("text") })
	if !errors.As(err, &panicked) || panicked.Value != "text" || len(panicked.Stack) == 0 {
		t.Fatal(err)
	}
	err = witnessfile.Guarded(func() error { return errors.New("plain") })
	if err == nil || errors.As(err, &panicked) {
		t.Fatal(err)
	}
	var nothing *int
	err = witnessfile.Guarded(func() error { *nothing = 1; return nil })
	if !errors.As(err, &panicked) {
		t.Fatalf("a nil dereference is no fault of the file: %v", err)
	}
}
