// Package trace turns what geth's virtual machine tells of transactions into the events of the adapter contract.
package trace

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Bounds of one message. A step with a full stack has 32 KiB, and a reader may have gRPC's usual limit of 4 MiB.
const (
	batchSteps = 256
	batchBytes = 1 << 20
)

// stepBytes is about what a step takes in a message beyond its stack, in bytes.
const stepBytes = 64

// A Recorder records the steps of some transactions of a block. It is used by the goroutine that executes, except for
// Silence.
type Recorder struct {
	ctx         context.Context
	events      chan<- *rpcv1.TraceEvent
	first, last uint64 // indices of transactions, last is not wanted any more

	silent   atomic.Bool
	steps    []*rpcv1.Step
	bytes    int // about what steps takes in a message
	index    uint32
	recorded uint64 // steps of the transaction
	reverted bool   // the outermost call of the transaction
}

// New returns a recorder of the transactions first … first + count, or all from first on where count is 0. It hands
// every event over through events, which should have no buffer: then a slow reader holds the execution up. When ctx
// ends it gives up.
func New(ctx context.Context, first, count uint32, events chan<- *rpcv1.TraceEvent) *Recorder {
	recorder := &Recorder{ctx: ctx, events: events, first: uint64(first), last: uint64(first) + uint64(count)}
	if count == 0 {
		recorder.last = 1 << 32
	}
	return recorder
}

// Wants says whether the steps of the transaction at index are wanted. A nil recorder wants none.
func (recorder *Recorder) Wants(index int) bool {
	return recorder != nil && uint64(index) >= recorder.first && uint64(index) < recorder.last
}

// Silence ends the recording of steps: what geth does from now on is not worth telling, as something was missing. It
// may be called on any goroutine, and on a nil recorder.
func (recorder *Recorder) Silence() {
	if recorder != nil {
		recorder.silent.Store(true)
	}
}

// Start begins a transaction.
func (recorder *Recorder) Start(index int, hash common.Hash) {
	recorder.index, recorder.recorded, recorder.reverted = uint32(index), 0, true
	recorder.emit(&rpcv1.TraceEvent{Event: &rpcv1.TraceEvent_TransactionStart{
		TransactionStart: &rpcv1.TransactionStart{Index: recorder.index, Hash: hash.Bytes()},
	}})
}

// End ends the transaction. gasUsed is in gas, refunds taken off.
func (recorder *Recorder) End(succeeded bool, gasUsed uint64) {
	recorder.Flush()
	recorder.emit(&rpcv1.TraceEvent{Event: &rpcv1.TraceEvent_TransactionEnd{TransactionEnd: &rpcv1.TransactionEnd{
		Index: recorder.index, Succeeded: succeeded, GasUsed: gasUsed, Steps: recorder.recorded,
	}}})
}

// Kept says whether the transaction's outermost call kept what it did. In Frontier that is more than the calls that
// end without an error: a contract stays, without a code, where its code could not be paid for.
func (recorder *Recorder) Kept() bool { return !recorder.reverted }

// Flush hands over the steps that are still here.
func (recorder *Recorder) Flush() {
	if len(recorder.steps) == 0 {
		return
	}
	event := &rpcv1.TraceEvent{Event: &rpcv1.TraceEvent_Steps{Steps: &rpcv1.Steps{Steps: recorder.steps}}}
	recorder.steps, recorder.bytes = nil, 0
	recorder.emit(event)
}

// emit waits until the event is taken or nobody waits for it any more; the execution is stopped by ctx, too.
func (recorder *Recorder) emit(event *rpcv1.TraceEvent) {
	select {
	case recorder.events <- event:
	case <-recorder.ctx.Done():
		recorder.Silence()
	}
}

// Hooks returns what geth's virtual machine is to call during a transaction, and only then: system calls are no steps.
func (recorder *Recorder) Hooks() *tracing.Hooks {
	return &tracing.Hooks{OnOpcode: recorder.onOpcode, OnFault: recorder.onFault, OnExit: recorder.onExit}
}

// onOpcode is called once an instruction: before it is executed where its cost could be paid, else with the error. The
// stack is then still as before it.
func (recorder *Recorder) onOpcode(pc uint64, op byte, gas, cost uint64, scope tracing.OpContext, _ []byte, depth int,
	err error,
) {
	// geth executes a STOP behind the end of a code; its bytes end before.
	if recorder.silent.Load() || pc >= uint64(len(scope.ContractCode())) {
		return
	}
	words := scope.StackData()
	// Before the step and not after it, so that the fault of a step finds it still here.
	if size := recorder.bytes + stepBytes + 32*len(words); len(recorder.steps) == batchSteps || size > batchBytes {
		recorder.Flush()
	}
	stack := make([]byte, 32*len(words))
	for index := range words {
		words[index].WriteToArray32((*[32]byte)(stack[32*index:]))
	}
	account := scope.Address()
	step := &rpcv1.Step{
		Depth: uint32(depth), Account: account[:], Pc: uint32(pc), Op: uint32(op), Gas: gas, Stack: stack, GasCost: cost,
		MemorySize: uint64(len(scope.MemoryData())),
	}
	if err != nil {
		step.Error = err.Error()
	}
	if recorder.steps == nil {
		recorder.steps = make([]*rpcv1.Step, 0, batchSteps)
	}
	recorder.steps = append(recorder.steps, step)
	recorder.bytes += stepBytes + len(stack)
	recorder.recorded++
}

// onFault is called after onOpcode where the instruction then failed: it is no other step, but the last one's error.
// REVERT is reported as a failure, too, but did what it should.
func (recorder *Recorder) onFault(pc uint64, _ byte, _, _ uint64, _ tracing.OpContext, depth int, err error) {
	if len(recorder.steps) == 0 || errors.Is(err, vm.ErrExecutionReverted) {
		return
	}
	last := recorder.steps[len(recorder.steps)-1]
	if last.Pc == uint32(pc) && last.Depth == uint32(depth) {
		last.Error = err.Error()
	}
}

// onExit learns whether the outermost call kept what it did.
func (recorder *Recorder) onExit(depth int, _ []byte, _ uint64, _ error, reverted bool) {
	if depth == 0 {
		recorder.reverted = reverted
	}
}
