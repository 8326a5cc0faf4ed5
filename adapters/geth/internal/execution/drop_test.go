package execution_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// dropEach drops every node and every code of a block's witness in turn and checks the answers.
func dropEach(t *testing.T, block *witnesstest.Case) {
	t.Helper()
	for _, list := range []struct {
		name     string
		elements *[][]byte
	}{{"nodes", &block.Witness.State}, {"codes", &block.Witness.Codes}} {
		var (
			complete                   = *list.elements
			valid, insufficient, other int
		)
		for index, dropped := range complete {
			*list.elements = slices.Delete(slices.Clone(complete), index, index+1)
			response := execute(t, requestOf(block, witnesstest.Encode(block.Witness)))
			abstention := response.GetAbstention()
			switch {
			case abstention.GetReason() == rpcv1.AbstentionReason_ABSTENTION_REASON_WITNESS_INSUFFICIENT &&
				bytes.Equal(abstention.Missing[0].Hash, crypto.Keccak256(dropped)):
				insufficient++
			case response.GetComputed() != nil && differences(block.Header, response.GetComputed()) == nil:
				valid++
			default:
				other++
				t.Errorf("without %s %d (%x): %v", list.name, index, crypto.Keccak256(dropped), response.Outcome)
			}
		}
		*list.elements = complete
		t.Logf("%s: %d dropped in turn, %d insufficient, %d right without it, %d wrong", list.name, len(complete),
			insufficient, valid, other)
	}
}
