// Package warmup does before the first request what geth would otherwise do during it.
package warmup

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
)

// pointEvaluation is the precompiled contract of EIP-4844. geth loads the trusted setup at its first call, which takes
// about three seconds.
var pointEvaluation = common.BytesToAddress([]byte{0x0a})

// Warm loads the KZG trusted setup, by verifying a proof, and the secp256k1 tables.
func Warm() error {
	output, err := vm.PrecompiledContractsCancun[pointEvaluation].Run(zeroPolynomial())
	if err != nil {
		return fmt.Errorf("point evaluation: %w", err)
	}
	if len(output) != 64 {
		return errors.New("point evaluation gave no answer")
	}
	return warmSignature()
}

// zeroPolynomial is the input of a valid call: the polynomial 0 is 0 at 0. Its commitment and proof are the point at
// infinity, 0xc0 and zeros.
func zeroPolynomial() []byte {
	infinity := make([]byte, 48)
	infinity[0] = 0xc0
	hash := sha256.Sum256(infinity)
	hash[0] = 0x01 // VERSIONED_HASH_VERSION_KZG
	input := append(hash[:], make([]byte, 64)...)
	input = append(input, infinity...)
	return append(input, infinity...)
}

func warmSignature() error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	signer := types.HomesteadSigner{}
	transaction, err := types.SignTx(types.NewTx(&types.LegacyTx{}), signer, key)
	if err != nil {
		return err
	}
	_, err = types.Sender(signer, transaction)
	return err
}
