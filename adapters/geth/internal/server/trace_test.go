package server

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/holiman/uint256"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// connect serves the service on a socket of its own and returns a client of it.
func connect(t testing.TB, service *Service) rpcv1.StatelessExecutorClient {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxReceive), grpc.MaxSendMsgSize(maxSend))
	rpcv1.RegisterStatelessExecutorServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	connection, err := grpc.NewClient("unix:"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return rpcv1.NewStatelessExecutorClient(connection)
}

func contentOf(one *witnesstest.Case) *rpcv1.ExecuteRequest {
	return &rpcv1.ExecuteRequest{
		Witness:   &rpcv1.ExecuteRequest_Content{Content: witnesstest.Encode(one.Witness)},
		BlockHash: one.Header.Hash().Bytes(), PreStateRoot: one.PreStateRoot.Bytes(),
	}
}

// Events come in order and the outcome comes last.
func TestTrace(t *testing.T) {
	config := witnesstest.Prague()
	chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 1, witnesstest.Busy(t, config))
	one := chain.Case(t, 1, 1)
	stream, err := connect(t, NewService(quiet())).Trace(t.Context(), &rpcv1.TraceRequest{
		Execution: contentOf(one), First: 1, Count: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	var order []byte
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch event := event.Event.(type) {
		case *rpcv1.TraceEvent_TransactionStart:
			order = append(order, '(')
		case *rpcv1.TraceEvent_Steps:
			order = append(order, '.')
		case *rpcv1.TraceEvent_TransactionEnd:
			order = append(order, ')')
		case *rpcv1.TraceEvent_Outcome:
			order = append(order, '!')
			if common.Hash(event.Outcome.GetComputed().GetStateRoot()) != one.Header.Root {
				t.Errorf("%v", event.Outcome)
			}
		}
	}
	if string(order) != "(.)(.)(.)!" {
		t.Errorf("%s", order)
	}
}

func TestTraceOfInvalidArguments(t *testing.T) {
	client := connect(t, NewService(quiet()))
	for name, request := range map[string]*rpcv1.TraceRequest{
		"nothing": {}, "no hash": {Execution: &rpcv1.ExecuteRequest{Witness: &rpcv1.ExecuteRequest_Content{}}},
	} {
		stream, err := client.Trace(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A fullStack is a step's context of the largest size there is.
type fullStack struct{ tracing.OpContext }

func (fullStack) StackData() []uint256.Int { return make([]uint256.Int, 1024) }
func (fullStack) MemoryData() []byte       { return nil }
func (fullStack) ContractCode() []byte     { return make([]byte, 1) }
func (fullStack) Address() common.Address  { return common.Address{} }

// A slow reader holds the execution up: it is never more ahead than a few messages, which gRPC has in its buffers.
func TestTraceWaitsForItsReader(t *testing.T) {
	const (
		steps = 4096 // 128 MiB
		ahead = 512  // 16 MiB
	)
	var done atomic.Int64
	execute := func(_ context.Context, request *execution.Request, _ time.Time) (*rpcv1.ExecuteResponse, error) {
		request.Recorder.Start(0, common.Hash{})
		hooks := request.Recorder.Hooks()
		for range steps {
			hooks.OnOpcode(0, 0, 0, 0, fullStack{}, nil, 1, nil)
			done.Add(1)
		}
		request.Recorder.End(true, 0)
		return &rpcv1.ExecuteResponse{}, nil
	}
	stream, err := connect(t, newService(quiet(), execute)).Trace(t.Context(), &rpcv1.TraceRequest{Execution: good()})
	if err != nil {
		t.Fatal(err)
	}
	received := int64(0)
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if before := done.Load(); before > received+ahead {
			t.Fatalf("%d steps are done and %d received", before, received)
		}
		received += int64(len(event.GetSteps().GetSteps()))
	}
	if received != steps {
		t.Errorf("%d of %d steps", received, steps)
	}
}

// A trace that nobody reads is stopped by its deadline or its end, and its place is free again.
func TestTraceGivesItsPlaceBack(t *testing.T) {
	chain := witnesstest.GenerateWithGas(t, witnesstest.Prague(), witnesstest.Alloc(), 1<<50, 1,
		func(_ int, block *core.BlockGen) {
			block.AddUncheckedTx(witnesstest.Legacy(t, block, 0, &witnesstest.Loop, 1<<42, nil))
		})
	one := chain.Case(t, 1, 1)
	var (
		ended   = make(chan error, 1)
		service = newService(quiet(), func(ctx context.Context, request *execution.Request, arrival time.Time) (*rpcv1.ExecuteResponse, error) {
			response, err := execution.Execute(ctx, request, arrival)
			ended <- err
			return response, err
		})
		client = connect(t, service)
	)
	for name, limit := range map[string]func() (context.Context, context.CancelFunc){
		"cancelled": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 200*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := limit()
			defer cancel()
			stream, err := client.Trace(ctx, &rpcv1.TraceRequest{Execution: contentOf(one)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			if name == "cancelled" {
				cancel()
			}
			if err := <-ended; err == nil {
				t.Fatal("the endless block was executed")
			}
			for len(service.admission.places) > 0 {
				runtime.Gosched()
			}
			for err == nil {
				_, err = stream.Recv()
			}
			if code := status.Code(err); code != codes.Canceled && code != codes.DeadlineExceeded {
				t.Error(err)
			}
		})
	}
}

// BenchmarkTrace traces real blocks over a socket, to a reader that throws the steps away.
func BenchmarkTrace(b *testing.B) {
	for _, block := range witnesstest.RealBlocks(b, "mainnet") {
		b.Run(block.Name, func(b *testing.B) {
			client := connect(b, NewService(quiet()))
			request := contentOf(&block)
			request.ParentHeaderOptional = true
			for number, hash := range block.BlockHashes {
				request.AncestorHashes = append(request.AncestorHashes, &rpcv1.AncestorHash{Number: number, Hash: hash.Bytes()})
			}
			steps := 0
			for b.Loop() {
				stream, err := client.Trace(b.Context(), &rpcv1.TraceRequest{Execution: request})
				if err != nil {
					b.Fatal(err)
				}
				event, err := stream.Recv()
				for ; err == nil && event.GetOutcome() == nil; event, err = stream.Recv() {
					steps += len(event.GetSteps().GetSteps())
				}
				if event.GetOutcome().GetComputed() == nil {
					b.Fatal(event, err)
				}
			}
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
