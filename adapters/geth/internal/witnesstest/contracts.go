package witnesstest

import (
	"crypto/ecdsa"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// Addresses of the contracts in Alloc.
var (
	// Storage sets the slot in the first word of the input to the value in the second, and logs the slot.
	Storage = common.HexToAddress("0x1000000000000000000000000000000000000001")
	// Caller calls the address in the first word of the input with no value and does not look at the result.
	Caller = common.HexToAddress("0x1000000000000000000000000000000000000002")
	// BlockHash reverts where BLOCKHASH of the number in the first word is not the second word.
	BlockHash = common.HexToAddress("0x1000000000000000000000000000000000000003")
	// Loop runs until its gas is gone.
	Loop = common.HexToAddress("0x1000000000000000000000000000000000000004")
	// DepositContract logs its input as a deposit (EIP-6110).
	DepositContract = common.HexToAddress("0x1000000000000000000000000000000000000005")
	// Bystander has code, which only EXTCODESIZE and calls need.
	Bystander = common.HexToAddress("0x1000000000000000000000000000000000000006")
)

var depositTopic = common.FromHex("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")

// Key belongs to the account that has all the ether.
var Key = func() *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(common.FromHex("0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"))
	if err != nil {
		panic(err)
	}
	return key
}()

// Sender is Key's account.
var Sender = crypto.PubkeyToAddress(Key.PublicKey)

// Alloc returns the genesis state: Sender, the contracts above, and geth's system contracts.
func Alloc() types.GenesisAlloc {
	storage := program.New().Push(32).Op(vm.CALLDATALOAD).Push(0).Op(vm.CALLDATALOAD, vm.SSTORE).
		Push(0).Op(vm.CALLDATALOAD).Push(0).Push(0).Op(vm.LOG1)
	caller := program.New().Push(0).Push(0).Push(0).Push(0).Push(0).Push(0).Op(vm.CALLDATALOAD, vm.GAS, vm.CALL, vm.POP)
	compare := program.New().Push(32).Op(vm.CALLDATALOAD).Push(0).Op(vm.CALLDATALOAD, vm.BLOCKHASH, vm.EQ)
	compare = compare.Push(compare.Size()+8).Op(vm.JUMPI).Push(0).Push(0).Op(vm.REVERT).Op(vm.JUMPDEST, vm.STOP)
	loop := program.New().Op(vm.JUMPDEST).Push(0).Op(vm.JUMP)
	deposit := program.New().Op(vm.CALLDATASIZE).Push(0).Push(0).Op(vm.CALLDATACOPY).Push(depositTopic).
		Op(vm.CALLDATASIZE).Push(0).Op(vm.LOG1)
	alloc := core.SystemContractAllocs()
	alloc[Sender] = types.Account{Balance: new(big.Int).Mul(big.NewInt(1e9), big.NewInt(params.Ether))}
	for address, code := range map[common.Address]*program.Program{
		Storage: storage, Caller: caller, BlockHash: compare, Loop: loop, DepositContract: deposit,
		Bystander: program.New().Push(1).Op(vm.POP, vm.STOP),
	} {
		alloc[address] = types.Account{Code: code.Bytes(), Nonce: 1, Balance: new(big.Int)}
	}
	slots := make(map[common.Hash]common.Hash)
	for slot := range 40 {
		slots[common.BigToHash(big.NewInt(int64(slot)))] = common.BigToHash(big.NewInt(int64(slot + 1)))
	}
	account := alloc[Storage]
	account.Storage = slots
	alloc[Storage] = account
	return alloc
}

// Words is an input of 32-byte words.
func Words(words ...any) []byte {
	var input []byte
	for _, word := range words {
		switch word := word.(type) {
		case int:
			input = append(input, common.BigToHash(big.NewInt(int64(word))).Bytes()...)
		case common.Hash:
			input = append(input, word[:]...)
		case common.Address:
			input = append(input, common.LeftPadBytes(word[:], 32)...)
		default:
			panic("a word of an unknown type")
		}
	}
	return input
}

