//! The client's instructions, by opcode and fork.
//!
//! The client keeps its own table to itself, but not the instructions in it. This one is the same, put together again:
//! `tests/stepping.rs` executes every opcode in every fork both ways.

use ethrex_common::types::Fork;
use ethrex_levm::errors::{OpcodeResult, VMError};
use ethrex_levm::opcode_handlers::arithmetic::*;
use ethrex_levm::opcode_handlers::bitwise_comparison::*;
use ethrex_levm::opcode_handlers::block::*;
use ethrex_levm::opcode_handlers::dup::*;
use ethrex_levm::opcode_handlers::environment::*;
use ethrex_levm::opcode_handlers::exchange::*;
use ethrex_levm::opcode_handlers::keccak::*;
use ethrex_levm::opcode_handlers::logging::*;
use ethrex_levm::opcode_handlers::push::*;
use ethrex_levm::opcode_handlers::stack_memory_storage_flow::*;
use ethrex_levm::opcode_handlers::system::*;
use ethrex_levm::opcode_handlers::{OpInvalidHandler, OpStopHandler, OpcodeHandler};
use ethrex_levm::opcodes::Opcode;
use ethrex_levm::vm::VM;

/// Executes one instruction, the program counter already behind its opcode.
pub type Instruction = fn(&mut VM<'_>) -> Result<OpcodeResult, VMError>;

/// By opcode.
pub type InstructionTable = [Instruction; 256];

/// The instructions of a fork, Paris to Amsterdam.
pub fn instructions(fork: Fork) -> &'static InstructionTable {
    match fork {
        fork if fork >= Fork::Amsterdam => &AMSTERDAM,
        fork if fork >= Fork::Osaka => &OSAKA,
        fork if fork >= Fork::Cancun => &CANCUN,
        fork if fork >= Fork::Shanghai => &SHANGHAI,
        _ => &PARIS,
    }
}

/// `opcode => handler`, one after the other.
macro_rules! set {
    ($table:ident: $($opcode:ident => $handler:ty,)*) => {
        $($table[Opcode::$opcode as usize] = <$handler as OpcodeHandler>::eval as Instruction;)*
    };
}

/// `first opcode: handler<parameter>`, for a row of opcodes with ascending parameters.
macro_rules! set_row {
    ($table:ident, $first:ident: $handler:ident<$($parameter:literal)*>) => {
        let mut opcode = Opcode::$first as usize;
        $(
            $table[opcode] = <$handler<$parameter> as OpcodeHandler>::eval as Instruction;
            opcode += 1;
        )*
        let _ = opcode;
    };
}

static PARIS: InstructionTable = paris();
static SHANGHAI: InstructionTable = shanghai();
static CANCUN: InstructionTable = cancun();
static OSAKA: InstructionTable = osaka();
static AMSTERDAM: InstructionTable = amsterdam();

