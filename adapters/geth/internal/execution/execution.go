// Package execution executes one block on its witness with go-ethereum's state and virtual machine.
//
// It does not use core.ExecuteStateless, which accepts headers and bodies that break rules, returns two roots only, and
// hides what was missing. It is put together from the same exported pieces.
package execution

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/ancestors"
	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/outcome"
	"execution-verifier/adapters/geth/internal/prestate"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/rules"
	"execution-verifier/adapters/geth/internal/trace"
	"execution-verifier/adapters/geth/internal/witnessfile"
	"execution-verifier/adapters/geth/internal/witnessstate"
)

// A Request says what to execute, and what the verifier trusts.
type Request struct {
	Path           string // absolute path of a witness file, or
	Content        []byte // its bytes
	BlockHash      common.Hash
	PreStateRoot   common.Hash
	ChainConfig    []byte // JSON; where empty, the file's own
	ParentOptional bool   // the parent's header may be absent
	// Ancestors' hashes by number that the verifier vouches for, for BLOCKHASH where the witness has no header.
	AncestorHashes map[uint64]common.Hash
	Prestate       bool            // the state is the file's prestate section, not the nodes
	Recorder       *trace.Recorder // of the steps that are wanted; nil for none
}

// A block that has been decoded and checked, and all that is needed to execute it.
type task struct {
	config     *params.ChainConfig
	header     *types.Header
	block      *types.Block
	chain      *ancestors.Chain
	store      *witnessstate.Store
	root       common.Hash       // the pre-state's
	prestate   *prestate.Section // where there is no use of nodes
	vouched    map[uint64]common.Hash
	recorder   *trace.Recorder
	commitment *rules.Commitment
	unchecked  []rpcv1.Rule
}

