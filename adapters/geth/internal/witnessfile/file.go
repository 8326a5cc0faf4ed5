// Package witnessfile reads the witness file (docs/witness-format.md) through a read-only memory map.
package witnessfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
)

// Section kinds that this adapter uses. The others are checked and skipped.
const (
	KindBlock       = 1 // RLP [header, transactions, uncles, withdrawals?]
	KindWitness     = 2 // SSZ ExecutionWitness{state, codes, headers}
	KindChainConfig = 3 // the "config" object of a geth genesis, JSON
	KindPrestate    = 4 // RLP of accounts and slots before the block; need not be there
)

const (
	headerLength  = 64
	entryLength   = 24
	maxSections   = 64
	maxFileLength = 1 << 30 // bytes
	version       = 1
)

var magic = [4]byte{'E', 'V', 'W', 'F'}

// A File is one block's witness. Its slices point into the map: they are good until Close and must be read inside
// Guarded only.
type File struct {
	ChainID     uint64
	BlockNumber uint64
	BlockHash   [32]byte
	Block       []byte // section block
	ChainConfig []byte // section chain_config
	Prestate    []byte // section prestate; nil where there is none
	State       [][]byte
	Codes       [][]byte
	Headers     [][]byte

	mapped []byte // nil where the bytes came with the request
}

// Open maps and checks the regular file at path. Anything else, a FIFO for one, is refused without waiting for it.
func Open(path string) (*File, error) {
	// O_NONBLOCK: opening a FIFO without a writer would otherwise not return.
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("witness file: open: %w", err)
	}
	defer func() { _ = unix.Close(descriptor) }() // the map outlives the descriptor
	var status unix.Stat_t
	if err := unix.Fstat(descriptor, &status); err != nil {
		return nil, fmt.Errorf("witness file: stat: %w", err)
	}
	if status.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("witness file: not a regular file")
	}
	if err := checkLength(status.Size); err != nil {
		return nil, err
	}
	mapped, err := unix.Mmap(descriptor, 0, int(status.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("witness file: map: %w", err)
	}
	file, err := parse(mapped)
	if err != nil {
		_ = unix.Munmap(mapped)
		return nil, err
	}
	file.mapped = mapped
	return file, nil
}

// Parse checks the bytes of a witness file that came with the request. It keeps them.
func Parse(content []byte) (*File, error) {
	if err := checkLength(int64(len(content))); err != nil {
		return nil, err
	}
	return parse(content)
}

// Close takes the map away. No slice of the file may be used afterwards. It may be called more than once.
func (file *File) Close() {
	if file.mapped != nil {
		_ = unix.Munmap(file.mapped)
	}
	*file = File{}
}

func checkLength(length int64) error {
	if length < headerLength {
		return fmt.Errorf("witness file: %d bytes are too few for a header", length)
	}
	if length > maxFileLength {
		return fmt.Errorf("witness file: %d bytes, at most %d are allowed", length, maxFileLength)
	}
	return nil
}

func parse(content []byte) (file *File, err error) {
	err = Guarded(func() error {
		file, err = parseHeader(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// parseHeader checks header, section table and every checksum before anything else is used.
func parseHeader(content []byte) (*File, error) {
	if [4]byte(content[:4]) != magic {
		return nil, errors.New("witness file: wrong magic")
	}
	if found := binary.LittleEndian.Uint16(content[4:]); found != version {
		return nil, fmt.Errorf("witness file: version %d, this reader knows %d", found, version)
	}
	count := int(binary.LittleEndian.Uint16(content[6:]))
	if count < 1 || count > maxSections {
		return nil, fmt.Errorf("witness file: %d sections", count)
	}
	if total := binary.LittleEndian.Uint32(content[8:]); uint64(total) != uint64(len(content)) {
		return nil, fmt.Errorf("witness file: header says %d bytes, the file has %d", total, len(content))
	}
	tableEnd := headerLength + entryLength*count
	if tableEnd > len(content) {
		return nil, errors.New("witness file: truncated in the section table")
	}
	checksum := crc32.NewIEEE()
	_, _ = checksum.Write(content[:12])
	_, _ = checksum.Write(make([]byte, 4)) // the checksum's own field counts as zero
	_, _ = checksum.Write(content[16:tableEnd])
	if checksum.Sum32() != binary.LittleEndian.Uint32(content[12:]) {
		return nil, errors.New("witness file: header checksum does not match")
	}
	file := &File{
		ChainID:     binary.LittleEndian.Uint64(content[16:]),
		BlockNumber: binary.LittleEndian.Uint64(content[24:]),
		BlockHash:   [32]byte(content[32:64]),
	}
	sections, err := parseTable(content, count)
	if err != nil {
		return nil, err
	}
	for _, kind := range []uint32{KindBlock, KindWitness, KindChainConfig} {
		if sections[kind] == nil {
			return nil, fmt.Errorf("witness file: required section %d is not there", kind)
		}
	}
	file.Block, file.ChainConfig = sections[KindBlock], sections[KindChainConfig]
	file.Prestate = sections[KindPrestate]
	if file.State, file.Codes, file.Headers, err = parseLists(sections[KindWitness]); err != nil {
		return nil, err
	}
	return file, nil
}

// parseTable returns the sections by kind; none of them is nil. The place of every section is determined by the
// lengths, so overlaps, gaps and disorder are one check.
func parseTable(content []byte, count int) (map[uint32][]byte, error) {
	var (
		sections = make(map[uint32][]byte, count)
		end      = uint64(headerLength + entryLength*count)
		previous int64
	)
	previous = -1
	for index := range count {
		entry := content[headerLength+entryLength*index:]
		kind := binary.LittleEndian.Uint32(entry)
		checksum := binary.LittleEndian.Uint32(entry[4:])
		offset := binary.LittleEndian.Uint64(entry[8:])
		length := binary.LittleEndian.Uint64(entry[16:])
		if int64(kind) <= previous {
			return nil, fmt.Errorf("witness file: section kind %d is out of order", kind)
		}
		previous = int64(kind)
		start := (end + 7) &^ 7
		if offset != start {
			return nil, fmt.Errorf("witness file: section %d starts at %d, not at %d", kind, offset, start)
		}
		// No sum here overflows: start is at most 1 GiB, and length is compared before it is added.
		if start > uint64(len(content)) || length > uint64(len(content))-start {
			return nil, fmt.Errorf("witness file: section %d reaches beyond the end", kind)
		}
		for _, padding := range content[end:start] {
			if padding != 0 {
				return nil, fmt.Errorf("witness file: padding before section %d is not zero", kind)
			}
		}
		end = start + length
		section := content[start:end:end]
		if crc32.ChecksumIEEE(section) != checksum {
			return nil, fmt.Errorf("witness file: checksum of section %d does not match", kind)
		}
		sections[kind] = section
	}
	if end != uint64(len(content)) {
		return nil, fmt.Errorf("witness file: sections end at %d of %d bytes", end, len(content))
	}
	return sections, nil
}
