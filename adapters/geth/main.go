// Command geth-adapter executes blocks on their witnesses with go-ethereum, as adapters/CONTRACT.md says. With --record
// it makes witnesses, of blocks that it imports with full state.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"

	"google.golang.org/protobuf/encoding/protojson"

	"execution-verifier/adapters/geth/internal/benchmark"
	"execution-verifier/adapters/geth/internal/description"
	"execution-verifier/adapters/geth/internal/lifeline"
	"execution-verifier/adapters/geth/internal/recording"
	"execution-verifier/adapters/geth/internal/server"
	"execution-verifier/adapters/geth/internal/warmup"
)

// usage is what a wrong command line is told.
const usage = "give one of --socket PATH, --listen HOST:PORT [--tls-certificate FILE --tls-key FILE --tls-client-ca FILE], " +
	"--describe, --bench FILE [--runs N], --record"

// wrongArguments is the exit status for them, by adapters/CONTRACT.md.
const wrongArguments = 2

func main() {
	var (
		files    server.TLSFiles
		socket   = flag.String("socket", "", "serve on the unix-domain socket `PATH`")
		listen   = flag.String("listen", "", "serve on the TCP address `HOST:PORT`, without TLS a loopback address")
		describe = flag.Bool("describe", false, "print what this adapter is and end")
		bench    = flag.String("bench", "", "measure geth's own time for the witness `FILE`")
		record   = flag.Bool("record", false, "make witnesses: requests on standard input, answers on standard output")
		runs     = flag.Int("runs", 20, "number of runs that --bench measures")
	)
	flag.StringVar(&files.Certificate, "tls-certificate", "", "with --listen: the server's certificate, a PEM `FILE`")
	flag.StringVar(&files.Key, "tls-key", "", "with --listen: the key of the server's certificate, a PEM `FILE`")
	flag.StringVar(&files.ClientCA, "tls-client-ca", "", "with --listen: the CA of the clients, a PEM `FILE`")
	flag.Parse() // ends with status 2 where an argument is not known
	modes := 0
	for _, chosen := range []bool{*socket != "", *listen != "", *describe, *bench != "", *record} {
		if chosen {
			modes++
		}
	}
	if modes != 1 || flag.NArg() > 0 || *runs < 1 || (files != server.TLSFiles{} && *listen == "") {
		fail(wrongArguments, usage)
	}
	var err error
	switch {
	case *describe:
		err = printDescription()
	case *bench != "":
		if err = warmup.Warm(); err == nil {
			err = benchmark.Run(os.Stdout, *bench, *runs)
		}
	case *record:
		err = serveRecording()
	case *listen != "":
		err = serveTCP(*listen, files)
	default:
		err = serveSocket(*socket)
	}
	if err != nil {
		fail(1, err)
	}
}

// fail ends the process with one line on standard error.
func fail(code int, reason any) {
	fmt.Fprintln(os.Stderr, "geth-adapter:", reason)
	os.Exit(code)
}

func printDescription() error {
	line, err := protojson.Marshal(description.Describe())
	if err == nil {
		fmt.Printf("%s\n", line)
	}
	return err
}

// newLog writes one line an event, with the event first among what is said of it.
func newLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, attribute slog.Attr) slog.Attr {
			if len(groups) == 0 && attribute.Key == slog.MessageKey {
				attribute.Key = "event"
			}
			return attribute
		},
	}))
}

func serveSocket(socket string) error {
	log := newLog()
	// Before the socket is there, so that none is left behind by an early end.
	lifeline.Watch(os.Stdin, func(reason string) {
		log.Info("ending", "reason", reason)
		_ = os.Remove(socket)
		os.Exit(0)
	})
	listener, err := server.Listen(socket)
	if err != nil {
		return err
	}
	return server.Serve(listener, nil, log, warmup.Warm)
}

// collectAt is at how many percent of growth the collector runs while recording: chains of a few kilobytes come and go,
// and at the usual 100 every few of them would wait for it.
const collectAt = 400

// collectFrom is at how many bytes it runs whenever it can: a test may ask for hundreds of megabytes.
const collectFrom = 1 << 30

// serveRecording answers until standard input ends, or nobody reads the answers any more.
func serveRecording() error {
	debug.SetGCPercent(collectAt)
	debug.SetMemoryLimit(collectFrom)
	lifeline.Watch(nil, func(string) { os.Exit(0) })
	lifeline.WatchReader(os.Stdout, func(string) { os.Exit(0) })
	return recording.Serve(os.Stdin, os.Stdout)
}

// serveTCP serves whoever connects, so there is no supervisor whose end would be this process's.
func serveTCP(address string, files server.TLSFiles) error {
	transport, err := files.Credentials()
	if err != nil {
		fail(wrongArguments, err)
	}
	resolved, err := server.Resolve(address, transport != nil)
	if err != nil {
		fail(wrongArguments, err)
	}
	log := newLog()
	lifeline.Watch(nil, func(reason string) {
		log.Info("ending", "reason", reason)
		os.Exit(0)
	})
	listener, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String())
	return server.Serve(listener, transport, log, warmup.Warm)
}