// Execute answers one request. What can be said about the block is in the response; the error is ctx's where it ended
// first. Panics of the client and memory faults are answers, too.
func Execute(ctx context.Context, request *Request, arrival time.Time) (*rpcv1.ExecuteResponse, error) {
	timings := new(rpcv1.Timings)
	var computed *rpcv1.Computed
	err := witnessfile.Guarded(func() (err error) {
		computed, err = execute(ctx, request, timings)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	timings.TotalUs = uint64(time.Since(arrival).Microseconds())
	response := &rpcv1.ExecuteResponse{Timings: timings}
	var (
		broken    *outcome.BrokenRule
		abstained *outcome.Abstention
		panicked  *witnessfile.PanicError
	)
	switch {
	case err == nil:
		response.Outcome = &rpcv1.ExecuteResponse_Computed{Computed: computed}
		return response, nil
	case errors.As(err, &broken):
		response.Outcome = &rpcv1.ExecuteResponse_BrokenRule{
			BrokenRule: &rpcv1.BrokenRule{Rule: broken.Rule, Detail: broken.Detail},
		}
		return response, nil
	case errors.As(err, &abstained):
	case errors.As(err, &panicked):
		errors.As(outcome.Crash("%v", panicked), &abstained)
	default:
		errors.As(outcome.Refuse("%v", err), &abstained)
	}
	response.Outcome = &rpcv1.ExecuteResponse_Abstention{Abstention: &rpcv1.Abstention{
		Reason: abstained.Reason, Detail: abstained.Detail, Missing: abstained.Missing,
	}}
	return response, nil
}

func execute(ctx context.Context, request *Request, timings *rpcv1.Timings) (*rpcv1.Computed, error) {
	start := time.Now()
	file, err := open(request)
	if err != nil {
		return nil, outcome.Refuse("%v", err)
	}
	defer file.Close()
	work, err := prepare(file, request)
	timings.DecodeUs = since(start)
	if err != nil {
		return nil, err
	}

	start = time.Now()
	if err := work.checkRules(); err != nil {
		timings.ExecuteUs = since(start)
		return nil, err
	}
	run, err := work.newRun()
	if err != nil {
		return nil, err
	}
	defer run.release()
	err = run.execute(ctx)
	timings.ExecuteUs = since(start)
	if err != nil {
		return nil, err
	}

	start = time.Now()
	computed, err := run.compute(ctx)
	timings.RootUs = since(start)
	return computed, err
}

func since(start time.Time) uint64 { return uint64(time.Since(start).Microseconds()) }

func open(request *Request) (*witnessfile.File, error) {
	if request.Path != "" {
		return witnessfile.Open(request.Path)
	}
	return witnessfile.Parse(request.Content)
}

// prepare decodes, and binds everything to the block's hash and the trusted pre-state root.
func prepare(file *witnessfile.File, request *Request) (*task, error) {
	if common.Hash(file.BlockHash) != request.BlockHash {
		return nil, outcome.Refuse("the file is of block %s, not of %s", common.Hash(file.BlockHash), request.BlockHash)
	}
	header, err := decodeHeader(file.Block, request.BlockHash)
	if err != nil {
		return nil, err
	}
	if header.Number.Uint64() != file.BlockNumber {
		return nil, outcome.Refuse("the file's header says block %d, the block is %d", file.BlockNumber, header.Number)
	}
	config, err := configOf(file, request, header)
	if err != nil {
		return nil, err
	}
	work := &task{
		config: config, header: header, root: request.PreStateRoot, vouched: request.AncestorHashes,
		recorder: request.Recorder,
	}
	if work.chain, err = bind(config, header, file.Headers, request); err != nil {
		return nil, err
	}
	nodes := file.State
	if request.Prestate {
		if work.prestate, err = prestateOf(file); err != nil {
			return nil, err
		}
		nodes = nil // not looked at, and so not hashed either
	}
	if work.block, err = decodeBody(file.Block); err != nil {
		return nil, err
	}
	recoverSenders(types.MakeSigner(config, header.Number, header.Time), work.block.Transactions())
	work.store, err = witnessstate.NewStore(nodes, file.Codes)
	return work, err
}

func prestateOf(file *witnessfile.File) (*prestate.Section, error) {
	if file.Prestate == nil {
		return nil, outcome.Refuse("the file has no prestate section")
	}
	section, err := prestate.Parse(file.Prestate)
	if err != nil {
		return nil, outcome.Refuse("%v", err)
	}
	return section, nil
}

// configOf returns the chain's rules for the block, and decides whether this client has its fork.
func configOf(file *witnessfile.File, request *Request, header *types.Header) (*params.ChainConfig, error) {
	raw := request.ChainConfig
	if len(raw) == 0 {
		raw = file.ChainConfig
	}
	config, err := chainconfig.Parse(raw)
	if err != nil {
		return nil, outcome.Refuse("%v", err)
	}
	if id := config.ChainID.Uint64(); id != file.ChainID {
		return nil, outcome.Refuse("the file is of chain %d, the chain config of %d", file.ChainID, id)
	}
	if err := config.Supported(header.Number, header.Time, header.Difficulty.Sign() == 0); err != nil {
		return nil, outcome.Unsupported("%v", err)
	}
	resolved, err := config.At(header.Time)
	if err != nil {
		return nil, outcome.Refuse("%v", err)
	}
	return resolved, nil
}

// bind checks that the witness's headers are the chain below the block and that the parent's state root is the trusted
// one. Taking the first header for the parent unseen would let an extra header choose the pre-state.
func bind(config *params.ChainConfig, header *types.Header, encoded [][]byte, request *Request) (*ancestors.Chain,
	error,
) {
	chain, err := ancestors.New(config, header, encoded)
	switch {
	case errors.Is(err, ancestors.ErrNoParent) && len(encoded) == 0 && request.ParentOptional:
		return chain, nil
	case errors.Is(err, ancestors.ErrNoParent):
		missing := new(witnessstate.Misses)
		number := header.Number.Uint64()
		missing.Header(max(number, 1)-1, header.ParentHash, "the parent")
		return nil, outcome.Insufficient(missing.List())
	case err != nil:
		return nil, outcome.Refuse("%v", err)
	}
	if root := chain.Parent().Root; root != request.PreStateRoot {
		return nil, outcome.Refuse("pre-state root %s is not the trusted %s", root, request.PreStateRoot)
	}
	return chain, nil
}

func (work *task) checkRules() error {
	unchecked, err := rules.Header(work.chain, work.header, work.chain.Parent())
	if err != nil {
		return err
	}
	work.unchecked = unchecked
	work.commitment, unchecked, err = rules.Body(work.chain, work.block)
	work.unchecked = append(work.unchecked, unchecked...)
	return err
}

// insufficient returns the abstention that names what was missing so far, or nil.
func (work *task) insufficient() error {
	if err := work.store.Misses.Err(); err != nil {
		return fmt.Errorf("reading the witness: %w", err)
	}
	if missing := work.store.Misses.List(); len(missing) > 0 {
		return outcome.Insufficient(missing)
	}
	return nil
}
