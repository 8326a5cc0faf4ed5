package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// Message limits in bytes. A witness in a request's content may have 256 MiB, and the request has more fields.
const (
	maxReceive = (256 + 16) << 20
	maxSend    = 64 << 20
)

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

// Serve serves until the process ends. It is not healthy before warm has returned.
func Serve(listener net.Listener, log *slog.Logger, warm func() error) error {
	var (
		server = grpc.NewServer(grpc.MaxRecvMsgSize(maxReceive), grpc.MaxSendMsgSize(maxSend))
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
		log.Info("serving", "socket", listener.Addr().String())
	}()
	return server.Serve(listener)
}
