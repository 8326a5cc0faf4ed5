package server

import (
	"context"
	"crypto/sha256"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/uploads"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// parts splits a file.
func parts(content []byte, size int) []*rpcv1.UploadPart {
	digest := sha256.Sum256(content)
	split := []*rpcv1.UploadPart{{Digest: digest[:], Length: uint64(len(content))}}
	for start := 0; start < len(content); start += size {
		part := content[start:min(start+size, len(content))]
		if start == 0 {
			split[0].Content = part
		} else {
			split = append(split, &rpcv1.UploadPart{Content: part})
		}
	}
	return split
}

func upload(t *testing.T, client rpcv1.StatelessExecutorClient, parts []*rpcv1.UploadPart) error {
	t.Helper()
	stream, err := client.Upload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if err := stream.Send(part); err != nil {
			break // the stream's own error says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// What was uploaded is executed and traced, as often as wanted.
func TestUpload(t *testing.T) {
	config := witnesstest.Prague()
	chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 1, witnesstest.Busy(t, config))
	one := chain.Case(t, 1, 1)
	content := witnesstest.Encode(one.Witness)
	digest := sha256.Sum256(content)
	request := &rpcv1.ExecuteRequest{
		Witness:   &rpcv1.ExecuteRequest_Uploaded{Uploaded: digest[:]},
		BlockHash: one.Header.Hash().Bytes(), PreStateRoot: one.PreStateRoot.Bytes(),
	}
	client := connect(t, NewService(quiet()))
	if _, err := client.Execute(t.Context(), request); status.Code(err) != codes.NotFound {
		t.Fatalf("before it is uploaded: %v", err)
	}
	for range 2 { // a second time it is there already
		if err := upload(t, client, parts(content, 1000)); err != nil {
			t.Fatal(err)
		}
		response, err := client.Execute(t.Context(), request)
		if err != nil || common.Hash(response.GetComputed().GetStateRoot()) != one.Header.Root {
			t.Fatalf("%v, %v", response, err)
		}
	}
	stream, err := client.Trace(t.Context(), &rpcv1.TraceRequest{Execution: request, First: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if event, err := stream.Recv(); err != nil || event.GetOutcome().GetComputed() == nil {
		t.Errorf("%v, %v", event, err)
	}
	request.Witness = &rpcv1.ExecuteRequest_Uploaded{Uploaded: digest[:31]}
	if _, err := client.Execute(t.Context(), request); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a short digest: %v", err)
	}
}

// What is not the file that was announced is turned away and leaves nothing behind.
func TestUploadRefused(t *testing.T) {
	content := make([]byte, 3000)
	for name, check := range map[string]struct {
		parts []*rpcv1.UploadPart
		code  codes.Code
	}{
		"no part":         {nil, codes.InvalidArgument},
		"no digest":       {[]*rpcv1.UploadPart{{Length: 3, Content: content[:3]}}, codes.InvalidArgument},
		"too large":       {[]*rpcv1.UploadPart{{Digest: content[:32], Length: uploads.MaxFile + 1}}, codes.ResourceExhausted},
		"much too large":  {[]*rpcv1.UploadPart{{Digest: content[:32], Length: 1<<64 - 1}}, codes.ResourceExhausted},
		"too short":       {parts(content, 1000)[:2], codes.InvalidArgument},
		"too long":        {append(parts(content, 1000), &rpcv1.UploadPart{Content: []byte{1}}), codes.InvalidArgument},
		"another content": {append(parts(content, 1000)[:2], &rpcv1.UploadPart{Content: append(make([]byte, 999), 1)}), codes.InvalidArgument},
		"a large part":    {parts(make([]byte, maxPart+1), maxPart+1), codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			service := NewService(quiet())
			if err := upload(t, connect(t, service), check.parts); status.Code(err) != check.code {
				t.Error(err)
			}
			digest := sha256.Sum256(content)
			if _, held := service.uploads.Get(digest); held || len(service.uploading) != 0 {
				t.Error("something is left behind")
			}
		})
	}
}

// A stream that breaks leaves nothing behind, and others get their turn.
func TestUploadBroken(t *testing.T) {
	content := make([]byte, 3000)
	split := parts(content, 1000)
	service := NewService(quiet())
	client := connect(t, service)
	var cancels []context.CancelFunc
	for range uploadsAtOnce {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.Upload(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(split[0]); err != nil {
			t.Fatal(err)
		}
		cancels = append(cancels, cancel)
	}
	for len(service.uploading) < uploadsAtOnce {
		runtime.Gosched()
	}
	waiting := make(chan error, 1)
	go func() { waiting <- upload(t, client, parts(content[:100], 50)) }()
	for _, cancel := range cancels {
		cancel()
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	for len(service.uploading) > 0 {
		runtime.Gosched()
	}
	if _, held := service.uploads.Get(sha256.Sum256(content)); held {
		t.Error("half a file is held")
	}
	if _, held := service.uploads.Get(sha256.Sum256(content[:100])); !held {
		t.Error("the other file is not held")
	}
}

// An upload may be as large as the contract says.
func TestUploadOfTheLargestSize(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	content := make([]byte, uploads.MaxFile)
	service := NewService(quiet())
	if err := upload(t, connect(t, service), parts(content, maxPart)); err != nil {
		t.Fatal(err)
	}
	if held, ok := service.uploads.Get(sha256.Sum256(content)); !ok || len(held) != len(content) {
		t.Error("not held")
	}
}
