package execution_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"google.golang.org/protobuf/proto"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/trace"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// A transactionTrace is what was told of one transaction.
type transactionTrace struct {
	start *rpcv1.TransactionStart
	steps []*rpcv1.Step
	end   *rpcv1.TransactionEnd
}

// traceOf executes a request with the steps of some transactions recorded.
func traceOf(t testing.TB, request execution.Request, first, count uint32) ([]*transactionTrace, *rpcv1.ExecuteResponse) {
	t.Helper()
	var (
		events       = make(chan *rpcv1.TraceEvent)
		ended        = make(chan *rpcv1.ExecuteResponse)
		transactions []*transactionTrace
	)
	request.Recorder = trace.New(t.Context(), first, count, events)
	go func() {
		response, err := execution.Execute(context.Background(), &request, time.Now())
		if err != nil {
			t.Error(err)
		}
		ended <- response
	}()
	for {
		select {
		case response := <-ended:
			return transactions, response
		case event := <-events:
			switch event := event.Event.(type) {
			case *rpcv1.TraceEvent_TransactionStart:
				transactions = append(transactions, &transactionTrace{start: event.TransactionStart})
			case *rpcv1.TraceEvent_Steps:
				if size := proto.Size(event.Steps); size > 2<<20 || len(event.Steps.Steps) > 256 {
					t.Errorf("a message of %d steps, %d bytes", len(event.Steps.Steps), size)
				}
				last := transactions[len(transactions)-1]
				last.steps = append(last.steps, event.Steps.Steps...)
			case *rpcv1.TraceEvent_TransactionEnd:
				last := transactions[len(transactions)-1]
				last.end = event.TransactionEnd
				if last.end.Steps != uint64(len(last.steps)) || last.end.Index != last.start.Index {
					t.Errorf("%d steps were sent, the end says %v", len(last.steps), last.end)
				}
			}
		}
	}
}

// sameOutcome compares two answers but for their times.
func sameOutcome(t *testing.T, traced, executed *rpcv1.ExecuteResponse) {
	t.Helper()
	traced, executed = proto.CloneOf(traced), proto.CloneOf(executed)
	traced.Timings, executed.Timings = nil, nil
	if !proto.Equal(traced, executed) {
		t.Errorf("traced: %v\nexecuted: %v", traced, executed)
	}
}

var (
	traced   = common.HexToAddress("0x2000000000000000000000000000000000000001")
	callee   = common.HexToAddress("0x2000000000000000000000000000000000000002")
	identity = common.BytesToAddress([]byte{4})
)

// traceCode traces a transaction to an account with code, in a block of its own.
func traceCode(t *testing.T, config *params.ChainConfig, code []byte, gas uint64) *transactionTrace {
	t.Helper()
	alloc := witnesstest.Alloc()
	alloc[traced] = types.Account{Code: code, Nonce: 1, Balance: big.NewInt(1)}
	alloc[callee] = types.Account{Code: []byte{byte(vm.PC), byte(vm.STOP)}, Nonce: 1, Balance: new(big.Int)}
	chain := witnesstest.Generate(t, config, alloc, 1, func(_ int, block *core.BlockGen) {
		block.AddTx(witnesstest.Legacy(t, block, 0, &traced, gas, nil))
	})
	one := chain.Case(t, 1, 1)
	request := requestOf(one, witnesstest.Encode(one.Witness))
	transactions, response := traceOf(t, *request, 0, 0)
	sameOutcome(t, response, execute(t, request))
	if fields := differences(one.Header, response.GetComputed()); fields != nil {
		t.Fatalf("differs from the header: %v", fields)
	}
	if len(transactions) != 1 || transactions[0].end == nil || transactions[0].start.Index != 0 ||
		common.Hash(transactions[0].start.Hash) != chain.Blocks[1].Transactions()[0].Hash() {
		t.Fatalf("%v", transactions)
	}
	return transactions[0]
}

