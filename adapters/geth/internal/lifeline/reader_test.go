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
	lifeline.WatchReader(file, func(reason string) { t.Errorf("ended: %s", reason) })
	if _, err := file.WriteString("an answer"); err != nil {
		t.Fatal(err)
	}
}
