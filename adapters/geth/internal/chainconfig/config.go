// Package chainconfig reads a geth-genesis "config" object and says which fork a block belongs to.
package chainconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// A Config is a chain's rules, complete: what the JSON leaves out and the protocol fixes has been filled in.
type Config struct {
	*params.ChainConfig

	blobSchedule map[string]*params.BlobConfig // by fork name as in the JSON
	unknown      []activation                  // forks that this client has never heard of
}

// An activation is the point from which a fork that this client does not know is active.
type activation struct {
	key   string // the key in the JSON, "…Time" or "…Block"
	point uint64 // seconds or block number
}

// depositContracts are those of the public networks (EIP-6110), for configs from before geth had the key.
var depositContracts = map[uint64]common.Address{
	1:        params.MainnetChainConfig.DepositContractAddress,
	17000:    common.HexToAddress("0x4242424242424242424242424242424242424242"),
	11155111: params.SepoliaChainConfig.DepositContractAddress,
	560048:   params.HoodiChainConfig.DepositContractAddress,
}

// Parse reads the JSON. It fails where it is not JSON, or where geth would not start with it.
func Parse(raw []byte) (*Config, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("chain config: %w", err)
	}
	if entries == nil {
		return nil, errors.New("chain config: null")
	}
	config := &Config{ChainConfig: new(params.ChainConfig)}
	if err := json.Unmarshal(raw, config.ChainConfig); err != nil {
		return nil, fmt.Errorf("chain config: %w", err)
	}
	if config.ChainID == nil || !config.ChainID.IsUint64() {
		return nil, errors.New("chain config: no chainId, or not a 64-bit number")
	}
	if schedule, ok := entries["blobSchedule"]; ok {
		if err := json.Unmarshal(schedule, &config.blobSchedule); err != nil {
			return nil, fmt.Errorf("chain config: blobSchedule: %w", err)
		}
	}
	for name, blob := range config.blobSchedule {
		if blob != nil && (blob.Target < 0 || blob.Max < max(blob.Target, 1) || blob.UpdateFraction == 0) {
			return nil, fmt.Errorf("chain config: blobSchedule of %q: target %d, max %d, update fraction %d",
				name, blob.Target, blob.Max, blob.UpdateFraction)
		}
	}
	if _, ok := entries["depositContractAddress"]; !ok {
		config.DepositContractAddress = depositContracts[config.ChainID.Uint64()]
	}
	if err := config.findUnknown(entries); err != nil {
		return nil, err
	}
	return config, config.checkOrder()
}

// findUnknown remembers the forks in the JSON that geth's own struct has no field for. To ignore them would mean to
// execute a block by the rules of an older fork.
func (config *Config) findUnknown(entries map[string]json.RawMessage) error {
	for key, value := range entries {
		isFork := strings.HasSuffix(key, "Time") || strings.HasSuffix(key, "Block")
		if !isFork || known[strings.ToLower(key)] || bytes.Equal(value, []byte("null")) {
			continue
		}
		var point uint64
		if err := json.Unmarshal(value, &point); err != nil {
			return fmt.Errorf("chain config: %s: %w", key, err)
		}
		config.unknown = append(config.unknown, activation{key: key, point: point})
	}
	return nil
}

// known has the JSON keys of geth's own struct in lower case, as encoding/json matches them without regard to case.
var known = func() map[string]bool {
	keys := make(map[string]bool)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[params.ChainConfig]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys[strings.ToLower(name)] = true
	}
	return keys
}()

// checkOrder applies geth's own check of the forks' order. The blob schedule is given in full, as the check asks for
// entries that BlobSchedule fills in.
func (config *Config) checkOrder() error {
	complete := *config.ChainConfig
	blob := params.DefaultPragueBlobConfig
	complete.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: blob, Prague: blob, BPO1: blob, BPO2: blob, BPO3: blob, BPO4: blob, BPO5: blob,
	}
	if err := complete.CheckConfigForkOrder(); err != nil {
		return fmt.Errorf("chain config: %w", err)
	}
	return nil
}
