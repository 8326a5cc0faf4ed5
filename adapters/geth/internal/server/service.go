// Package server serves the adapter contract over gRPC on a unix-domain socket.
package server

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/description"
	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/uploads"
)

// queuePerSlot is how many requests may wait for each that is executed.
const queuePerSlot = 2

// executor answers one request; execution.Execute, or a stand-in in tests.
type executor func(context.Context, *execution.Request, time.Time) (*rpcv1.ExecuteResponse, error)

// A Service is the StatelessExecutor of the contract.
type Service struct {
	rpcv1.UnimplementedStatelessExecutorServer
	admission *admission
	execute   executor
	uploads   *uploads.Store
	uploading chan struct{} // taken by the uploads under way
	log       *slog.Logger
}

// NewService returns a service that executes with go-ethereum.
func NewService(log *slog.Logger) *Service { return newService(log, execution.Execute) }

func newService(log *slog.Logger, execute executor) *Service {
	slots := description.ConcurrentRequests()
	return &Service{
		admission: newAdmission(slots, queuePerSlot*slots), execute: execute, log: log,
		uploads: uploads.NewStore(), uploading: make(chan struct{}, uploadsAtOnce),
	}
}

// Describe says what this adapter is.
func (service *Service) Describe(context.Context, *rpcv1.DescribeRequest) (*rpcv1.DescribeResponse, error) {
	return description.Describe(), nil
}

// Execute executes one block. It returns at the deadline even where geth cannot be stopped at once; the slot is free
// again only when geth has stopped.
func (service *Service) Execute(ctx context.Context, message *rpcv1.ExecuteRequest) (*rpcv1.ExecuteResponse, error) {
	arrival := time.Now()
	request, err := service.requestOf(message)
	if err != nil {
		return nil, err
	}
	answers, err := service.start(ctx, request, arrival)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, service.stopped(ctx, request)
	case answer := <-answers:
		return service.finish(request, answer)
	}
}

// An answer is what the execution came to.
type answer struct {
	response *rpcv1.ExecuteResponse
	err      error
}

// start takes a place and executes on a goroutine of its own. The error is a gRPC status.
func (service *Service) start(ctx context.Context, request *execution.Request, arrival time.Time) (<-chan answer, error) {
	if err := service.admission.enter(ctx); err != nil {
		if errors.Is(err, errFull) {
			return nil, status.Error(codes.ResourceExhausted, err.Error())
		}
		return nil, status.FromContextError(err).Err()
	}
	answers := make(chan answer, 1)
	go func() {
		response, err := service.execute(ctx, request, arrival)
		service.admission.leave() // before the answer, so that who has it finds the slot free
		answers <- answer{response, err}
	}()
	return answers, nil
}

func (service *Service) stopped(ctx context.Context, request *execution.Request) error {
	service.log.Warn("stopped", "block", request.BlockHash, "reason", ctx.Err())
	return status.FromContextError(ctx.Err()).Err()
}

func (service *Service) finish(request *execution.Request, answer answer) (*rpcv1.ExecuteResponse, error) {
	if answer.err != nil {
		return nil, status.FromContextError(answer.err).Err()
	}
	service.logAnswer(request, answer.response)
	return answer.response, nil
}

// logAnswer writes one line an answer, louder where it is not plain.
func (service *Service) logAnswer(request *execution.Request, response *rpcv1.ExecuteResponse) {
	log := service.log.With("block", request.BlockHash, "total_us", response.Timings.GetTotalUs())
	switch outcome := response.Outcome.(type) {
	case *rpcv1.ExecuteResponse_Computed:
		log.Info("computed")
	case *rpcv1.ExecuteResponse_BrokenRule:
		log.Warn("broken rule", "rule", outcome.BrokenRule.Rule, "detail", outcome.BrokenRule.Detail)
	case *rpcv1.ExecuteResponse_Abstention:
		log.Warn("abstained", "reason", outcome.Abstention.Reason, "detail", outcome.Abstention.Detail)
	}
}

// requestOf checks the form of a request, and finds what was uploaded for it.
func (service *Service) requestOf(message *rpcv1.ExecuteRequest) (*execution.Request, error) {
	request := &execution.Request{
		ChainConfig:    message.GetChainConfig(),
		ParentOptional: message.GetParentHeaderOptional(),
	}
	switch witness := message.GetWitness().(type) {
	case *rpcv1.ExecuteRequest_Path:
		if !filepath.IsAbs(witness.Path) {
			return nil, status.Errorf(codes.InvalidArgument, "path %q is not absolute", witness.Path)
		}
		request.Path = witness.Path
	case *rpcv1.ExecuteRequest_Content:
		request.Content = witness.Content
	case *rpcv1.ExecuteRequest_Uploaded:
		content, err := service.uploaded(witness.Uploaded)
		if err != nil {
			return nil, err
		}
		request.Content = content
	default:
		return nil, status.Error(codes.InvalidArgument, "no witness")
	}
	switch mode := message.GetMode(); mode {
	case rpcv1.Mode_MODE_PROOF, rpcv1.Mode_MODE_UNSPECIFIED:
	case rpcv1.Mode_MODE_PRESTATE:
		request.Prestate = true
	default:
		return nil, status.Errorf(codes.InvalidArgument, "mode %d is not supported", mode)
	}
	for _, field := range []struct {
		name  string
		value []byte
		hash  *common.Hash
	}{
		{"block_hash", message.GetBlockHash(), &request.BlockHash},
		{"pre_state_root", message.GetPreStateRoot(), &request.PreStateRoot},
	} {
		if len(field.value) != common.HashLength {
			return nil, status.Errorf(codes.InvalidArgument, "%s has %d bytes, not 32", field.name, len(field.value))
		}
		*field.hash = common.Hash(field.value)
	}
	for _, ancestor := range message.GetAncestorHashes() {
		if len(ancestor.GetHash()) != common.HashLength {
			return nil, status.Errorf(codes.InvalidArgument, "ancestor hash of %d has %d bytes, not 32",
				ancestor.GetNumber(), len(ancestor.GetHash()))
		}
		if known, ok := request.AncestorHashes[ancestor.GetNumber()]; ok && known != common.Hash(ancestor.GetHash()) {
			return nil, status.Errorf(codes.InvalidArgument, "two ancestor hashes of %d", ancestor.GetNumber())
		}
		if request.AncestorHashes == nil {
			request.AncestorHashes = make(map[uint64]common.Hash, len(message.GetAncestorHashes()))
		}
		request.AncestorHashes[ancestor.GetNumber()] = common.Hash(ancestor.GetHash())
	}
	return request, nil
}
