package server

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/certificatetest"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

// With TLS only a client of the right authority is served.
func TestMutualTLS(t *testing.T) {
	var (
		servers, clients, strangers = certificatetest.NewAuthority(t), certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
		files                       TLSFiles
	)
	files.Certificate, files.Key = certificatetest.Write(t, servers.Issue(t, x509.ExtKeyUsageServerAuth))
	files.ClientCA = clients.WriteCA(t)
	transport, err := files.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- Serve(listener, transport, quiet(), func() error { return nil }) }()
	t.Cleanup(func() {
		_ = listener.Close()
		<-served
	})
	with := func(config *tls.Config) credentials.TransportCredentials {
		config.RootCAs = servers.Pool()
		return credentials.NewTLS(config)
	}
	holding := func(certificate tls.Certificate) *tls.Config {
		// Shown also where the server says that it wants another authority's.
		return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}}
	}
	for name, check := range map[string]struct {
		credentials credentials.TransportCredentials
		code        codes.Code
	}{
		"a client":             {with(holding(clients.Issue(t, x509.ExtKeyUsageClientAuth))), codes.OK},
		"a stranger":           {with(holding(strangers.Issue(t, x509.ExtKeyUsageClientAuth))), codes.Unavailable},
		"a server's own":       {with(holding(servers.Issue(t, x509.ExtKeyUsageServerAuth))), codes.Unavailable},
		"a server of clients'": {with(holding(clients.Issue(t, x509.ExtKeyUsageServerAuth))), codes.Unavailable},
		"no certificate":       {with(&tls.Config{}), codes.Unavailable},
		"TLS 1.2": {
			with(&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{clients.Issue(t, x509.ExtKeyUsageClientAuth)}}),
			codes.Unavailable,
		},
		"no TLS": {insecure.NewCredentials(), codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(check.credentials))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			_, err = rpcv1.NewStatelessExecutorClient(connection).Describe(t.Context(), &rpcv1.DescribeRequest{})
			if status.Code(err) != check.code {
				t.Error(err)
			}
		})
	}
}

func TestTLSFiles(t *testing.T) {
	authority := certificatetest.NewAuthority(t)
	certificate, key := certificatetest.Write(t, authority.Issue(t, x509.ExtKeyUsageServerAuth))
	_, otherKey := certificatetest.Write(t, authority.Issue(t, x509.ExtKeyUsageServerAuth))
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if transport, err := (TLSFiles{}).Credentials(); err != nil || transport != nil {
		t.Errorf("%v, %v", transport, err)
	}
	for name, files := range map[string]TLSFiles{
		"certificate alone": {Certificate: certificate},
		"no CA":             {Certificate: certificate, Key: key},
		"no key":            {Certificate: certificate, ClientCA: certificate},
		"another key":       {Certificate: certificate, Key: otherKey, ClientCA: certificate},
		"no such file":      {Certificate: certificate + "x", Key: key, ClientCA: certificate},
		"no such CA":        {Certificate: certificate, Key: key, ClientCA: certificate + "x"},
		"garbage":           {Certificate: garbage, Key: key, ClientCA: certificate},
		"garbage for a CA":  {Certificate: certificate, Key: key, ClientCA: garbage},
	} {
		if transport, err := files.Credentials(); err == nil || transport != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for address, check := range map[string]struct{ plain, secured bool }{
		"127.0.0.1:0": {true, true}, "127.1.2.3:5": {true, true}, "[::1]:0": {true, true}, "localhost:0": {true, true},
		"0.0.0.0:0": {false, true}, "[::]:0": {false, true}, "192.0.2.1:1": {false, true}, "8.8.8.8:1": {false, true},
		":0": {false, false}, "127.0.0.1": {false, false}, "127.0.0.1:port": {false, false}, "": {false, false},
		"127.0.0.1:65536": {false, false},
	} {
		for _, secured := range []bool{false, true} {
			expected := check.plain
			if secured {
				expected = check.secured
			}
			if _, err := Resolve(address, secured); (err == nil) != expected {
				t.Errorf("%q, with TLS %v: %v", address, secured, err)
			}
		}
	}
}
