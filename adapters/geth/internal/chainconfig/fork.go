package chainconfig

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/params"
)

// Forks are the names of those that this client executes, in activation order, in the words of the contract.
var Forks = []string{
	"frontier", "homestead", "dao", "tangerine_whistle", "spurious_dragon", "byzantium", "constantinople",
	"petersburg", "istanbul", "muir_glacier", "berlin", "london", "arrow_glacier", "gray_glacier", "paris", "shanghai",
	"cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5", "amsterdam",
}

// UnsupportedForkError says that a block belongs to a fork that this client lacks.
type UnsupportedForkError struct{ Fork string }

// Error names the fork.
func (err *UnsupportedForkError) Error() string {
	return fmt.Sprintf("go-ethereum does not support the fork %s that the chain config gives this block", err.Fork)
}

// Supported returns an *UnsupportedForkError where the block at number and time (seconds) belongs to a fork that this
// client lacks. difficultyIsZero tells blocks from after The Merge.
func (config *Config) Supported(number *big.Int, time uint64, difficultyIsZero bool) error {
	for _, fork := range config.unknown {
		position := time
		if fork.key[len(fork.key)-1] == 'k' { // …Block
			position = number.Uint64()
		}
		if position >= fork.point {
			return &UnsupportedForkError{Fork: fork.key}
		}
	}
	switch {
	case config.IsBogota(number, time):
		return &UnsupportedForkError{Fork: "bogota"}
	case config.IsUBT(number, time) || config.EnableUBTAtGenesis:
		return &UnsupportedForkError{Fork: "ubt"}
	case config.Clique != nil && !difficultyIsZero && !Merged(config.ChainConfig, time):
		return &UnsupportedForkError{Fork: "clique (proof of authority)"}
	}
	return nil
}

// Merged says whether a block at time, in seconds, must be from after The Merge by the chain config alone. geth's own
// IsPostMerge goes by mergeNetsplitBlock as well, which may be set below the terminal total difficulty's block.
func Merged(config *params.ChainConfig, time uint64) bool {
	fromGenesis := config.TerminalTotalDifficulty != nil && config.TerminalTotalDifficulty.Sign() == 0
	return fromGenesis || (config.ShanghaiTime != nil && time >= *config.ShanghaiTime)
}

// At returns the config for the block at time, in seconds, with the one blob schedule that is in force then. geth's own
// look-up knows no entries for osaka and amsterdam and falls back to an older one; this one takes them where they are
// given. It fails where a fork that exists to change the schedule has no entry.
func (config *Config) At(time uint64) (*params.ChainConfig, error) {
	var (
		london  = config.LondonBlock
		blob    *params.BlobConfig
		since   uint64
		entries = []struct {
			name   string
			active bool
			start  *uint64
			preset *params.BlobConfig // what the protocol fixes where the JSON has no entry
			needed bool
		}{
			{"cancun", config.IsCancun(london, time), config.CancunTime, params.DefaultCancunBlobConfig, false},
			{"prague", config.IsPrague(london, time), config.PragueTime, params.DefaultPragueBlobConfig, false},
			{"osaka", config.IsOsaka(london, time), config.OsakaTime, nil, false},
			{"bpo1", config.IsBPO1(london, time), config.BPO1Time, nil, true},
			{"bpo2", config.IsBPO2(london, time), config.BPO2Time, nil, true},
			{"bpo3", config.IsBPO3(london, time), config.BPO3Time, nil, true},
			{"bpo4", config.IsBPO4(london, time), config.BPO4Time, nil, true},
			{"bpo5", config.IsBPO5(london, time), config.BPO5Time, nil, true},
			{"amsterdam", config.IsAmsterdam(london, time), config.AmsterdamTime, nil, false},
		}
	)
	for _, entry := range entries {
		if !entry.active {
			continue
		}
		own := config.blobSchedule[entry.name]
		if own == nil {
			own = entry.preset
		}
		if own == nil && entry.needed {
			return nil, fmt.Errorf("chain config: no blobSchedule entry for %s", entry.name)
		}
		// Of two forks at the same time the later in the list counts; amsterdam may come before bpo3.
		if own != nil && (blob == nil || *entry.start >= since) {
			blob, since = own, *entry.start
		}
	}
	resolved := *config.ChainConfig
	resolved.BlobScheduleConfig = nil
	if blob != nil {
		// geth's look-up ends at this entry, as there is no later one, for every time from Cancun on.
		resolved.BlobScheduleConfig = &params.BlobScheduleConfig{Cancun: blob}
	}
	return &resolved, nil
}
