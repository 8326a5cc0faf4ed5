package execution_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"execution-verifier/adapters/geth/internal/execution"
	"execution-verifier/adapters/geth/internal/rpcv1"
	"execution-verifier/adapters/geth/internal/witnesstest"
)

// Blocks whose witness has no parent header, and which geth executes correctly on the trusted root alone.
var withoutParent = map[string]bool{
	"17000_2860556_scroll": true, "17000_2965788_scroll": true, "17000_2971844_scroll": true,
}

// A block that asks for ancestors which its source has as bare hashes, not as headers: nothing proves them.
const withBareBlockHashes = "17000_2971847_scroll"

// incomplete is what the witnesses in ../shared/data/incomplete lack, by its README.
var incomplete = map[string]struct {
	kind rpcv1.Missing_Kind
	hash string
}{
	"1_22188088_keth":         {rpcv1.Missing_KIND_NODE, "8a3d287b"},
	"holesky_2860557_scroll":  {rpcv1.Missing_KIND_HEADER, ""},
	"holesky_2965790_scroll":  {rpcv1.Missing_KIND_HEADER, ""},
	"holesky_2965792_scroll":  {rpcv1.Missing_KIND_HEADER, ""},
	"mainnet_23587691_scroll": {rpcv1.Missing_KIND_HEADER, ""},
}

func execute(t testing.TB, request *execution.Request) *rpcv1.ExecuteResponse {
	t.Helper()
	response, err := execution.Execute(context.Background(), request, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// differences lists the fields that differ from the header's.
func differences(header *types.Header, computed *rpcv1.Computed) []string {
	var fields []string
	compare := func(name string, computed, expected []byte) {
		if !bytes.Equal(computed, expected) {
			fields = append(fields, name)
		}
	}
	optional := func(hash *common.Hash) []byte {
		if hash == nil {
			return nil
		}
		return hash.Bytes()
	}
	compare("state root", computed.StateRoot, header.Root[:])
	compare("receipts root", computed.ReceiptsRoot, header.ReceiptHash[:])
	compare("logs bloom", computed.LogsBloom, header.Bloom[:])
	compare("transactions root", computed.TransactionsRoot, header.TxHash[:])
	compare("withdrawals root", computed.WithdrawalsRoot, optional(header.WithdrawalsHash))
	compare("requests hash", computed.RequestsHash, optional(header.RequestsHash))
	compare("block access list hash", computed.BlockAccessListHash, optional(header.BlockAccessListHash))
	if computed.GasUsed != header.GasUsed {
		fields = append(fields, "gas used")
	}
	if (computed.BlobGasUsed == nil) != (header.BlobGasUsed == nil) ||
		(computed.BlobGasUsed != nil && *computed.BlobGasUsed != *header.BlobGasUsed) {
		fields = append(fields, "blob gas used")
	}
	return fields
}

func requestOf(block *witnesstest.Case, content []byte) *execution.Request {
	return &execution.Request{
		Content: content, BlockHash: block.Witness.BlockHash, PreStateRoot: block.PreStateRoot,
		ParentOptional: withoutParent[block.Name],
	}
}

func TestRealBlocks(t *testing.T) {
	for _, block := range witnesstest.RealBlocks(t, "mainnet") {
		t.Run(block.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "block.witness")
			if err := os.WriteFile(path, witnesstest.Encode(block.Witness), 0o444); err != nil {
				t.Fatal(err)
			}
			request := requestOf(&block, nil)
			request.Path = path
			start := time.Now()
			response := execute(t, request)
			if block.Name == withBareBlockHashes {
				missing := response.GetAbstention().GetMissing()
				if len(missing) == 0 || missing[0].Kind != rpcv1.Missing_KIND_HEADER || missing[0].Number != 2971843 {
					t.Fatalf("%v", response)
				}
				if block.BlockHashes[block.Header.Number.Uint64()-1] != block.Header.ParentHash {
					t.Fatal("the bare hashes are not in the expected order")
				}
				request.AncestorHashes = block.BlockHashes
				response = execute(t, request)
			}
			computed := response.GetComputed()
			if computed == nil {
				t.Fatalf("not computed: %v", response)
			}
			if fields := differences(block.Header, computed); fields != nil {
				t.Fatalf("differs from the header: %v", fields)
			}
			t.Logf("VALID in %v (%v), unchecked %v", time.Since(start), response.Timings, computed.UncheckedRules)
			if withoutParent[block.Name] {
				request.ParentOptional = false
				missing := execute(t, request).GetAbstention().GetMissing()
				if len(missing) != 1 || !bytes.Equal(missing[0].Hash, block.Header.ParentHash[:]) {
					t.Fatalf("without the parent's header: %v", missing)
				}
			}
		})
	}
}

func TestIncompleteRealBlocks(t *testing.T) {
	for _, block := range witnesstest.RealBlocks(t, "incomplete") {
		t.Run(block.Name, func(t *testing.T) {
			response := execute(t, requestOf(&block, witnesstest.Encode(block.Witness)))
			abstention := response.GetAbstention()
			if abstention.GetReason() != rpcv1.AbstentionReason_ABSTENTION_REASON_WITNESS_INSUFFICIENT {
				t.Fatalf("%v", response)
			}
			expected := incomplete[block.Name]
			missing := abstention.Missing[0]
			if missing.Kind != expected.kind || !bytes.HasPrefix(missing.Hash, common.FromHex(expected.hash)) {
				t.Fatalf("%v", abstention)
			}
			t.Log(abstention.Detail)
		})
	}
}

// TestEveryDropOfARealBlock drops every node and code of a block in turn. Each answer must be that the witness is
// insufficient, naming the one that was dropped, or the right values, where geth did not need it.
func TestEveryDropOfARealBlock(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	for _, block := range witnesstest.RealBlocks(t, "mainnet") {
		if block.Name == "1_22615247_keth" {
			dropEach(t, &block)
			return
		}
	}
	t.Fatal("block 22615247 is not there")
}
