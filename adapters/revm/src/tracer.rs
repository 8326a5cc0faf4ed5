//! revm's instructions as steps of a trace (adapters/CONTRACT.md, "Traces").

use adapter_host::address::Address;
use adapter_host::hash::Hash;
use adapter_host::trace::{Instruction, Over, Trace};
use adapter_host::word::Word;
use alloy_primitives::B256;
use revm::context::{ContextTr, JournalTr};
use revm::inspector::{Inspector, NoOpInspector};
use revm::interpreter::interpreter_types::{InputsTr, Jumps, LegacyBytecode, MemoryTr};
use revm::interpreter::{InstructionResult, Interpreter};

/// What is told of a transaction as a whole, besides what revm tells an inspector.
pub trait Watch {
    fn begin(&mut self, _index: usize, _hash: impl FnOnce() -> B256) -> Result<(), Over> {
        Ok(())
    }

    /// gas_used: refunds taken off.
    fn end(&mut self, _succeeded: bool, _gas_used: u64) -> Result<(), Over> {
        Ok(())
    }
}

/// Nobody watches.
impl Watch for NoOpInspector {}

/// An inspector that puts steps into a trace.
pub struct Tracer<'a> {
    trace: &'a mut Trace,
    /// Whether nobody reads any more.
    is_over: bool,
}

impl<'a> Tracer<'a> {
    pub fn new(trace: &'a mut Trace) -> Self {
        Self { trace, is_over: false }
    }
}

impl Watch for Tracer<'_> {
    fn begin(&mut self, index: usize, hash: impl FnOnce() -> B256) -> Result<(), Over> {
        match self.is_over {
            true => Err(Over),
            false if self.trace.wants(index) => self.trace.begin(index, Hash(hash().0)),
            false => Ok(()),
        }
    }

    fn end(&mut self, succeeded: bool, gas_used: u64) -> Result<(), Over> {
        if self.is_over { Err(Over) } else { self.trace.end(succeeded, gas_used) }
    }
}

/// revm pads a code with STOPs, so that it may execute one behind its end; that is no step.
impl<C: ContextTr> Inspector<C> for Tracer<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        let pc = interpreter.bytecode.pc();
        let is_step = self.trace.is_on() && pc < interpreter.bytecode.bytecode_len();
        if is_step && !self.is_over {
            let instruction = Instruction {
                depth: context.journal().depth() as u32,
                account: Address(interpreter.input.target_address().into_array()),
                pc: pc as u32,
                op: interpreter.bytecode.opcode(),
                gas: interpreter.gas.remaining(),
                memory_size: interpreter.memory.size() as u64,
                ..Instruction::default()
            };
            let stack = interpreter.stack.data().iter().map(|word| Word(word.to_be_bytes()));
            self.is_over = self.trace.step(instruction, stack).is_err();
        }
        if self.is_over {
            interpreter.halt(InstructionResult::OutOfGas); // which only ends it: there is no result
        }
    }
}
