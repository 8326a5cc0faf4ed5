package witnesstest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/params"
)

// Frontier is a chain with no forks.
func Frontier() *params.ChainConfig { return &params.ChainConfig{ChainID: big.NewInt(1337)} }

// London is a proof-of-work chain with all forks before The Merge.
func London() *params.ChainConfig {
	config := *params.AllEthashProtocolChanges
	return &config
}

// Paris is a chain that is after The Merge from genesis on.
func Paris() *params.ChainConfig {
	config := London()
	config.TerminalTotalDifficulty = new(big.Int)
	config.Ethash = nil
	return config
}

// Shanghai is Paris and one fork more.
func Shanghai() *params.ChainConfig {
	config := Paris()
	config.ShanghaiTime = new(uint64)
	return config
}

// Cancun is Shanghai and one fork more.
func Cancun() *params.ChainConfig {
	config := Shanghai()
	config.CancunTime = new(uint64)
	config.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig,
	}
	return config
}

// Prague is Cancun and one fork more.
func Prague() *params.ChainConfig {
	config := Cancun()
	config.PragueTime = new(uint64)
	config.DepositContractAddress = DepositContract
	return config
}

// Osaka is Prague and one fork more.
func Osaka() *params.ChainConfig {
	config := Prague()
	config.OsakaTime = new(uint64)
	return config
}

// Amsterdam is Osaka and one fork more, as geth has it.
func Amsterdam() *params.ChainConfig {
	config := Osaka()
	config.AmsterdamTime = new(uint64)
	return config
}
