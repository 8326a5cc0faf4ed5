package server

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/trace"
)

// Trace executes one block and streams the steps of some of its transactions, then the outcome. Events are sent on this
// goroutine, one at a time, and geth waits for each to be taken: so gRPC's flow control holds the execution up where the
// reader is slow, and no event is sent after the handler has returned, which it does at the deadline as Execute does.
func (service *Service) Trace(message *rpcv1.TraceRequest, stream grpc.ServerStreamingServer[rpcv1.TraceEvent]) error {
	arrival := time.Now()
	request, err := service.requestOf(message.GetExecution())
	if err != nil {
		return err
	}
	// Whatever ends this handler ends the execution.
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	events := make(chan *rpcv1.TraceEvent)
	request.Recorder = trace.New(ctx, message.GetFirst(), message.GetCount(), events)
	answers, err := service.start(ctx, request, arrival)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return service.stopped(ctx, request)
		case event := <-events:
			if err := stream.Send(event); err != nil {
				return err
			}
		case answer := <-answers:
			outcome, err := service.finish(request, answer)
			if err != nil {
				return err
			}
			return stream.Send(&rpcv1.TraceEvent{Event: &rpcv1.TraceEvent_Outcome{Outcome: outcome}})
		}
	}
}
