package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/ethereum/go-ethereum/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"execution-verifier/adapters/geth/internal/certificatetest"
	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// asMain makes the test's own binary the adapter, so that nothing has to be built for the tests of the process.
const asMain = "GETH_ADAPTER_TEST_AS_MAIN"

// patience is how long a step of the process may take before its test fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, os.Args[0], arguments...)
	process.Env = append(os.Environ(), asMain+"=1")
	return process
}

func TestArguments(t *testing.T) {
	for _, arguments := range [][]string{
		{}, {"--unknown"}, {"--describe", "--socket", "a"}, {"--record", "--describe"},
		{"--describe", "more"}, {"--bench", "a", "--runs", "0"},
		{"--runs", "many"}, {"--listen", "0.0.0.0:0"}, {"--listen", "[::]:0"}, {"--listen", ":0"}, {"--listen", "127.0.0.1"},
		{"--listen", "127.0.0.1:0", "--socket", "a"}, {"--listen", "127.0.0.1:0", "--tls-key", "a"},
		{"--socket", "a", "--tls-key", "a", "--tls-certificate", "a", "--tls-client-ca", "a"},
		{"--listen", "127.0.0.1:0", "--tls-key", "/none", "--tls-certificate", "/none", "--tls-client-ca", "/none"},
	} {
		process := command(t, arguments...)
		if err := process.Run(); err == nil || process.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	output, err := command(t, "--describe").Output()
	if err != nil {
		t.Fatal(err)
	}
	var description struct {
		ClientName, ClientVersion, Lineage string
		Forks                              []string
		ContractVersion                    int
	}
	if err := json.Unmarshal(output, &description); err != nil || strings.Count(string(output), "\n") != 1 {
		t.Fatalf("%s: %v", output, err)
	}
	if description.Lineage != "geth" || description.ContractVersion != 1 || description.ClientVersion != "1.17.10" ||
		!slices.Equal(description.Forks, chainconfig.Forks) {
		t.Errorf("%s", output)
	}
}

// adapter.toml says the same as the program.
func TestManifest(t *testing.T) {
	var manifest struct {
		Name, Lineage string
		Forks         []string
		Build         struct{ Artifact string }
		Start         struct{ Command []string }
		Recorder      struct{ Command []string }
	}
	if _, err := toml.DecodeFile("adapter.toml", &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Name != "geth" || manifest.Lineage != "geth" || !slices.Equal(manifest.Forks, chainconfig.Forks) ||
		len(manifest.Start.Command) != 1 || manifest.Start.Command[0] != "{folder}/"+manifest.Build.Artifact ||
		!slices.Equal(manifest.Recorder.Command, append(manifest.Start.Command, "--record")) {
		t.Errorf("%+v", manifest)
	}
}

// A recorder answers what it is asked, and ends with its input, or with status 1 where that is none.
func TestRecord(t *testing.T) {
	recorder := command(t, "--record")
	recorder.Stdin = strings.NewReader(`{"genesis": "0xc0"}` + "\n")
	output, err := recorder.Output()
	if err != nil || strings.Count(string(output), "\n") != 1 || !strings.HasPrefix(string(output), `{"failure":{`) {
		t.Errorf("%s: %v", output, err)
	}
	recorder = command(t, "--record")
	recorder.Stdin = strings.NewReader("no JSON")
	if err := recorder.Run(); err == nil || recorder.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
}

// A served is an adapter process that listens.
type served struct {
	*exec.Cmd
	socket string
	input  io.WriteCloser
	output io.ReadCloser
	client rpcv1.StatelessExecutorClient
}

func serving(t *testing.T) *served {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	process := &served{Cmd: command(t, "--socket", socket), socket: socket}
	var err error
	if process.input, err = process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if process.output, err = process.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	process.client = rpcv1.NewStatelessExecutorClient(connection)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := process.client.Describe(ctx, &rpcv1.DescribeRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	return process
}

// ends checks that the process has written nothing to standard output, ends with status 0 and leaves no socket.
func (process *served) ends(t *testing.T) {
	t.Helper()
	if output, err := io.ReadAll(process.output); err != nil || len(output) != 0 {
		t.Errorf("standard output: %q, %v", output, err)
	}
	if err := process.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(process.socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestEndOfInput(t *testing.T) {
	process := serving(t)
	_ = process.input.Close()
	process.ends(t)
}

func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		process := serving(t)
		if err := process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		process.ends(t)
	}
}

// The process ends with its supervisor also while it executes.
func TestEndWhileExecuting(t *testing.T) {
	chain := witnesstest.GenerateWithGas(t, witnesstest.Prague(), witnesstest.Alloc(), 1<<50, 1,
		func(_ int, block *core.BlockGen) {
			block.AddUncheckedTx(witnesstest.Legacy(t, block, 0, &witnesstest.Loop, 1<<42, nil))
		})
	one := chain.Case(t, 1, 1)
	process := serving(t)
	const requests = 50 // more than there are slots and places in the queue
	results := make(chan error, requests)
	for range requests {
		go func() {
			_, err := process.client.Execute(context.Background(), &rpcv1.ExecuteRequest{
				Witness:   &rpcv1.ExecuteRequest_Content{Content: witnesstest.Encode(one.Witness)},
				BlockHash: one.Header.Hash().Bytes(), PreStateRoot: one.PreStateRoot.Bytes(),
			})
			results <- err
		}()
	}
	// The first one that is turned away shows that the others are in.
	if err := <-results; status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	_ = process.input.Close()
	process.ends(t)
	for range requests - 1 {
		if err := <-results; err == nil {
			t.Error("the endless block was executed")
		}
	}
}

// Over TCP the process goes on without standard input, logs its address, and ends at a signal.
func TestListen(t *testing.T) {
	servers, clients := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	certificate, key := certificatetest.Write(t, servers.Issue(t, x509.ExtKeyUsageServerAuth))
	secured := []string{
		"--listen", "0.0.0.0:0", "--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", clients.WriteCA(t),
	}
	for name, check := range map[string]struct {
		arguments []string
		transport credentials.TransportCredentials
		signal    os.Signal
	}{
		"plain": {[]string{"--listen", "127.0.0.1:0"}, insecure.NewCredentials(), syscall.SIGTERM},
		"TLS": {secured, credentials.NewTLS(&tls.Config{
			RootCAs: servers.Pool(), Certificates: []tls.Certificate{clients.Issue(t, x509.ExtKeyUsageClientAuth)},
		}), syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			process := command(t, check.arguments...) // its standard input is /dev/null, at its end from the start
			log, err := process.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(log)
			if !lines.Scan() {
				t.Fatal("nothing is logged")
			}
			_, address, found := strings.Cut(lines.Text(), "event=listening address=")
			_, port, err := net.SplitHostPort(address)
			if !found || err != nil || port == "0" {
				t.Fatalf("%q", lines.Text())
			}
			connection, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(check.transport))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			described, err := rpcv1.NewStatelessExecutorClient(connection).Describe(t.Context(), &rpcv1.DescribeRequest{})
			if err != nil || !described.Traces || !described.Uploads || len(described.Modes) != 2 {
				t.Errorf("%v, %v", described, err)
			}
			if err := process.Process.Signal(check.signal); err != nil {
				t.Fatal(err)
			}
			for lines.Scan() { // to the end, as Wait closes the pipe
				continue
			}
			if err := process.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBench(t *testing.T) {
	config := witnesstest.Prague()
	chain := witnesstest.Generate(t, config, witnesstest.Alloc(), 1, witnesstest.Busy(t, config))
	path := filepath.Join(t.TempDir(), "witness")
	if err := os.WriteFile(path, witnesstest.Encode(chain.Case(t, 1, 1).Witness), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := command(t, "--bench", path, "--runs", "3").Output()
	if err != nil {
		t.Fatal(err)
	}
	var times struct {
		Runs []float64 `json:"runs_ms"`
	}
	if err := json.Unmarshal(output, &times); err != nil || len(times.Runs) != 3 {
		t.Errorf("%s: %v", output, err)
	}
	process := command(t, "--bench", filepath.Join(t.TempDir(), "none"))
	if err := process.Run(); err == nil || process.ProcessState.ExitCode() != 1 {
		t.Errorf("without the file: %v", err)
	}
}
