// Command geth-adapter executes blocks on their witnesses with go-ethereum, as adapters/CONTRACT.md says.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	"google.golang.org/protobuf/encoding/protojson"

	"execution-verifier/adapters/geth/internal/benchmark"
	"execution-verifier/adapters/geth/internal/description"
	"execution-verifier/adapters/geth/internal/lifeline"
	"execution-verifier/adapters/geth/internal/server"
	"execution-verifier/adapters/geth/internal/warmup"
)

func main() {
	var (
		socket   = flag.String("socket", "", "serve on the unix-domain socket `PATH`")
		describe = flag.Bool("describe", false, "print what this adapter is and end")
		bench    = flag.String("bench", "", "measure geth's own time for the witness `FILE`")
		runs     = flag.Int("runs", 20, "number of runs that --bench measures")
	)
	flag.Parse() // ends with status 2 where an argument is not known
	modes := 0
	for _, chosen := range []bool{*socket != "", *describe, *bench != ""} {
		if chosen {
			modes++
		}
	}
	if modes != 1 || flag.NArg() > 0 || *runs < 1 {
		fmt.Fprintln(os.Stderr, "geth-adapter: give one of --socket PATH, --describe, --bench FILE [--runs N]")
		os.Exit(2)
	}
	var err error
	switch {
	case *describe:
		err = printDescription()
	case *bench != "":
		if err = warmup.Warm(); err == nil {
			err = benchmark.Run(os.Stdout, *bench, *runs)
		}
	default:
		err = serve(*socket)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "geth-adapter:", err)
		os.Exit(1)
	}
}

func printDescription() error {
	line, err := protojson.Marshal(description.Describe())
	if err == nil {
		fmt.Printf("%s\n", line)
	}
	return err
}

func serve(socket string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
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
	return server.Serve(listener, log, warmup.Warm)
}