// Legacy signs a legacy transaction of Sender.
func Legacy(t testing.TB, block *core.BlockGen, nonce uint64, to *common.Address, gas uint64, input []byte,
) *types.Transaction {
	t.Helper()
	return Sign(t, block.Signer(), &types.LegacyTx{
		Nonce: nonce, To: to, Gas: gas, GasPrice: big.NewInt(2 * params.InitialBaseFee), Value: new(big.Int), Data: input,
	})
}

// Sign signs a transaction of Sender.
func Sign(t testing.TB, signer types.Signer, inner types.TxData) *types.Transaction {
	t.Helper()
	transaction, err := types.SignNewTx(Key, signer, inner)
	if err != nil {
		t.Fatal(err)
	}
	return transaction
}

// Busy fills a block with what its fork has: storage written, cleared and created, a contract created, a call without
// value to an absent account, typed transactions, blobs, delegations, withdrawals, a deposit.
func Busy(t testing.TB, config *params.ChainConfig) func(number int, block *core.BlockGen) {
	return func(number int, block *core.BlockGen) {
		t.Helper()
		add := func(to *common.Address, input []byte) {
			block.AddTx(Legacy(t, block, block.TxNonce(Sender), to, 1_000_000, input))
		}
		rules := config.Rules(block.Number(), block.Difficulty().Sign() == 0, block.Timestamp())
		absent := common.BigToAddress(big.NewInt(int64(0xabcd00 + number)))
		add(&Storage, Words(number, 0))
		add(&Storage, Words(1000+number, 7))
		add(&Storage, Words(20+number, number))
		add(&Caller, Words(absent))
		add(&Caller, Words(Bystander))
		add(nil, program.New().Sstore(1, 2).ReturnData(program.New().Op(vm.STOP).Bytes()).Bytes())
		chainID := uint256.MustFromBig(config.ChainID)
		if rules.IsLondon {
			block.AddTx(Sign(t, block.Signer(), &types.DynamicFeeTx{
				ChainID: config.ChainID, Nonce: block.TxNonce(Sender), To: &absent, Gas: 100_000, Value: big.NewInt(3),
				GasFeeCap: big.NewInt(3 * params.InitialBaseFee), GasTipCap: big.NewInt(1),
			}))
		}
		if rules.IsCancun {
			block.AddTx(Sign(t, block.Signer(), &types.BlobTx{
				ChainID: chainID, Nonce: block.TxNonce(Sender), To: absent, Gas: 100_000,
				GasFeeCap: uint256.NewInt(3 * params.InitialBaseFee), GasTipCap: uint256.NewInt(1),
				BlobFeeCap: uint256.NewInt(1000), BlobHashes: []common.Hash{{0x01, byte(number)}},
			}))
		}
		if rules.IsPrague {
			authorization, err := types.SignSetCode(Key, types.SetCodeAuthorization{
				ChainID: *chainID, Address: Bystander, Nonce: block.TxNonce(Sender) + 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			block.AddTx(Sign(t, block.Signer(), &types.SetCodeTx{
				ChainID: chainID, Nonce: block.TxNonce(Sender), To: Sender, Gas: 500_000,
				GasFeeCap: uint256.NewInt(3 * params.InitialBaseFee), GasTipCap: uint256.NewInt(1),
				AuthList: []types.SetCodeAuthorization{authorization},
			}))
			add(&DepositContract, Deposit())
		}
		if rules.IsShanghai {
			block.AddWithdrawal(&types.Withdrawal{Validator: 1, Address: absent, Amount: 5})
		}
	}
}

// Deposit is the data of a deposit's log as the deposit contract lays it out (EIP-6110).
func Deposit() []byte {
	var data []byte
	for _, offset := range []int{160, 256, 320, 384, 512} {
		data = append(data, Words(offset)...)
	}
	for _, length := range []int{48, 32, 8, 96, 8} {
		data = append(data, Words(length)...)
		data = append(data, make([]byte, (length+31)/32*32)...)
	}
	return data
}
