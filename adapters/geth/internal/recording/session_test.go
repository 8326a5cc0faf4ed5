package recording_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/recording"
	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// requestOf is a request to import the blocks of a chain.
func requestOf(t *testing.T, made *witnesstest.Chain) map[string]any {
	t.Helper()
	genesis, err := rlp.EncodeToBytes(made.Blocks[0].Header())
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for _, block := range made.Blocks[1:] {
		list = append(list, map[string]any{"rlp": hexutil.Bytes(encoded(t, block)), "hash": nil})
	}
	return map[string]any{
		"chain_config": string(document(t, made.Config)), "genesis": hexutil.Bytes(genesis),
		"accounts": witnesstest.Alloc(), "blocks": list,
	}
}

// answersOf serves the requests and returns the answers, with the files behind them.
func answersOf(t *testing.T, requests ...any) (answers []recording.Answer, files [][]byte) {
	t.Helper()
	var input, output bytes.Buffer
	for _, request := range requests {
		if err := json.NewEncoder(&input).Encode(request); err != nil {
			t.Fatal(err)
		}
	}
	if err := recording.Serve(&input, &output); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(&output)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return answers, files
		}
		var answer recording.Answer
		if err := json.Unmarshal(line, &answer); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		answers = append(answers, answer)
		length := 0
		switch {
		case answer.Witness != nil:
			length = answer.Witness.Length
		case answer.Block != nil:
			length = answer.Block.Length
		}
		if length > 0 {
			file := make([]byte, length)
			if _, err := io.ReadFull(reader, file); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
}

func TestServe(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Prague(), witnesstest.Alloc(), 2, witnesstest.Busy(t, witnesstest.Prague()))
	request := requestOf(t, made)
	answers, files := answersOf(t, request, request)
	if len(answers) != 6 || len(files) != 4 || !answers[2].Done || !answers[5].Done {
		t.Fatalf("%+v, %d files", answers, len(files))
	}
	for index, answer := range answers[:2] {
		block := answer.Block
		if block.Index != index || !block.Accepted || block.Hash != made.Blocks[index+1].Hash() ||
			block.Number != uint64(index+1) {
			t.Errorf("%+v", block)
		}
		file, err := witnessfile.Parse(files[index])
		if err != nil || file.BlockHash != block.Hash {
			t.Errorf("file %d: %v", index, err)
		}
		if !bytes.Equal(files[index], files[index+2]) {
			t.Errorf("the second request made another file of block %d", index+1)
		}
	}
}

// TestServeAhead has the witnesses of blocks on a small state before their answers, and just one of each block.
func TestServeAhead(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Prague(), witnesstest.Alloc(), 2, witnesstest.Busy(t, witnesstest.Prague()))
	request := requestOf(t, made)
	request["whole_state"] = 1 << 17
	answers, files := answersOf(t, request)
	if len(answers) != 5 || len(files) != 2 || !answers[4].Done {
		t.Fatalf("%+v, %d files", answers, len(files))
	}
	for index, file := range files {
		witness, block := answers[2*index].Witness, answers[2*index+1].Block
		if witness == nil || block == nil || !block.Accepted || block.Length != 0 || witness.Hash != block.Hash ||
			witness.Index != index || block.Index != index || witness.Number != block.Number {
			t.Fatalf("block %d: %+v, then %+v", index+1, witness, block)
		}
		content, err := witnessfile.Parse(file)
		if err != nil || content.BlockHash != made.Blocks[index+1].Hash() || len(content.Headers) != index+1 {
			t.Errorf("file %d: %v", index, err)
		}
	}
}

// TestServeFailures answers what is wrong with a request, and goes on with the next.
func TestServeFailures(t *testing.T) {
	made := witnesstest.Generate(t, witnesstest.Paris(), witnesstest.Alloc(), 1, nil)
	unknown, cut, wrong := requestOf(t, made), requestOf(t, made), requestOf(t, made)
	unknown["chain_config"] = `{"someTime":0,` + unknown["chain_config"].(string)[1:]
	cut["genesis"] = hexutil.Bytes{0xc1}
	wrong["accounts"] = map[string]any{}
	answers, files := answersOf(t, unknown, cut, wrong, requestOf(t, made))
	if len(answers) != 5 || len(files) != 1 || !answers[4].Done {
		t.Fatalf("%+v", answers)
	}
	for index, kind := range []string{recording.FailureUnsupportedFork, recording.FailureOther, recording.FailureOther} {
		if failure := answers[index].Failure; failure == nil || failure.Kind != kind || failure.Reason == "" {
			t.Errorf("answer %d: %+v", index, answers[index])
		}
	}
	if err := recording.Serve(bytes.NewBufferString("{"), io.Discard); err == nil {
		t.Error("half a request is none")
	}
}
