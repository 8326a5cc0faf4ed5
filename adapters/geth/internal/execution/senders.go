package execution

import (
	"runtime"

	"github.com/ethereum/go-ethereum/core/types"

	"execution-verifier/adapters/geth/internal/witnessfile"
)

// recoverSenders starts to recover the transactions' senders on all processors but one. geth keeps each sender in its
// transaction, where the execution finds it; a transaction that it comes to first it recovers itself, and what is wrong
// with a signature it finds out again. So nothing waits for this, and its errors are not looked at.
func recoverSenders(signer types.Signer, transactions types.Transactions) {
	workers := max(1, min(runtime.GOMAXPROCS(0)-1, len(transactions)/4))
	if len(transactions) == 0 {
		return
	}
	for worker := range workers {
		go func() {
			_ = witnessfile.Guarded(func() error {
				// From the end: the execution starts at the other one.
				for index := len(transactions) - 1 - worker; index >= 0; index -= workers {
					_, _ = types.Sender(signer, transactions[index])
				}
				return nil
			})
		}()
	}
}
