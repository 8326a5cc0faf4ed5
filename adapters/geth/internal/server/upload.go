package server

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/uploads"
)

const (
	// maxPart is the most content of one part by the protocol, in bytes.
	maxPart = 1 << 20
	// uploadsAtOnce bounds the memory of uploads that are not complete: each has at most uploads.MaxFile bytes.
	uploadsAtOnce = 2
)

// Upload takes a witness file in parts and keeps it, once it is complete and has the digest that its first part says.
// Where others are being uploaded it waits for its turn; gRPC holds the sender up meanwhile.
func (service *Service) Upload(stream grpc.ClientStreamingServer[rpcv1.UploadPart, rpcv1.UploadResponse]) error {
	select {
	case service.uploading <- struct{}{}:
		defer func() { <-service.uploading }()
	case <-stream.Context().Done():
		return status.FromContextError(stream.Context().Err()).Err()
	}
	digest, content, err := receive(stream.Recv)
	if err != nil {
		service.log.Warn("upload failed", "error", err)
		return err
	}
	service.uploads.Put(digest, content)
	service.log.Info("uploaded", "digest", digest, "bytes", len(content))
	return stream.SendAndClose(&rpcv1.UploadResponse{})
}

// receive takes all parts of one file. The error is a gRPC status.
func receive(next func() (*rpcv1.UploadPart, error)) (uploads.Digest, []byte, error) {
	part, err := next()
	if errors.Is(err, io.EOF) {
		return uploads.Digest{}, nil, status.Error(codes.InvalidArgument, "an upload without a part")
	}
	if err != nil {
		return uploads.Digest{}, nil, err
	}
	length := part.GetLength()
	switch {
	case len(part.GetDigest()) != sha256.Size:
		return uploads.Digest{}, nil, status.Errorf(codes.InvalidArgument, "digest of %d bytes, not %d",
			len(part.GetDigest()), sha256.Size)
	case length > uploads.MaxFile:
		return uploads.Digest{}, nil, status.Errorf(codes.ResourceExhausted, "a file of %d bytes, at most %d are taken",
			length, uploads.MaxFile)
	}
	digest := uploads.Digest(part.GetDigest())
	var content []byte // grown by what arrives, not by what is announced
	for err == nil {
		if count := len(part.GetContent()); count > maxPart || uint64(len(content)+count) > length {
			return digest, nil, status.Errorf(codes.InvalidArgument, "a part of %d bytes after %d of %d", count,
				len(content), length)
		}
		content = append(content, part.GetContent()...)
		part, err = next()
	}
	switch {
	case !errors.Is(err, io.EOF):
		return digest, nil, err
	case uint64(len(content)) != length:
		return digest, nil, status.Errorf(codes.InvalidArgument, "%d bytes arrived of %d", len(content), length)
	}
	if computed := sha256.Sum256(content); !bytes.Equal(computed[:], digest[:]) {
		return digest, nil, status.Errorf(codes.InvalidArgument, "the digest of what arrived is %x, not %s", computed, digest)
	}
	return digest, content, nil
}

// uploaded returns the file with this digest. The error is a gRPC status.
func (service *Service) uploaded(digest []byte) ([]byte, error) {
	if len(digest) != sha256.Size {
		return nil, status.Errorf(codes.InvalidArgument, "uploaded has %d bytes, not %d", len(digest), sha256.Size)
	}
	content, held := service.uploads.Get(uploads.Digest(digest))
	if !held {
		return nil, status.Errorf(codes.NotFound, "the upload %x is not held", digest)
	}
	return content, nil
}
