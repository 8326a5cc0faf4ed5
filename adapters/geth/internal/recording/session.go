package recording

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/version"

	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/witnessfile"
)

// A Request is a chain of its own: one JSON object. The README describes request and answers.
type Request struct {
	ChainConfig string             `json:"chain_config"` // the text that becomes the files' section
	Genesis     hexutil.Bytes      `json:"genesis"`      // RLP of the header; a state root of zero is to be computed
	Accounts    types.GenesisAlloc `json:"accounts"`     // as `alloc` of a geth genesis
	WholeState  int                `json:"whole_state"`  // as Chain has it, in bytes
	Blocks      []struct {
		RLP  hexutil.Bytes `json:"rlp"`
		Hash *common.Hash  `json:"hash"` // that is stated for it; null where none is
	} `json:"blocks"`
}

// An Answer is one line: exactly one of its members is there. After the answers to its blocks a request is answered by
// Done or Failure.
type Answer struct {
	Witness *WitnessAnswer `json:"witness,omitempty"`
	Block   *BlockAnswer   `json:"block,omitempty"`
	Done    bool           `json:"done,omitempty"`
	Failure *Failure       `json:"failure,omitempty"`
}

// A WitnessAnswer comes before the BlockAnswer where the witness does not depend on what the block does. The file's bytes
// follow its line.
type WitnessAnswer struct {
	Index  int         `json:"index"`
	Hash   common.Hash `json:"hash"`
	Number uint64      `json:"number"`
	Length int         `json:"length"`
}

// A BlockAnswer is an Outcome. The bytes of the witness file follow its line; Length says how many, 0 where there is
// none, or where it came before.
type BlockAnswer struct {
	Index        int         `json:"index"`
	Hash         common.Hash `json:"hash"`
	Number       uint64      `json:"number"`
	Accepted     bool        `json:"accepted"`
	Rules        []string    `json:"rules,omitempty"`
	Fields       []string    `json:"fields,omitempty"`
	Reason       string      `json:"reason,omitempty"`
	Length       int         `json:"length"`
	Microseconds int64       `json:"us"` // of geth's import, without what becomes of the witness
}

// A Failure is why nothing can be said of a block and those after it. Kind: "unsupported_fork", or "failed".
type Failure struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}

// Kinds of failures.
const (
	FailureUnsupportedFork = "unsupported_fork"
	FailureOther           = "failed"
)

// bufferSize is that of input and output, in bytes.
const bufferSize = 1 << 16

// Serve answers the requests in input until it ends. The error is of input or output; what is wrong with a request is
// an answer, unless it is no JSON.
func Serve(input io.Reader, output io.Writer) error {
	var (
		requests = json.NewDecoder(bufio.NewReaderSize(input, bufferSize))
		lines    = bufio.NewWriterSize(output, bufferSize)
		answers  = json.NewEncoder(lines)
	)
	for {
		request := new(Request)
		if err := requests.Decode(request); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("request: %w", err)
		}
		answer := func(answer *Answer, file []byte) error {
			if err := answers.Encode(answer); err != nil {
				return err
			}
			_, err := lines.Write(file)
			return errors.Join(err, lines.Flush())
		}
		last := &Answer{Done: true}
		if err := record(request, answer); err != nil {
			last = &Answer{Failure: failureOf(err)}
		}
		if err := answer(last, nil); err != nil {
			return err
		}
	}
}

func failureOf(err error) *Failure {
	failure := &Failure{Kind: FailureOther, Reason: outcome.Line("%v", err)}
	var unsupported *chainconfig.UnsupportedForkError
	if errors.As(err, &unsupported) {
		failure.Kind = FailureUnsupportedFork
	}
	return failure
}

// producer is the files' section that says who wrote them.
var producer = fmt.Appendf(nil, `{"name":"geth","source":"full state","version":"%d.%d.%d"}`, version.Major,
	version.Minor, version.Patch)

// record imports the blocks of a request, one after the other, and answers each as soon as its file is made.
func record(request *Request, answer func(*Answer, []byte) error) error {
	genesis := new(types.Header)
	if err := rlp.DecodeBytes(request.Genesis, genesis); err != nil {
		return fmt.Errorf("genesis header: %w", err)
	}
	if err := genesis.SanityCheck(); err != nil {
		return fmt.Errorf("genesis header: %w", err)
	}
	chain, err := NewChain([]byte(request.ChainConfig), genesis, request.Accounts)
	if err != nil {
		return err
	}
	chain.WholeState = request.WholeState
	for index, block := range request.Blocks {
		if err := recordBlock(chain, index, block.RLP, block.Hash, answer); err != nil {
			return err
		}
	}
	return nil
}

func recordBlock(
	chain *Chain, index int, encoded []byte, stated *common.Hash, answer func(*Answer, []byte) error,
) error {
	start := time.Now()
	pending, result, err := chain.Open(encoded, stated)
	spent := time.Since(start)
	isAhead := err == nil && pending != nil && pending.Witness != nil
	if isAhead {
		file, err := fileOf(pending.Witness)
		if err != nil {
			return err
		}
		witness := &WitnessAnswer{Index: index, Hash: pending.Hash, Number: pending.Number, Length: len(file)}
		if err := answer(&Answer{Witness: witness}, file); err != nil {
			return err
		}
	}
	if err == nil && pending != nil {
		start = time.Now()
		result, err = pending.Judge()
		spent += time.Since(start)
	}
	if err != nil {
		return fmt.Errorf("block %d of the request: %w", index, err)
	}
	one := &BlockAnswer{
		Index: index, Hash: result.Hash, Number: result.Number, Accepted: result.Accepted, Rules: result.Rules,
		Fields: result.Fields, Reason: result.Reason, Microseconds: spent.Microseconds(),
	}
	var file []byte
	if result.Witness != nil && !isAhead {
		if file, err = fileOf(result.Witness); err != nil {
			return err
		}
		one.Length = len(file)
	}
	return answer(&Answer{Block: one}, file)
}

func fileOf(content *witnessfile.Content) ([]byte, error) {
	content.Producer = producer
	return witnessfile.Encode(content)
}
