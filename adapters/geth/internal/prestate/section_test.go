package prestate

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"execution-verifier/adapters/geth/internal/witnesstest"
)

// content writes what was parsed once more.
func content(section *Section) []byte {
	accounts := make(witnesstest.Prestate)
	for _, address := range section.addresses {
		accounts[address] = nil
		if found := section.accounts[address]; found != nil {
			accounts[address] = &witnesstest.PreAccount{StateAccount: found.StateAccount, Slots: found.slots}
		}
	}
	return witnesstest.EncodePrestate(accounts)
}

// random makes values of all lengths, zero included.
func random(source *rand.Rand) witnesstest.Prestate {
	octets := func(length int) []byte {
		value := make([]byte, length)
		for index := range value {
			value[index] = byte(source.Uint32())
		}
		return value
	}
	accounts := make(witnesstest.Prestate)
	for range source.IntN(20) {
		address := common.Address(octets(20))
		if source.IntN(4) == 0 {
			accounts[address] = nil
			continue
		}
		account := &witnesstest.PreAccount{
			StateAccount: types.StateAccount{
				Nonce:   uint256.NewInt(0).SetBytes(octets(source.IntN(9))).Uint64(),
				Balance: new(uint256.Int).SetBytes(octets(source.IntN(33))),
				Root:    common.Hash(octets(32)), CodeHash: octets(32),
			},
			Slots: make(map[common.Hash]common.Hash),
		}
		for range source.IntN(10) {
			account.Slots[common.Hash(octets(32))] = common.BytesToHash(octets(source.IntN(33)))
		}
		accounts[address] = account
	}
	return accounts
}

// Whatever is written is read as it was.
func TestRoundTrip(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		accounts := random(source)
		encoded := witnesstest.EncodePrestate(accounts)
		section, err := Parse(encoded)
		if err != nil {
			t.Fatalf("%x: %v", encoded, err)
		}
		if len(section.addresses) != len(accounts) || !bytes.Equal(content(section), encoded) {
			t.Fatalf("%x", encoded)
		}
		for address, account := range accounts {
			found, listed := section.accounts[address]
			if !listed || (found == nil) != (account == nil) {
				t.Fatalf("%s: %v", address, found)
			}
			if account != nil && (found.Nonce != account.Nonce || !found.Balance.Eq(account.Balance) ||
				found.Root != account.Root || !bytes.Equal(found.CodeHash, account.CodeHash)) {
				t.Fatalf("%s: %v, expected %v", address, found, account)
			}
		}
	}
}

// FuzzParse wants no panic, and that one content has one encoding: what is accepted is what would be written.
func FuzzParse(f *testing.F) {
	source := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(witnesstest.EncodePrestate(random(source)))
	}
	f.Add(verifierSection)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		section, err := Parse(encoded)
		if err == nil && !bytes.Equal(content(section), encoded) {
			t.Errorf("%x is read as %x", encoded, content(section))
		}
	})
}

// Any one byte changed gives another content or an error, and never a panic.
func TestChangedBytes(t *testing.T) {
	source := rand.New(rand.NewPCG(5, 6))
	encoded := witnesstest.EncodePrestate(random(source))
	for index := range encoded {
		for _, change := range []byte{0x01, 0x80, 0xff} {
			changed := bytes.Clone(encoded)
			changed[index] ^= change
			if section, err := Parse(changed); err == nil && !bytes.Equal(content(section), changed) {
				t.Fatalf("%x is read as %x", changed, content(section))
			}
		}
		if _, err := Parse(encoded[:index]); err == nil {
			t.Fatalf("%d bytes of it are accepted", index)
		}
	}
}

// verifierSection is what the verifier's own encoder (witness/prestate.py) writes of an absent account and one with slots.
var verifierSection = common.FromHex("f8c2d5940000000000000000000000000000000000000001f8aa94000000000000000000000000000000000000000281c888" +
	"0de0b6b3a7640000a00000000000000000000000000000000000000000000000000000000000000003a0c5d2460186f7233c" +
	"927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470f846e2a000000000000000000000000000000000000000000000" +
	"0000000000000000000180e2a000000000000000000000000000000000000000000000000000000000000000027f")