// describe writes a step as depth, account's last byte, pc, instruction, gas and stack.
func describe(step *rpcv1.Step) string {
	var words []string
	for stack := step.Stack; len(stack) > 0; stack = stack[32:] {
		words = append(words, new(big.Int).SetBytes(stack[:32]).Text(16))
	}
	return fmt.Sprintf("%d %02x %d %v %d [%s]", step.Depth, step.Account[len(step.Account)-1], step.Pc,
		vm.OpCode(step.Op), step.Gas, strings.Join(words, " "))
}

// A step is an instruction before it executes, also one that fails, each of them once; nothing beyond the code's end.
func TestTraceOfSteps(t *testing.T) {
	const gas = 100_000
	for name, check := range map[string]struct {
		code      []byte
		gas       uint64
		steps     []string
		succeeded bool
		failure   string // of the last step
	}{
		"off the end": {
			[]byte{0x60, 1, 0x60, 2, 0x01}, gas,
			[]string{"1 01 0 PUSH1 79000 []", "1 01 2 PUSH1 78997 [1]", "1 01 4 ADD 78994 [1 2]"}, true, "",
		},
		"off the end in the data of a push": {[]byte{0x61, 1}, gas, []string{"1 01 0 PUSH2 79000 []"}, true, ""},
		"stop":                              {[]byte{0x00, 0x01}, gas, []string{"1 01 0 STOP 79000 []"}, true, ""},
		"too few words":                     {[]byte{0x01}, gas, []string{"1 01 0 ADD 79000 []"}, false, "stack underflow"},
		"undefined":                         {[]byte{0x0c}, gas, []string{"1 01 0 opcode 0xc not defined 79000 []"}, false, "invalid opcode"},
		"invalid":                           {[]byte{0xfe}, gas, []string{"1 01 0 INVALID 79000 []"}, false, "invalid opcode"},
		"out of gas": {
			[]byte{0x60, 1, 0x60, 2}, 21_004, []string{"1 01 0 PUSH1 4 []", "1 01 2 PUSH1 1 [1]"}, false, "out of gas",
		},
		"out of dynamic gas": {
			[]byte{0x5f, 0x5f, 0x55}, 22_000,
			[]string{"1 01 0 PUSH0 1000 []", "1 01 1 PUSH0 998 [0]", "1 01 2 SSTORE 996 [0 0]"}, false, "out of gas",
		},
		"bad jump": {
			[]byte{0x60, 9, 0x56}, gas, []string{"1 01 0 PUSH1 79000 []", "1 01 2 JUMP 78997 [9]"}, false, "invalid jump",
		},
		"revert": {
			[]byte{0x5f, 0x5f, 0xfd}, gas,
			[]string{"1 01 0 PUSH0 79000 []", "1 01 1 PUSH0 78998 [0]", "1 01 2 REVERT 78996 [0 0]"}, false, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			transaction := traceCode(t, witnesstest.Prague(), check.code, check.gas)
			var steps []string
			for _, step := range transaction.steps {
				steps = append(steps, describe(step))
			}
			if strings.Join(steps, "\n") != strings.Join(check.steps, "\n") {
				t.Fatalf("%q", steps)
			}
			if transaction.end.Succeeded != check.succeeded {
				t.Errorf("%v", transaction.end)
			}
			last := transaction.steps[len(transaction.steps)-1]
			if (last.Error == "") != (check.failure == "") || !strings.Contains(last.Error, check.failure) {
				t.Errorf("the last step's error is %q", last.Error)
			}
			for _, step := range transaction.steps[:len(steps)-1] {
				if step.Error != "" {
					t.Errorf("%v", step)
				}
			}
		})
	}
}

