// Package description says what this adapter is and can do.
package description

import (
	"fmt"
	"runtime"

	"github.com/ethereum/go-ethereum/version"

	"execution-verifier/adapters/geth/internal/chainconfig"
	"execution-verifier/adapters/geth/internal/rpcv1"
)

const (
	adapterVersion  = "0.1.0"
	contractVersion = 1
	lineage         = "geth"
)

// ConcurrentRequests is the number of requests that are executed at the same time.
func ConcurrentRequests() int { return max(2, runtime.GOMAXPROCS(0)) }

// Describe returns the answer to Describe. Nothing needs to be warm for it.
func Describe() *rpcv1.DescribeResponse {
	return &rpcv1.DescribeResponse{
		ClientName:            "geth",
		ClientVersion:         fmt.Sprintf("%d.%d.%d", version.Major, version.Minor, version.Patch),
		AdapterVersion:        adapterVersion,
		Lineage:               lineage,
		Forks:                 chainconfig.Forks,
		Modes:                 []rpcv1.Mode{rpcv1.Mode_MODE_PROOF, rpcv1.Mode_MODE_PRESTATE},
		UncheckedRules:        []rpcv1.Rule{rpcv1.Rule_RULE_PROOF_OF_WORK},
		MaxConcurrentRequests: uint32(ConcurrentRequests()),
		ContractVersion:       contractVersion,
		Traces:                true,
		Uploads:               true,
	}
}