func TestSectionOfTheVerifier(t *testing.T) {
	section, err := Parse(verifierSection)
	if err != nil {
		t.Fatal(err)
	}
	found, listed := section.accounts[common.Address{19: 1}]
	if found != nil || !listed {
		t.Errorf("%v", found)
	}
	found = section.accounts[common.Address{19: 2}]
	if found == nil || found.Nonce != 200 || !found.Balance.Eq(uint256.MustFromHex("0xde0b6b3a7640000")) ||
		found.Root != (common.Hash{31: 3}) || common.Hash(found.CodeHash) != types.EmptyCodeHash ||
		len(found.slots) != 2 || found.slots[common.Hash{31: 1}] != (common.Hash{}) ||
		found.slots[common.Hash{31: 2}] != (common.Hash{31: 127}) {
		t.Errorf("%+v", found)
	}
}

func TestMalformed(t *testing.T) {
	var (
		address = append([]byte{0x94}, make([]byte, 20)...)
		hash    = append([]byte{0xa0}, make([]byte, 32)...)
		empty   = append([]byte{0xa0}, types.EmptyRootHash[:]...)
	)
	list := func(items ...[]byte) []byte {
		payload := bytes.Join(items, nil)
		switch length := len(payload); {
		case length < 56:
			return append([]byte{0xc0 + byte(length)}, payload...)
		case length < 256:
			return append([]byte{0xf8, byte(length)}, payload...)
		default:
			return append([]byte{0xf9, byte(length >> 8), byte(length)}, payload...)
		}
	}
	number := func(value ...byte) []byte { return append([]byte{0x80 + byte(len(value))}, value...) }
	account := func(nonce, balance, root, code, slots []byte) []byte {
		return list(list(address, nonce, balance, root, code, slots))
	}
	zero := number()
	other := append([]byte{0x94}, bytes.Repeat([]byte{1}, 20)...)
	for name, check := range map[string]struct {
		content []byte
		says    string
	}{
		"nothing":              {nil, "EOF"},
		"a string":             {number(1, 2), "expected List"},
		"trailing bytes":       {append(list(), 0), "after the list"},
		"an entry no list":     {list(address), "expected List"},
		"an empty entry":       {list(list()), "address"},
		"a short address":      {list(list(number(1, 2))), "2 bytes, not 20"},
		"two fields":           {list(list(address, zero)), "balance"},
		"seven fields":         {list(list(address, zero, zero, hash, hash, list(), zero)), "too many fields"},
		"twice":                {list(list(address), list(address)), "out of order"},
		"descending":           {list(list(other), list(address)), "out of order"},
		"nonce with a zero":    {account(number(0, 1), zero, hash, hash, list()), "leading zero"},
		"nonce of 9 bytes":     {account(number(1, 1, 1, 1, 1, 1, 1, 1, 1), zero, hash, hash, list()), "at most 8"},
		"nonce zero as a byte": {account([]byte{0}, zero, hash, hash, list()), "leading zero"},
		"nonce not canonical":  {account(number(1), zero, hash, hash, list()), "canonical"},
		"balance of 33 bytes":  {account(zero, number(bytes.Repeat([]byte{1}, 33)...), hash, hash, list()), "at most 32"},
		"short storage root":   {account(zero, zero, number(1, 2), hash, list()), "storage root"},
		"short code hash":      {account(zero, zero, hash, number(1, 2), list()), "code hash"},
		"slots no list":        {account(zero, zero, hash, hash, zero), "slots"},
		"a slot no list":       {account(zero, zero, hash, hash, list(zero)), "slot 0"},
		"a slot of a key":      {account(zero, zero, hash, hash, list(list(hash))), "slot"},
		"a slot of three":      {account(zero, zero, hash, hash, list(list(hash, zero, zero))), "too many fields"},
		"a short key":          {account(zero, zero, hash, hash, list(list(number(1, 2), zero))), "key"},
		"a slot twice":         {account(zero, zero, hash, hash, list(list(hash, zero), list(hash, zero))), "out of order"},
		"a value with a zero":  {account(zero, zero, hash, hash, list(list(hash, number(0, 1)))), "leading zero"},
		"a value without a storage": {
			account(zero, zero, empty, hash, list(list(hash, []byte{1}))), "empty trie",
		},
		"a list within": {account(zero, list(), hash, hash, list()), "balance"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(check.content)
			if err == nil || !strings.Contains(err.Error(), check.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%x: %v", check.content, err)
			}
		})
	}
}
