// Package benchmark measures go-ethereum's own shortest way through a witness file.
package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/witnessfile"
)

// warmUpRuns are made before those that count.
const warmUpRuns = 2

// Run executes the file runs times with core.ExecuteStateless and writes {"runs_ms": [..]}. geth keeps recovered
// senders in the transactions, which every run decodes anew; it has no other cache that outlives a run.
func Run(output io.Writer, path string, runs int) error {
	times := make([]float64, 0, runs)
	for index := range warmUpRuns + runs {
		start := time.Now()
		if err := witnessfile.Guarded(func() error { return once(path) }); err != nil {
			return err
		}
		if index >= warmUpRuns {
			times = append(times, float64(time.Since(start).Microseconds())/1000)
		}
	}
	line, err := json.Marshal(map[string][]float64{"runs_ms": times})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(output, "%s\n", line)
	return err
}

// once reads the file and executes the block; it fails where the state root is not the header's, as that was not a
// run worth measuring.
func once(path string) error {
	file, err := witnessfile.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	block := new(types.Block)
	if err := rlp.DecodeBytes(file.Block, block); err != nil {
		return err
	}
	config, err := configAt(file, block.Time())
	if err != nil {
		return err
	}
	witness, err := witnessOf(file)
	if err != nil {
		return err
	}
	// ExecuteStateless wants the two roots that it computes to be empty.
	header := block.Header()
	header.Root, header.ReceiptHash = common.Hash{}, common.Hash{}
	task := types.NewBlockWithHeader(header).WithBody(*block.Body())
	root, _, err := core.ExecuteStateless(context.Background(), config, vm.Config{}, task, witness)
	if err != nil {
		return err
	}
	if root != block.Root() {
		return fmt.Errorf("state root %s, the header has %s", root, block.Root())
	}
	return nil
}

func configAt(file *witnessfile.File, time uint64) (*params.ChainConfig, error) {
	config, err := chainconfig.Parse(file.ChainConfig)
	if err != nil {
		return nil, err
	}
	return config.At(time)
}

// witnessOf makes geth's own witness, whose headers are descending.
func witnessOf(file *witnessfile.File) (*stateless.Witness, error) {
	if len(file.Headers) == 0 {
		return nil, errors.New("the witness has no headers, which core.ExecuteStateless cannot do without")
	}
	witness := &stateless.Witness{
		Headers: make([]*types.Header, 0, len(file.Headers)),
		Codes:   make(map[string]struct{}, len(file.Codes)),
		State:   make(map[string]struct{}, len(file.State)),
	}
	for index := len(file.Headers) - 1; index >= 0; index-- {
		header := new(types.Header)
		if err := rlp.DecodeBytes(file.Headers[index], header); err != nil {
			return nil, err
		}
		witness.Headers = append(witness.Headers, header)
	}
	for _, code := range file.Codes {
		witness.Codes[string(code)] = struct{}{}
	}
	for _, node := range file.State {
		witness.State[string(node)] = struct{}{}
	}
	return witness, nil
}
