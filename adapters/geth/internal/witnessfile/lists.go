package witnessfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxElements is the most elements that a list of the witness section may have.
const maxElements = 1 << 24

// containerLength is the length of the container's fixed part: three u32 offsets.
const containerLength = 12

// parseLists splits the witness section, the SSZ container ExecutionWitness{state, codes, headers}, into its three
// lists of byte lists. The elements point into section.
func parseLists(section []byte) (state, codes, headers [][]byte, err error) {
	if len(section) < containerLength {
		return nil, nil, nil, errors.New("witness section: truncated container")
	}
	var (
		first  = binary.LittleEndian.Uint32(section)
		second = binary.LittleEndian.Uint32(section[4:])
		third  = binary.LittleEndian.Uint32(section[8:])
	)
	if first != containerLength || second < first || third < second || uint64(third) > uint64(len(section)) {
		return nil, nil, nil, fmt.Errorf("witness section: container offsets %d, %d, %d of %d bytes",
			first, second, third, len(section))
	}
	if state, err = parseList(section[first:second:second]); err != nil {
		return nil, nil, nil, fmt.Errorf("witness section: state: %w", err)
	}
	if codes, err = parseList(section[second:third:third]); err != nil {
		return nil, nil, nil, fmt.Errorf("witness section: codes: %w", err)
	}
	if headers, err = parseList(section[third:]); err != nil {
		return nil, nil, nil, fmt.Errorf("witness section: headers: %w", err)
	}
	return state, codes, headers, nil
}

// parseList splits an SSZ List[ByteList]: a table of u32 offsets from the list's start, then the bytes end to end.
func parseList(list []byte) ([][]byte, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) < 4 {
		return nil, errors.New("truncated offset table")
	}
	first := binary.LittleEndian.Uint32(list)
	if first == 0 || first%4 != 0 || uint64(first) > uint64(len(list)) {
		return nil, fmt.Errorf("first offset %d of %d bytes", first, len(list))
	}
	count := first / 4
	if count > maxElements {
		return nil, fmt.Errorf("%d elements, at most %d are allowed", count, maxElements)
	}
	elements := make([][]byte, count)
	start := first
	for index := range count {
		end := uint32(len(list)) // the file has at most 2^30 bytes
		if index+1 < count {
			end = binary.LittleEndian.Uint32(list[4*(index+1):])
		}
		if end < start || uint64(end) > uint64(len(list)) {
			return nil, fmt.Errorf("element %d ends at %d, starts at %d, of %d bytes", index, end, start, len(list))
		}
		elements[index] = list[start:end:end]
		start = end
	}
	return elements, nil
}
