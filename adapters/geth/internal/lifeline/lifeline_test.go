package lifeline_test

import (
	"io"
	"os"
	"syscall"
	"testing"

	"execution-verifier/adapters/geth/internal/lifeline"
)

func TestEndOfInput(t *testing.T) {
	reader, writer := io.Pipe()
	reasons := make(chan string, 1)
	lifeline.Watch(reader, func(reason string) { reasons <- reason })
	if _, err := writer.Write([]byte("ignored")); err != nil {
		t.Fatal(err)
	}
	select {
	case reason := <-reasons:
		t.Fatalf("ended early: %s", reason)
	default:
	}
	_ = writer.Close()
	if reason := <-reasons; reason != "standard input ended" {
		t.Fatal(reason)
	}
}

func TestSignal(t *testing.T) {
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	for _, input := range []io.Reader{reader, nil} {
		reasons := make(chan string, 1)
		lifeline.Watch(input, func(reason string) { reasons <- reason })
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if reason := <-reasons; reason != "terminated" {
			t.Fatal(reason)
		}
	}
}
