package witnessfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// KindProducer is the section that says who wrote the file, JSON; need not be there.
const KindProducer = 7

// A Content is what Encode puts into a file. The state and the codes may come in any order, and more than once.
type Content struct {
	ChainID     uint64
	BlockNumber uint64
	BlockHash   [32]byte
	Block       []byte // RLP
	ChainConfig []byte // JSON
	Producer    []byte // JSON; nil for none
	State       [][]byte
	Codes       [][]byte
	Headers     [][]byte // ascending, the parent last
}

// Encode returns the bytes of the file of docs/witness-format.md. It fails where they are more than a file may have.
func Encode(content *Content) ([]byte, error) {
	type section struct {
		kind  uint32
		bytes []byte
	}
	sections := []section{
		{KindBlock, content.Block},
		{KindWitness, encodeLists(canonical(content.State), canonical(content.Codes), content.Headers)},
		{KindChainConfig, content.ChainConfig},
	}
	if content.Producer != nil {
		sections = append(sections, section{KindProducer, content.Producer})
	}
	var (
		order    = binary.LittleEndian
		tableEnd = headerLength + entryLength*len(sections)
		end      = tableEnd
	)
	for _, section := range sections {
		end = aligned(end) + len(section.bytes)
	}
	if end > maxFileLength {
		return nil, fmt.Errorf("witness file: %d bytes, at most %d are allowed", end, maxFileLength)
	}
	file := make([]byte, tableEnd, end)
	copy(file, magic[:])
	order.PutUint16(file[4:], version)
	order.PutUint16(file[6:], uint16(len(sections)))
	order.PutUint32(file[8:], uint32(end))
	order.PutUint64(file[16:], content.ChainID)
	order.PutUint64(file[24:], content.BlockNumber)
	copy(file[32:], content.BlockHash[:])
	for index, section := range sections {
		file = append(file, make([]byte, aligned(len(file))-len(file))...)
		entry := file[headerLength+entryLength*index:]
		order.PutUint32(entry, section.kind)
		order.PutUint32(entry[4:], crc32.ChecksumIEEE(section.bytes))
		order.PutUint64(entry[8:], uint64(len(file)))
		order.PutUint64(entry[16:], uint64(len(section.bytes)))
		file = append(file, section.bytes...)
	}
	order.PutUint32(file[12:], crc32.ChecksumIEEE(file[:tableEnd])) // the checksum's own field counts as zero
	return file, nil
}

// aligned returns the next multiple of 8.
func aligned(position int) int { return (position + 7) &^ 7 }

// canonical returns the elements sorted bytewise, each once.
func canonical(elements [][]byte) [][]byte {
	elements = slices.Clone(elements)
	slices.SortFunc(elements, bytes.Compare)
	return slices.CompactFunc(elements, bytes.Equal)
}

// encodeLists is the way back of parseLists.
func encodeLists(lists ...[][]byte) []byte {
	length := containerLength
	for _, list := range lists {
		for _, element := range list {
			length += 4 + len(element)
		}
	}
	section := make([]byte, containerLength, length)
	for index, list := range lists {
		binary.LittleEndian.PutUint32(section[4*index:], uint32(len(section)))
		offset := 4 * len(list)
		for _, element := range list {
			section = binary.LittleEndian.AppendUint32(section, uint32(offset))
			offset += len(element)
		}
		for _, element := range list {
			section = append(section, element...)
		}
	}
	return section
}