// The account is the one whose storage the code uses; precompiles have no steps; the code of a creation has.
func TestTraceOfCalls(t *testing.T) {
	created := crypto.CreateAddress(traced, 1)
	for name, check := range map[string]struct {
		code    *program.Program
		account common.Address
		inner   []byte // instructions one level deeper
	}{
		"call":         {program.New().Call(nil, callee, 0, 0, 0, 0, 0), callee, []byte{byte(vm.PC), byte(vm.STOP)}},
		"staticcall":   {program.New().StaticCall(nil, callee, 0, 0, 0, 0), callee, []byte{byte(vm.PC), byte(vm.STOP)}},
		"delegatecall": {program.New().DelegateCall(nil, callee, 0, 0, 0, 0), traced, []byte{byte(vm.PC), byte(vm.STOP)}},
		"callcode":     {program.New().CallCode(nil, callee, 0, 0, 0, 0, 0), traced, []byte{byte(vm.PC), byte(vm.STOP)}},
		"precompile":   {program.New().Call(nil, identity, 0, 0, 0, 0, 0), common.Address{}, nil},
		"no code":      {program.New().Call(nil, witnesstest.Sender, 0, 0, 0, 0, 0), common.Address{}, nil},
		"create": {
			program.New().Push(byte(vm.PC)).Push(0).Op(vm.MSTORE8).Push(1).Push(0).Push(0).Op(vm.CREATE), created,
			[]byte{byte(vm.PC)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			transaction := traceCode(t, witnesstest.Prague(), check.code.Bytes(), 200_000)
			var inner []byte
			for _, step := range transaction.steps {
				switch {
				case step.Depth == 2:
					inner = append(inner, byte(step.Op))
					if common.Address(step.Account) != check.account {
						t.Errorf("account %x", step.Account)
					}
				case step.Depth != 1 || common.Address(step.Account) != traced:
					t.Errorf("%s", describe(step))
				}
			}
			if !transaction.end.Succeeded || !bytes.Equal(inner, check.inner) {
				t.Errorf("inner steps %x, %v", inner, transaction.end)
			}
		})
	}
}

// In Frontier a creation succeeds, without a code, where the gas does not pay for its code; from Homestead on it fails.
func TestTraceOfUnpaidCode(t *testing.T) {
	homestead := witnesstest.Frontier()
	homestead.HomesteadBlock = new(big.Int)
	for name, check := range map[string]struct {
		config    *params.ChainConfig
		succeeded bool
	}{"frontier": {witnesstest.Frontier(), true}, "homestead": {homestead, false}} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, check.config, witnesstest.Alloc(), 1, func(_ int, block *core.BlockGen) {
				code := program.New().ReturnData(make([]byte, 1024)).Bytes()
				block.AddTx(witnesstest.Legacy(t, block, 0, nil, 200_000, code))
			})
			one := chain.Case(t, 1, 1)
			transactions, _ := traceOf(t, *requestOf(one, witnesstest.Encode(one.Witness)), 0, 0)
			if len(transactions) != 1 || len(transactions[0].steps) == 0 || transactions[0].end.Succeeded != check.succeeded {
				t.Errorf("%v", transactions[0].end)
			}
		})
	}
}