const fn paris() -> InstructionTable {
    let mut table = [<OpInvalidHandler as OpcodeHandler>::eval as Instruction; 256];
    set! { table:
        STOP => OpStopHandler,
        ADD => OpAddHandler,
        MUL => OpMulHandler,
        SUB => OpSubHandler,
        DIV => OpDivHandler,
        SDIV => OpSDivHandler,
        MOD => OpModHandler,
        SMOD => OpSModHandler,
        ADDMOD => OpAddModHandler,
        MULMOD => OpMulModHandler,
        EXP => OpExpHandler,
        SIGNEXTEND => OpSignExtendHandler,
        LT => OpLtHandler,
        GT => OpGtHandler,
        SLT => OpSLtHandler,
        SGT => OpSGtHandler,
        EQ => OpEqHandler,
        ISZERO => OpIsZeroHandler,
        AND => OpAndHandler,
        OR => OpOrHandler,
        XOR => OpXorHandler,
        NOT => OpNotHandler,
        BYTE => OpByteHandler,
        SHL => OpShlHandler,
        SHR => OpShrHandler,
        SAR => OpSarHandler,
        KECCAK256 => OpKeccak256Handler,
        ADDRESS => OpAddressHandler,
        BALANCE => OpBalanceHandler,
        ORIGIN => OpOriginHandler,
        CALLER => OpCallerHandler,
        CALLVALUE => OpCallValueHandler,
        CALLDATALOAD => OpCallDataLoadHandler,
        CALLDATASIZE => OpCallDataSizeHandler,
        CALLDATACOPY => OpCallDataCopyHandler,
        CODESIZE => OpCodeSizeHandler,
        CODECOPY => OpCodeCopyHandler,
        GASPRICE => OpGasPriceHandler,
        EXTCODESIZE => OpExtCodeSizeHandler,
        EXTCODECOPY => OpExtCodeCopyHandler,
        RETURNDATASIZE => OpReturnDataSizeHandler,
        RETURNDATACOPY => OpReturnDataCopyHandler,
        EXTCODEHASH => OpExtCodeHashHandler,
        BLOCKHASH => OpBlockHashHandler,
        COINBASE => OpCoinbaseHandler,
        TIMESTAMP => OpTimestampHandler,
        NUMBER => OpNumberHandler,
        PREVRANDAO => OpPrevRandaoHandler,
        GASLIMIT => OpGasLimitHandler,
        CHAINID => OpChainIdHandler,
        SELFBALANCE => OpSelfBalanceHandler,
        BASEFEE => OpBaseFeeHandler,
        POP => OpPopHandler,
        MLOAD => OpMLoadHandler,
        MSTORE => OpMStoreHandler,
        MSTORE8 => OpMStore8Handler,
        SLOAD => OpSLoadHandler,
        SSTORE => OpSStoreHandler,
        JUMP => OpJumpHandler,
        JUMPI => OpJumpIHandler,
        PC => OpPcHandler,
        MSIZE => OpMSizeHandler,
        GAS => OpGasHandler,
        JUMPDEST => OpJumpDestHandler,
        CREATE => OpCreateHandler,
        CALL => OpCallHandler,
        CALLCODE => OpCallCodeHandler,
        RETURN => OpReturnHandler,
        DELEGATECALL => OpDelegateCallHandler,
        CREATE2 => OpCreate2Handler,
        STATICCALL => OpStaticCallHandler,
        REVERT => OpRevertHandler,
        INVALID => OpInvalidHandler,
        SELFDESTRUCT => OpSelfDestructHandler,
    }
    set_row!(table, PUSH1: OpPushHandler<1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32>);
    set_row!(table, DUP1: OpDupHandler<0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15>);
    set_row!(table, SWAP1: OpSwapHandler<1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16>);
    set_row!(table, LOG0: OpLogHandler<0 1 2 3 4>);
    table
}

/// With EIP-3855.
const fn shanghai() -> InstructionTable {
    let mut table = paris();
    set! { table:
        PUSH0 => OpPush0Handler,
    }
    table
}

/// With EIP-1153, 4844, 5656 and 7516.
const fn cancun() -> InstructionTable {
    let mut table = shanghai();
    set! { table:
        BLOBHASH => OpBlobHashHandler,
        BLOBBASEFEE => OpBlobBaseFeeHandler,
        TLOAD => OpTLoadHandler,
        TSTORE => OpTStoreHandler,
        MCOPY => OpMCopyHandler,
    }
    table
}

/// With EIP-7939.
const fn osaka() -> InstructionTable {
    let mut table = cancun();
    set! { table:
        CLZ => OpClzHandler,
    }
    table
}

/// With EIP-7843 and 8024.
const fn amsterdam() -> InstructionTable {
    let mut table = osaka();
    set! { table:
        SLOTNUM => OpSlotNumHandler,
        DUPN => OpDupNHandler,
        SWAPN => OpSwapNHandler,
        EXCHANGE => OpExchangeHandler,
    }
    table
}
