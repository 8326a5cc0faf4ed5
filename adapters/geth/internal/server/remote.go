package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// TLSFiles are the PEM files of TLS in which the client must show a certificate, too; all three or none.
type TLSFiles struct {
	Certificate string // the server's own, with the chain below its root
	Key         string // of Certificate
	ClientCA    string // whose certificates clients must show
}

// Credentials reads the files; nil where there are none.
func (files TLSFiles) Credentials() (credentials.TransportCredentials, error) {
	if files == (TLSFiles{}) {
		return nil, nil
	}
	if files.Certificate == "" || files.Key == "" || files.ClientCA == "" {
		return nil, errors.New("give all of --tls-certificate, --tls-key and --tls-client-ca, or none")
	}
	certificate, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	authority, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("client CA: %s holds no certificate", files.ClientCA)
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}), nil
}

// Resolve finds the TCP address of HOST:PORT. Where it is not secured it must be one that only this machine can reach.
func Resolve(address string, secured bool) (*net.TCPAddr, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return nil, fmt.Errorf("address %s: missing host in address", address)
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !secured && !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("address %s: without TLS the host must be a loopback address", address)
	}
	return resolved, nil
}