// Only the transactions asked for are told, in every fork, and the outcome is the same. A block of system calls and
// withdrawals alone has no steps.
func TestTraceOfSomeTransactions(t *testing.T) {
	for name, config := range map[string]*params.ChainConfig{
		"frontier": witnesstest.Frontier(), "prague": witnesstest.Prague(), "amsterdam": witnesstest.Amsterdam(),
	} {
		t.Run(name, func(t *testing.T) {
			chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 2, func(number int, block *core.BlockGen) {
				if number == 1 {
					witnesstest.Busy(t, config)(number, block)
				}
			})
			one := chain.Case(t, 1, 1)
			request := requestOf(one, witnesstest.Encode(one.Witness))
			executed, count := execute(t, request), uint32(len(chain.Blocks[1].Transactions()))
			all, response := traceOf(t, *request, 0, 0)
			sameOutcome(t, response, executed)
			if len(all) != int(count) || len(all[0].steps) == 0 {
				t.Fatalf("%d of %d transactions", len(all), count)
			}
			for index, transaction := range all {
				if succeeded := response.GetComputed().Receipts[index].Succeeded; succeeded != nil &&
					*succeeded != transaction.end.Succeeded {
					t.Errorf("transaction %d: %v", index, transaction.end)
				}
			}
			for _, selection := range [][2]uint32{{1, 2}, {count - 1, 1}, {count - 1, 5}, {count, 1}, {1<<32 - 1, 1<<32 - 1}, {2, 0}} {
				some, response := traceOf(t, *request, selection[0], selection[1])
				sameOutcome(t, response, executed)
				first, last := min(selection[0], count), count
				if selection[1] != 0 {
					last = uint32(min(uint64(first)+uint64(selection[1]), uint64(count)))
				}
				if len(some) != int(last-first) {
					t.Fatalf("%v: %d transactions", selection, len(some))
				}
				for index, transaction := range some {
					expected := all[int(first)+index]
					if !proto.Equal(transaction.end, expected.end) || len(transaction.steps) != len(expected.steps) {
						t.Errorf("%v: %v, expected %v", selection, transaction.end, expected.end)
					}
				}
			}
			empty := chain.Case(t, 2, 1)
			if transactions, _ := traceOf(t, *requestOf(empty, witnesstest.Encode(empty.Witness)), 0, 0); transactions != nil {
				t.Errorf("%v", transactions)
			}
		})
	}
}

// Where something is missing the steps before it are told, and the transaction has no end.
func TestTraceUpToAMiss(t *testing.T) {
	alloc := witnesstest.Alloc()
	code := program.New().Push(1).Push(2).Op(vm.POP, vm.POP).Call(nil, callee, 0, 0, 0, 0, 0).Op(vm.POP, vm.STOP).Bytes()
	alloc[traced] = types.Account{Code: code, Nonce: 1, Balance: big.NewInt(1)}
	needed := program.New().Push(7).Push(7).Op(vm.POP).Bytes()
	alloc[callee] = types.Account{Code: needed, Nonce: 1, Balance: new(big.Int)}
	chain := witnesstest.Generate(t, witnesstest.Prague(), alloc, 1, func(_ int, block *core.BlockGen) {
		block.AddTx(witnesstest.Legacy(t, block, 0, &traced, 100_000, nil))
	})
	one := chain.Case(t, 1, 1)
	for index, candidate := range one.Witness.Codes {
		if bytes.Equal(candidate, needed) {
			one.Witness.Codes = append(one.Witness.Codes[:index:index], one.Witness.Codes[index+1:]...)
			break
		}
	}
	request := requestOf(one, witnesstest.Encode(one.Witness))
	transactions, response := traceOf(t, *request, 0, 0)
	sameOutcome(t, response, execute(t, request))
	expectAbstention(t, response, insufficient)
	if len(transactions) != 1 || transactions[0].end != nil {
		t.Fatalf("%v", transactions)
	}
	steps := transactions[0].steps
	if len(steps) < 4 || vm.OpCode(steps[3].Op) != vm.POP {
		t.Errorf("%v", steps)
	}
	for _, step := range steps {
		if step.Depth != 1 || vm.OpCode(step.Op) == vm.STOP {
			t.Errorf("a step after the miss: %s", describe(step))
		}
	}
}

// A broken rule is an outcome, too.
func TestTraceOfABrokenRule(t *testing.T) {
	chain := witnesstest.Generate(t, witnesstest.Prague(), witnesstest.Alloc(), 1, func(_ int, block *core.BlockGen) {
		block.AddTx(witnesstest.Legacy(t, block, 0, &witnesstest.Bystander, 100_000, nil))
		block.AddUncheckedTx(witnesstest.Legacy(t, block, 7, &witnesstest.Bystander, 100_000, nil))
	})
	one := chain.Case(t, 1, 1)
	request := requestOf(one, witnesstest.Encode(one.Witness))
	transactions, response := traceOf(t, *request, 0, 0)
	sameOutcome(t, response, execute(t, request))
	if response.GetBrokenRule().GetRule() != rpcv1.Rule_RULE_TRANSACTION {
		t.Fatalf("%v", response)
	}
	if len(transactions) != 2 || transactions[0].end == nil || transactions[1].end != nil || transactions[1].steps != nil {
		t.Errorf("%v", transactions)
	}
}

