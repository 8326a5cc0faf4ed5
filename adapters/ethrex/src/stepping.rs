//! A transaction executed one instruction at a time, each reported before the next is executed.
//!
//! The client's own tracer keeps every step of a transaction with its stack until the transaction has ended, which
//! bounds nothing, and does not say which account a step is of. So the two loops around the client's instructions are
//! repeated here: `VM::execute` and its dispatch loop. All that they call is the client's. Whoever steps compares what
//! comes out with what the client makes of the transaction by itself.

use adapter_host::address::Address as HostAddress;
use adapter_host::outcome::one_line;
use adapter_host::trace::{Instruction, Over};
use ethrex_common::types::{BlockHeader, ChainConfig, Transaction};
use ethrex_common::{Address, U256};
use ethrex_crypto::NativeCrypto;
use ethrex_levm::db::gen_db::GeneralizedDatabase;
use ethrex_levm::errors::{ContextResult, ExecutionReport, InternalError, OpcodeResult, VMError};
use ethrex_levm::precompiles::is_precompile;
use ethrex_levm::tracing::{LevmCallTracer, LevmOpcodeTracer, OpcodeTracerConfig};
use ethrex_levm::utils::get_base_fee_per_blob_gas;
use ethrex_levm::vm::{VM, VMType};
use ethrex_levm::{EVMConfig, Environment};
use ethrex_vm::EvmError;
use ethrex_vm::backends::levm::calculate_gas_price_for_tx;

use crate::instruction_table::instructions;

/// Why a transaction was not executed to its end.
#[derive(Debug)]
pub enum Interruption {
    /// Whoever is told of the steps wants no more.
    Over,
    /// The transaction may not be included, or the client failed, as it says.
    Failed(String),
}

