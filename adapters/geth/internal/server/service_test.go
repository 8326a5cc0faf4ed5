package server

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/description"
	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func good() *rpcv1.ExecuteRequest {
	return &rpcv1.ExecuteRequest{
		Witness:   &rpcv1.ExecuteRequest_Path{Path: "/witness"},
		BlockHash: make([]byte, 32), PreStateRoot: make([]byte, 32), Mode: rpcv1.Mode_MODE_PROOF,
	}
}

func TestInvalidArguments(t *testing.T) {
	service := NewService(quiet())
	for name, change := range map[string]func(*rpcv1.ExecuteRequest){
		"no witness":    func(request *rpcv1.ExecuteRequest) { request.Witness = nil },
		"relative path": func(request *rpcv1.ExecuteRequest) { request.Witness = &rpcv1.ExecuteRequest_Path{Path: "a"} },
		"empty path":    func(request *rpcv1.ExecuteRequest) { request.Witness = &rpcv1.ExecuteRequest_Path{} },
		"short hash":    func(request *rpcv1.ExecuteRequest) { request.BlockHash = request.BlockHash[:31] },
		"no root":       func(request *rpcv1.ExecuteRequest) { request.PreStateRoot = nil },
		"short ancestor hash": func(request *rpcv1.ExecuteRequest) {
			request.AncestorHashes = []*rpcv1.AncestorHash{{Number: 1, Hash: make([]byte, 31)}}
		},
		"two ancestor hashes": func(request *rpcv1.ExecuteRequest) {
			hash := append(make([]byte, 31), 1)
			request.AncestorHashes = []*rpcv1.AncestorHash{{Number: 1, Hash: make([]byte, 32)}, {Number: 1, Hash: hash}}
		},
		"unknown mode": func(request *rpcv1.ExecuteRequest) { request.Mode = 7 },
	} {
		request := good()
		change(request)
		if _, err := service.Execute(t.Context(), request); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	response, err := service.Execute(t.Context(), good())
	if err != nil || response.GetAbstention().GetReason() != rpcv1.AbstentionReason_ABSTENTION_REASON_REFUSED {
		t.Errorf("a path without a file: %v, %v", response, err)
	}
}

// blocking executes until release is closed, whatever its context says, as geth does at times.
func blocking(started chan<- struct{}, release <-chan struct{}) executor {
	return func(context.Context, *execution.Request, time.Time) (*rpcv1.ExecuteResponse, error) {
		started <- struct{}{}
		<-release
		return &rpcv1.ExecuteResponse{}, nil
	}
}

func TestAdmission(t *testing.T) {
	var (
		slots   = description.ConcurrentRequests()
		places  = slots + queuePerSlot*slots
		started = make(chan struct{}, places)
		release = make(chan struct{})
		results = make(chan error, places)
		service = newService(quiet(), blocking(started, release))
	)
	for range places {
		go func() {
			_, err := service.Execute(context.Background(), good())
			results <- err
		}()
	}
	for range slots {
		<-started
	}
	// Those that wait have their places before they wait.
	for len(service.admission.places) < places {
		runtime.Gosched()
	}
	if _, err := service.Execute(t.Context(), good()); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more: %v", err)
	}
	if len(started) != 0 {
		t.Error("more are executed than there are slots")
	}
	close(release)
	for range places {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if len(service.admission.places) != 0 || len(service.admission.slots) != 0 {
		t.Error("places are not given back")
	}
}

// A request is answered at its deadline; its slot stays taken until geth has stopped.
func TestDeadline(t *testing.T) {
	started, release := make(chan struct{}, 1), make(chan struct{})
	service := newService(quiet(), blocking(started, release))
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 1)
	go func() {
		_, err := service.Execute(ctx, good())
		results <- err
	}()
	<-started
	cancel()
	if err := <-results; status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	if len(service.admission.slots) != 1 {
		t.Error("the slot is free though geth goes on")
	}
	close(release)
	ended, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	if _, err := newService(quiet(), execution.Execute).Execute(ended, good()); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

// TestServing talks to the service as the verifier does.
func TestServing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	if err := os.WriteFile(path, []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if information, err := os.Stat(path); err != nil || information.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("%v, %v", information.Mode(), err)
	}
	warm := make(chan struct{})
	served := make(chan error, 1)
	go func() { served <- Serve(listener, nil, quiet(), func() error { <-warm; return nil }) }()
	connection, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	health := grpc_health_v1.NewHealthClient(connection)
	for _, name := range []string{"", "verifier.rpc.v1.StatelessExecutor"} {
		state, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil || state.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			t.Fatalf("%q before it is warm: %v, %v", name, state, err)
		}
	}
	watch, err := health.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	close(warm)
	for state := (*grpc_health_v1.HealthCheckResponse)(nil); state.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING; {
		if state, err = watch.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	executor := rpcv1.NewStatelessExecutorClient(connection)
	described, err := executor.Describe(t.Context(), &rpcv1.DescribeRequest{})
	if err != nil || described.Lineage != "geth" || described.ClientVersion == "" || described.ContractVersion != 1 {
		t.Fatalf("%v, %v", described, err)
	}
	config := witnesstest.Prague()
	chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 1, witnesstest.Busy(t, config))
	one := chain.Case(t, 1, 1)
	response, err := executor.Execute(t.Context(), &rpcv1.ExecuteRequest{
		Witness:   &rpcv1.ExecuteRequest_Content{Content: witnesstest.Encode(one.Witness)},
		BlockHash: one.Header.Hash().Bytes(), PreStateRoot: one.PreStateRoot.Bytes(),
	})
	if err != nil || string(response.GetComputed().GetStateRoot()) != string(one.Header.Root[:]) {
		t.Fatalf("%v, %v", response, err)
	}
	_ = connection.Close()
	_ = listener.Close()
	<-served
}
