package lifeline_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"execution-verifier/adapters/geth/internal/lifeline"
)

func TestEndOfReader(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	reasons := make(chan string, 1)
	lifeline.WatchReader(writer, func(reason string) { reasons <- reason })
	if _, err := writer.WriteString("an answer"); err != nil {
		t.Fatal(err)
	}
	select {
	case reason := <-reasons:
		t.Fatalf("ended early: %s", reason)
	default:
	}
	_ = reader.Close()
	select {
	case reason := <-reasons:
		if reason != "nobody reads the output" {
			t.Fatal(reason)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reader's end went unnoticed")
	}
}

func TestFileHasNoReader(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	reasons := make(chan string, 2)
	lifeline.WatchReader(file, func(string) { reasons <- "the file's" })
	if _, err := file.WriteString("an answer"); err != nil {
		t.Fatal(err)
	}
	// A pipe's end, which comes later, is the first to be told.
	lifeline.WatchReader(writer, func(string) { reasons <- "the pipe's" })
	_ = reader.Close()
	if first := <-reasons; first != "the pipe's" {
		t.Fatalf("%s end was told", first)
	}
}
