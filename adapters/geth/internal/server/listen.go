package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Message limits in bytes. A witness in a request's content may have 256 MiB, and the request has more fields.
const (
	maxReceive = (256 + 16) << 20
	maxSend    = 64 << 20
)

// idle is after how long of silence a peer is asked whether it is still there, and how long it has for its answer. One
// that is gone without a word would otherwise keep its places, and its half uploads, for two hours.
const idle = 30 * time.Second

// Listen creates the unix-domain socket at path, for this user only, in place of what is there.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	// The mask, and not a chmod alone, so that there is no moment at which others could connect.
	previous := unix.Umask(0o177)
	listener, err := net.Listen("unix", path)
	unix.Umask(previous)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return listener, nil
}

// Serve serves until the process ends. It is not healthy before warm has returned. Without credentials it does not use
// TLS.
func Serve(listener net.Listener, transport credentials.TransportCredentials, log *slog.Logger, warm func() error) error {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxReceive), grpc.MaxSendMsgSize(maxSend),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: idle, Timeout: idle}),
	}
	if transport != nil {
		options = append(options, grpc.Creds(transport))
	}
	var (
		server = grpc.NewServer(options...)
		state  = health.NewServer()
		names  = []string{"", rpcv1.StatelessExecutor_ServiceDesc.ServiceName}
	)
	for _, name := range names {
		state.SetServingStatus(name, healthv1.HealthCheckResponse_NOT_SERVING)
	}
	rpcv1.RegisterStatelessExecutorServer(server, NewService(log))
	healthv1.RegisterHealthServer(server, state)
	go func() {
		if err := warm(); err != nil {
			log.Error("warm-up failed, not serving", "error", err)
			return
		}
		for _, name := range names {
			state.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
		}
		log.Info("serving", "address", listener.Addr().String())
	}()
	return server.Serve(listener)
}
