// Package witnesstest makes witness files for tests.
package witnesstest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// A Witness is what a witness file holds.
type Witness struct {
	ChainID     uint64
	BlockNumber uint64
	BlockHash   common.Hash
	Block       []byte
	ChainConfig []byte
	State       [][]byte
	Codes       [][]byte
	Headers     [][]byte // ascending
	Prestate    Prestate // nil for a file without this section
}

// A Section is one section of a witness file.
type Section struct {
	Kind    uint32
	Content []byte
}

// Encode writes the witness file of docs/witness-format.md.
func Encode(witness *Witness) []byte {
	sections := []Section{
		{1, witness.Block},
		{2, encodeLists(sorted(witness.State), sorted(witness.Codes), witness.Headers)},
		{3, witness.ChainConfig},
	}
	if witness.Prestate != nil {
		sections = append(sections, Section{4, EncodePrestate(witness.Prestate)})
	}
	return EncodeSections(witness.ChainID, witness.BlockNumber, witness.BlockHash, sections)
}

// EncodeSections writes a witness file of any sections, in the given order.
func EncodeSections(chainID, number uint64, hash common.Hash, sections []Section) []byte {
	var (
		order = binary.LittleEndian
		table []byte
		body  []byte
		start = 64 + 24*len(sections)
	)
	for _, section := range sections {
		for (start+len(body))%8 != 0 {
			body = append(body, 0)
		}
		table = order.AppendUint32(table, section.Kind)
		table = order.AppendUint32(table, crc32.ChecksumIEEE(section.Content))
		table = order.AppendUint64(table, uint64(start+len(body)))
		table = order.AppendUint64(table, uint64(len(section.Content)))
		body = append(body, section.Content...)
	}
	header := []byte("EVWF")
	header = order.AppendUint16(header, 1)
	header = order.AppendUint16(header, uint16(len(sections)))
	header = order.AppendUint32(header, uint32(start+len(body)))
	header = order.AppendUint32(header, 0)
	header = order.AppendUint64(header, chainID)
	header = order.AppendUint64(header, number)
	header = append(header, hash[:]...)
	file := slices.Concat(header, table, body)
	Seal(file, len(sections))
	return file
}

// Seal makes the checksum of header and table right again after a change to them.
func Seal(file []byte, sections int) {
	order := binary.LittleEndian
	order.PutUint32(file[12:], 0)
	order.PutUint32(file[12:], crc32.ChecksumIEEE(file[:64+24*sections]))
}

func sorted(elements [][]byte) [][]byte {
	elements = slices.Clone(elements)
	slices.SortFunc(elements, bytes.Compare)
	return slices.CompactFunc(elements, bytes.Equal)
}

func encodeLists(lists ...[][]byte) []byte {
	var (
		order  = binary.LittleEndian
		fixed  []byte
		bodies []byte
	)
	for _, list := range lists {
		fixed = order.AppendUint32(fixed, uint32(4*len(lists)+len(bodies)))
		bodies = append(bodies, encodeList(list)...)
	}
	return append(fixed, bodies...)
}

func encodeList(elements [][]byte) []byte {
	var (
		order  = binary.LittleEndian
		table  []byte
		offset = 4 * len(elements)
	)
	for _, element := range elements {
		table = order.AppendUint32(table, uint32(offset))
		offset += len(element)
	}
	return append(table, bytes.Join(elements, nil)...)
}
