package warmup_test

import (
	"testing"

	"execution-verifier/adapters/geth/internal/warmup"
)

func TestWarm(t *testing.T) {
	if err := warmup.Warm(); err != nil {
		t.Fatal(err)
	}
}