impl From<Over> for Interruption {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

impl From<VMError> for Interruption {
    fn from(error: VMError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<InternalError> for Interruption {
    fn from(error: InternalError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<EvmError> for Interruption {
    fn from(error: EvmError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Told of each instruction and the stack before it, as the client has it: its top first.
pub type Observer<'a> = &'a mut dyn FnMut(Instruction, &[U256]) -> Result<(), Over>;

/// Executes `transaction` on the state in `database`, and leaves it there, as the client's `execute_tx` does.
pub fn execute(
    transaction: &Transaction,
    sender: Address,
    header: &BlockHeader,
    config: &ChainConfig,
    database: &mut GeneralizedDatabase,
    observer: Observer<'_>,
) -> Result<ExecutionReport, Interruption> {
    let environment = environment(transaction, sender, header, config)?;
    let (tracer, crypto) = (LevmCallTracer::disabled(), &NativeCrypto);
    let mut vm = VM::new(environment, database, transaction, tracer, VMType::L1, crypto, None)?;
    for hook in vm.hooks.clone() {
        hook.borrow_mut().prepare_execution(&mut vm)?;
    }
    vm.current_call_frame.call_frame_backup.clear();
    let collision = if vm.pending_prep_oog || !vm.is_create()? { None } else { vm.handle_create_transaction()? };
    let mut result = match collision {
        Some(result) => result,
        None => {
            vm.substate.push_backup();
            run(&mut vm, observer)?
        }
    };
    for hook in vm.hooks.clone() {
        hook.borrow_mut().finalize_execution(&mut vm, &mut result)?;
    }
    let logs = if result.is_success() { vm.substate.extract_logs() } else { Vec::new() };
    Ok(ExecutionReport {
        gas_used: result.gas_used,
        gas_spent: result.gas_spent,
        gas_refunded: vm.substate.refunded_gas,
        state_gas_used: vm.state_gas_used.max(0).unsigned_abs(),
        logs,
        payer_address: None,
        frame_results: None,
        output: result.output,
        result: result.result,
    })
}

/// As the client's `setup_env` makes it.
fn environment(
    transaction: &Transaction,
    sender: Address,
    header: &BlockHeader,
    chain_config: &ChainConfig,
) -> Result<Environment, VMError> {
    let config = EVMConfig::new_from_chain_config(chain_config, header);
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    Ok(Environment {
        origin: sender,
        gas_limit: transaction.gas_limit(),
        block_number: header.number,
        coinbase: header.coinbase,
        timestamp: header.timestamp,
        prev_randao: Some(header.prev_randao),
        difficulty: header.difficulty,
        slot_number: header.slot_number.unwrap_or_default().into(),
        chain_id: chain_config.chain_id.into(),
        base_fee_per_gas: base_fee.into(),
        base_blob_fee_per_gas: get_base_fee_per_blob_gas(header.excess_blob_gas, &config)?,
        gas_price: calculate_gas_price_for_tx(transaction, base_fee, &VMType::L1)?,
        block_excess_blob_gas: header.excess_blob_gas,
        block_blob_gas_used: header.blob_gas_used,
        tx_blob_hashes: transaction.blob_versioned_hashes(),
        tx_max_priority_fee_per_gas: transaction.max_priority_fee().map(U256::from),
        tx_max_fee_per_gas: transaction.max_fee_per_gas().map(U256::from),
        tx_max_fee_per_blob_gas: transaction.max_fee_per_blob_gas(),
        tx_nonce: transaction.nonce(),
        block_gas_limit: header.gas_limit,
        config,
        ..Environment::default()
    })
}

/// The client's dispatch loop, and a report of each instruction within a code.
fn run(vm: &mut VM<'_>, observer: Observer<'_>) -> Result<ContextResult, Interruption> {
    let fork = vm.env.config.fork;
    let frame = &vm.current_call_frame;
    if vm.pending_prep_oog || frame.gas_remaining < 0 || is_precompile(&frame.to, fork, vm.vm_type) {
        return Ok(vm.run_execution()?); // without an instruction
    }
    // A jump executes its JUMPDEST along with it. The client's tracer, where it is active, is told of that.
    let without_memory_and_storage = OpcodeTracerConfig { disable_storage: true, ..OpcodeTracerConfig::default() };
    vm.opcode_tracer = LevmOpcodeTracer::new(without_memory_and_storage);
    let table = instructions(fork);
    let mut stack = Vec::new();
    loop {
        let opcode = vm.current_call_frame.next_opcode();
        let instruction = instruction(vm, opcode);
        if instruction.is_some() {
            stack.clear();
            stack.extend_from_slice(words(vm));
        }
        vm.advance_pc();
        let outcome = table[usize::from(opcode)](vm);
        if let Some(instruction) = instruction {
            report(vm, instruction, &stack, outcome.as_ref().err(), observer)?;
        }
        let result = match outcome {
            Ok(OpcodeResult::Continue) => continue,
            Ok(OpcodeResult::Halt) => vm.handle_opcode_result()?,
            Err(error) => vm.handle_opcode_error(error)?,
        };
        if vm.is_initial_call_frame() {
            vm.handle_state_backup(&result, true)?;
            return Ok(result);
        }
        vm.handle_return(&result)?;
    }
}

/// What is about to be executed; None beyond the end of the code (yellow paper, 9.4.4).
fn instruction(vm: &VM<'_>, opcode: u8) -> Option<Instruction> {
    let frame = &vm.current_call_frame;
    (frame.pc < frame.bytecode.len()).then(|| Instruction {
        depth: u32::try_from(vm.call_frames.len() + 1).unwrap_or(u32::MAX),
        account: HostAddress(frame.to.0),
        pc: u32::try_from(frame.pc).unwrap_or(u32::MAX),
        op: opcode,
        gas: gas_left(vm),
        memory_size: frame.memory.len() as u64,
        ..Instruction::default()
    })
}

/// Tells of the instruction, with what its execution came to, and after it of the JUMPDEST that a jump executed.
fn report(
    vm: &mut VM<'_>,
    mut instruction: Instruction,
    stack: &[U256],
    error: Option<&VMError>,
    observer: Observer<'_>,
) -> Result<(), Over> {
    let error = error.map(|error| one_line(&error.to_string())).unwrap_or_default();
    let cost = vm.opcode_tracer.last_opcode_gas_cost.take();
    let Some(landing) = vm.opcode_tracer.logs.pop() else {
        // Where the client names no cost, nothing was called, so the frame is still the same.
        let gas_cost = cost.unwrap_or_else(|| instruction.gas.saturating_sub(gas_left(vm)));
        return observer(Instruction { gas_cost, error, ..instruction }, stack);
    };
    let jump_destination = Instruction {
        pc: u32::try_from(landing.pc).unwrap_or(u32::MAX),
        op: landing.op,
        gas: landing.gas,
        gas_cost: landing.gas_cost,
        memory_size: landing.mem_size,
        error,
        ..instruction
    };
    instruction.gas_cost = instruction.gas.saturating_sub(landing.gas);
    observer(instruction, stack)?;
    observer(jump_destination, words(vm))
}

/// Gas, never below zero: the client lets it go below where an instruction costs more than there is.
fn gas_left(vm: &VM<'_>) -> u64 {
    vm.current_call_frame.gas_remaining.max(0).unsigned_abs()
}

/// The top first.
fn words<'a>(vm: &'a VM<'_>) -> &'a [U256] {
    let stack = &vm.current_call_frame.stack;
    &stack.values[stack.offset..]
}
