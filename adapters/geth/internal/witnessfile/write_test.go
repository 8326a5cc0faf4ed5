package witnessfile_test

import (
	"bytes"
	"testing"

	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// TestEncode compares with the writer of the tests, which shares no code with this one.
func TestEncode(t *testing.T) {
	for name, content := range map[string]*witnessfile.Content{
		"empty": {ChainID: 7, Block: []byte("block"), ChainConfig: []byte("{}")},
		"unsorted": {
			ChainID: 1, BlockNumber: 1 << 40, BlockHash: [32]byte{1, 2, 3}, Block: []byte("a block"),
			ChainConfig: []byte(`{"chainId":1}`), State: [][]byte{{9}, {1, 2}, {}, {1, 2}},
			Codes: [][]byte{{3}, {3}, {2}}, Headers: [][]byte{{5}, {4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			encoded, err := witnessfile.Encode(content)
			if err != nil {
				t.Fatal(err)
			}
			expected := witnesstest.Encode(&witnesstest.Witness{
				ChainID: content.ChainID, BlockNumber: content.BlockNumber, BlockHash: content.BlockHash,
				Block: content.Block, ChainConfig: content.ChainConfig, State: content.State, Codes: content.Codes,
				Headers: content.Headers,
			})
			if !bytes.Equal(encoded, expected) {
				t.Errorf("%x\nexpected\n%x", encoded, expected)
			}
		})
	}
}

// TestEncodeProducer reads back a file with a section that no reader needs.
func TestEncodeProducer(t *testing.T) {
	encoded, err := witnessfile.Encode(&witnessfile.Content{
		Block: []byte{1}, ChainConfig: []byte("{}"), Producer: []byte(`{"name":"x","version":"1"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := witnessfile.Parse(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file.Block, []byte{1}) || !bytes.Contains(encoded, []byte(`"version":"1"`)) {
		t.Errorf("%+v", file)
	}
}
