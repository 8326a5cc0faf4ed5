package chainconfig_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/params"

	"execution-verifier/adapters/geth/internal/chainconfig"
)

// base is a chain with all forks up to London; what a test adds comes before the closing brace.
const base = `{"chainId": 7, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
	"byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
	"londonBlock": 0, "terminalTotalDifficulty": 0`

func parse(t *testing.T, rest string) *chainconfig.Config {
	t.Helper()
	config, err := chainconfig.Parse([]byte(base + rest + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestMainnet(t *testing.T) {
	raw, err := json.Marshal(params.MainnetChainConfig)
	if err != nil {
		t.Fatal(err)
	}
	config, err := chainconfig.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	// Before Cancun, then each change of the blob schedule, against geth's own look-up.
	for _, time := range []uint64{
		1710338134, 1710338135, 1746612310, 1746612311, *params.MainnetChainConfig.OsakaTime,
		*params.MainnetChainConfig.BPO1Time, *params.MainnetChainConfig.BPO2Time, 1 << 40,
	} {
		resolved, err := config.At(time)
		if err != nil {
			t.Fatal(err)
		}
		want := eip4844.MaxBlobsPerBlock(params.MainnetChainConfig, time)
		if got := eip4844.MaxBlobsPerBlock(resolved, time); got != want {
			t.Errorf("at %d: %d blobs, not %d", time, got, want)
		}
		if err := config.Supported(big.NewInt(30_000_000), time, true); err != nil {
			t.Errorf("at %d: %v", time, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, raw := range []string{
		"", "null", "[]", "{}", "{", `{"chainId": "x"}`, `{"chainId": -1}`, `{"chainId": 18446744073709551616}`,
		base + `, "shanghaiTime": "0x0"}`, base + `, "shanghaiTime": -1}`, base + `, "someTime": "later"}`,
		base + `, "shanghaiTime": 5, "cancunTime": 4}`, base + `, "cancunTime": 0, "blobSchedule": 5}`,
		base + `, "blobSchedule": {"cancun": {"target": 1, "max": 2, "baseFeeUpdateFraction": 0}}}`,
		base + `, "blobSchedule": {"cancun": {"target": 3, "max": 2, "baseFeeUpdateFraction": 1}}}`,
		`{"chainId": 1, "londonBlock": 0}`, strings.Repeat("[", 20000),
	} {
		if config, err := chainconfig.Parse([]byte(raw)); err == nil {
			t.Errorf("%.80s is not refused: %v", raw, config)
		}
	}
}

func TestUnsupported(t *testing.T) {
	later := parse(t, `, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "amsterdamTime": 0,
		"bogotaTime": 50, "bpo9Time": 60, "farBlock": 70, "nullTime": null`)
	for _, check := range []struct {
		number int64
		time   uint64
		fork   string
	}{{10, 49, ""}, {10, 50, "bogota"}, {69, 49, ""}, {70, 49, "farBlock"}, {10, 60, "bpo9Time"}} {
		err := later.Supported(big.NewInt(check.number), check.time, true)
		var unsupported *chainconfig.UnsupportedForkError
		switch {
		case check.fork == "" && err == nil:
		case !errors.As(err, &unsupported) || unsupported.Fork != check.fork:
			t.Errorf("block %d at %d: %v", check.number, check.time, err)
		}
	}
	clique, err := chainconfig.Parse([]byte(strings.Replace(base, `"terminalTotalDifficulty": 0`,
		`"clique": {"period": 1, "epoch": 2}, "terminalTotalDifficulty": 9`, 1) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if clique.Supported(common.Big1, 1, false) == nil || clique.Supported(common.Big1, 1, true) != nil {
		t.Error("proof of authority is not supported, what follows it is")
	}
	if parse(t, `, "ubtTime": 5, "shanghaiTime": 0`).Supported(common.Big1, 5, true) == nil {
		t.Error("the binary trie is not supported")
	}
}

func TestBlobSchedule(t *testing.T) {
	const forks = `, "shanghaiTime": 0, "cancunTime": 10, "pragueTime": 20, "osakaTime": 30, "bpo1Time": 40,
		"amsterdamTime": 50`
	entry := func(name, most string) string {
		return `"` + name + `": {"target": 1, "max": ` + most + `, "baseFeeUpdateFraction": 5}`
	}
	for name, check := range map[string]struct {
		schedule string
		most     map[uint64]int // by time; -1 is an error
	}{
		"none":  {"", map[uint64]int{9: 0, 10: 6, 20: 9, 30: 9, 40: -1, 50: -1}},
		"all":   {entry("cancun", "2") + "," + entry("prague", "3") + "," + entry("osaka", "4") + "," + entry("bpo1", "5") + "," + entry("amsterdam", "6"), map[uint64]int{9: 0, 10: 2, 20: 3, 30: 4, 40: 5, 50: 6}},
		"two":   {entry("prague", "3") + "," + entry("bpo1", "5"), map[uint64]int{10: 6, 20: 3, 30: 3, 40: 5, 50: 5}},
		"null":  {`"osaka": null, ` + entry("bpo1", "5"), map[uint64]int{30: 9, 40: 5}},
		"other": {entry("verkle", "3") + "," + entry("bpo1", "5"), map[uint64]int{20: 9, 40: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			config := parse(t, forks+`, "blobSchedule": {`+check.schedule+`}`)
			for time, most := range check.most {
				resolved, err := config.At(time)
				if (err != nil) != (most < 0) {
					t.Fatalf("at %d: %v", time, err)
				}
				if err == nil && eip4844.MaxBlobsPerBlock(resolved, time) != most {
					t.Errorf("at %d: %d blobs, not %d", time, eip4844.MaxBlobsPerBlock(resolved, time), most)
				}
			}
		})
	}
}

func TestDepositContract(t *testing.T) {
	if got := parse(t, "").DepositContractAddress; got != (common.Address{}) {
		t.Errorf("a private chain's deposit contract is %s", got)
	}
	mainnet, err := chainconfig.Parse([]byte(strings.Replace(base, "7", "1", 1) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if mainnet.DepositContractAddress != params.MainnetChainConfig.DepositContractAddress {
		t.Errorf("mainnet's deposit contract is %s", mainnet.DepositContractAddress)
	}
}