// An execution that nobody listens to any more is stopped.
func TestTraceCancelled(t *testing.T) {
	chain := witnesstest.GenerateWithGas(t, witnesstest.Prague(), witnesstest.Alloc(), 1<<50, 1,
		func(_ int, block *core.BlockGen) {
			block.AddUncheckedTx(witnesstest.Legacy(t, block, 0, &witnesstest.Loop, 1<<42, nil))
		})
	one := chain.Case(t, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan *rpcv1.TraceEvent)
	request := requestOf(one, witnesstest.Encode(one.Witness))
	request.Recorder = trace.New(ctx, 0, 0, events)
	ended := make(chan error)
	go func() {
		_, err := execution.Execute(ctx, request, time.Now())
		ended <- err
	}()
	for range 3 {
		<-events
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("the endless block was executed")
	}
}

// TestTraceOfRealBlocks traces everything: the outcome must be the header's values, and what is told must hang together.
func TestTraceOfRealBlocks(t *testing.T) {
	for _, block := range witnesstest.RealBlocks(t, "mainnet") {
		t.Run(block.Name, func(t *testing.T) {
			request := requestOf(&block, witnesstest.Encode(block.Witness))
			request.AncestorHashes = block.BlockHashes
			start := time.Now()
			transactions, response := traceOf(t, *request, 0, 0)
			duration := time.Since(start)
			if fields := differences(block.Header, response.GetComputed()); fields != nil {
				t.Fatalf("differs from the header: %v", fields)
			}
			total, gas := 0, uint64(0)
			for index, transaction := range transactions {
				if transaction.end == nil || transaction.start.Index != uint32(index) {
					t.Fatalf("transaction %d: %v", index, transaction)
				}
				total += len(transaction.steps)
				gas += transaction.end.GasUsed
				checkSteps(t, transaction)
			}
			if gas != block.Header.GasUsed || len(transactions) != len(response.GetComputed().Receipts) {
				t.Errorf("%d gas in %d transactions", gas, len(transactions))
			}
			t.Logf("%d steps in %v", total, duration)
		})
	}
}

// checkSteps checks that depths follow calls, that a code without a jump goes on where its last instruction ended, and
// that gas never grows within a frame but after a call.
func checkSteps(t *testing.T, transaction *transactionTrace) {
	t.Helper()
	last := make(map[uint32]*rpcv1.Step) // by depth
	for index, step := range transaction.steps {
		op := vm.OpCode(step.Op)
		if index == 0 && (step.Depth != 1 || step.Pc != 0) {
			t.Fatalf("first step: %s", describe(step))
		}
		if index > 0 {
			previous := transaction.steps[index-1]
			if step.Depth > previous.Depth+1 || (step.Depth == previous.Depth+1 && step.Pc != 0) {
				t.Fatalf("step %d: %s after %s", index, describe(step), describe(previous))
			}
			if before := last[step.Depth]; before != nil && step.Depth <= previous.Depth {
				from := vm.OpCode(before.Op)
				if step.Gas > before.Gas || (from != vm.JUMP && from != vm.JUMPI && step.Pc != before.Pc+immediates(from)+1) {
					t.Fatalf("step %d: %s after %s", index, describe(step), describe(before))
				}
				if (from == vm.JUMP || (from == vm.JUMPI && step.Pc != before.Pc+1)) && op != vm.JUMPDEST {
					t.Fatalf("step %d: %s after %s", index, describe(step), describe(before))
				}
			}
		}
		last[step.Depth] = step
	}
}

// immediates is how many bytes of data follow an instruction in the code.
func immediates(op vm.OpCode) uint32 {
	if op.IsPush() {
		return uint32(op - vm.PUSH0)
	}
	return 0
}
