package benchmark

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/warmup"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// BenchmarkAgainstClient runs geth's own way and the adapter's in turn on real blocks, so that what else the machine
// does falls on both alike, and reports the medians in ms and their ratio.
func BenchmarkAgainstClient(b *testing.B) {
	if err := warmup.Warm(); err != nil {
		b.Fatal(err)
	}
	for _, block := range witnesstest.RealBlocks(b, "mainnet") {
		b.Run(block.Name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "block.witness")
			if err := os.WriteFile(path, witnesstest.Encode(block.Witness), 0o444); err != nil {
				b.Fatal(err)
			}
			if len(block.Witness.Headers) == 0 || once(path) != nil {
				b.Skip("core.ExecuteStateless cannot do this block")
			}
			request := &execution.Request{
				Path: path, BlockHash: block.Witness.BlockHash, PreStateRoot: block.PreStateRoot,
			}
			var client, adapter []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := once(path); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				response, err := execution.Execute(context.Background(), request, middle)
				if err != nil || response.GetComputed() == nil {
					b.Fatal(response, err)
				}
				client, adapter = append(client, middle.Sub(start)), append(adapter, time.Since(middle))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(client), "client-ms")
			b.ReportMetric(median(adapter), "adapter-ms")
			b.ReportMetric(median(adapter)/median(client), "ratio")
		})
	}
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2].Microseconds()) / 1000
}
