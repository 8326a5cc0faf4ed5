//! The steps of a block's transactions, on their way from the client to the reader (adapters/CONTRACT.md, "Traces").
//!
//! The client has a `Trace` and puts in what happens, in order: `begin`, `step` as often as there are instructions,
//! `end`. Steps are sent some hundred at a time through a channel of a few messages; where the reader is slow, `step`
//! waits, and with it the execution. `Events` is the reader's end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Sleep, sleep_until, timeout_at};
use tokio_stream::Stream;
use tonic::Status;

use crate::address::Address;
use crate::deadline::RaisedOnDrop;
use crate::hash::Hash;
use crate::outcome::Stop;
use crate::rpc::trace_event::Event;
use crate::rpc::{ExecuteResponse, Step, Steps, TraceEvent, TransactionEnd, TransactionStart};
use crate::word::Word;

/// Steps a message: enough that a message costs little, few enough that the reader gets them while they happen.
const BATCH_STEPS: usize = 256;
/// Bytes of stacks a message; a stack has up to 1024 words, so that 256 of them are 8 MiB.
const BATCH_BYTES: usize = 1 << 20;
/// Messages between client and reader: the memory that a trace takes is bounded by this many batches.
const QUEUE_LENGTH: usize = 4;

/// Which transactions the reader asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub first: u32,
    /// 0: all from `first` on.
    pub count: u32,
}

impl Wanted {
    fn has(self, index: u32) -> bool {
        index.checked_sub(self.first).is_some_and(|distance| self.count == 0 || distance < self.count)
    }
}

/// Nobody reads any more, or the deadline has passed: the client is to stop as soon as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

impl From<Over> for Stop {
    fn from(_: Over) -> Self {
        Self::Cancelled
    }
}

/// One instruction as it stands before it is executed, but for its stack.
#[derive(Clone, Debug, Default)]
pub struct Instruction {
    /// 1 in the outermost call.
    pub depth: u32,
    /// Whose storage the code uses.
    pub account: Address,
    /// Bytes from the start of the code.
    pub pc: u32,
    pub op: u8,
    /// Gas left before the instruction's cost.
    pub gas: u64,
    /// Gas; 0 where the client does not say.
    pub gas_cost: u64,
    /// Bytes, before the instruction; 0 where the client does not say.
    pub memory_size: u64,
    /// Why it failed, where the client knows that beforehand.
    pub error: String,
}

/// Where a client puts its steps.
#[derive(Debug)]
pub struct Trace {
    wanted: Wanted,
    events: Sender<TraceEvent>,
    deadline: Option<Instant>,
    cancelled: Arc<AtomicBool>,
    runtime: Handle,
    current: Option<Current>,
    batch: Vec<Step>,
    /// Stacks of the batch, one after the other: a step has a share of it.
    stacks: BytesMut,
    stack_bytes: usize,
    account: (Address, Bytes),
}

/// A transaction that has begun and is wanted.
#[derive(Debug)]
struct Current {
    index: u32,
    steps: u64,
}

impl Trace {
    /// Whether the steps of transaction `index` are wanted. Those of others may be put in; they are left out.
    pub fn wants(&self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.wanted.has(index))
    }

    /// Whether a step put in now would be sent.
    pub fn is_on(&self) -> bool {
        self.current.is_some()
    }

    /// A transaction is about to be executed.
    pub fn begin(&mut self, index: usize, hash: Hash) -> Result<(), Over> {
        self.current = None;
        let Some(index) = u32::try_from(index).ok().filter(|&index| self.wanted.has(index)) else { return Ok(()) };
        self.current = Some(Current { index, steps: 0 });
        self.send(Event::TransactionStart(TransactionStart { index, hash: hash.to_bytes() }))
    }

    /// An instruction inside the transaction's code. stack: all words, the bottom first.
    pub fn step(&mut self, instruction: Instruction, stack: impl IntoIterator<Item = Word>) -> Result<(), Over> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Over);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        current.steps += 1;
        if self.account.0 != instruction.account || self.account.1.is_empty() {
            self.account = (instruction.account, instruction.account.to_bytes());
        }
        for word in stack {
            self.stacks.put_slice(&word.0);
        }
        self.stack_bytes += self.stacks.len();
        self.batch.push(Step {
            depth: instruction.depth,
            account: self.account.1.clone(),
            pc: instruction.pc,
            op: u32::from(instruction.op),
            gas: instruction.gas,
            stack: self.stacks.split().freeze(),
            gas_cost: instruction.gas_cost,
            memory_size: instruction.memory_size,
            error: instruction.error,
        });
        if self.batch.len() >= BATCH_STEPS || self.stack_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// The transaction is executed. gas_used: refunds taken off.
    pub fn end(&mut self, succeeded: bool, gas_used: u64) -> Result<(), Over> {
        let Some(Current { index, steps }) = self.current.take() else { return Ok(()) };
        self.flush()?;
        self.send(Event::TransactionEnd(TransactionEnd { index, succeeded, gas_used, steps }))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Raised where nobody waits any more.
    pub(crate) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Returns once the reader has gone.
    pub(crate) async fn reader_gone(&self) {
        self.events.closed().await;
    }

    /// Steps of a transaction without an end, then the outcome. A request that is over gets none.
    pub(crate) fn finish(mut self, outcome: ExecuteResponse) {
        if self.flush().is_ok() && !self.cancelled.load(Ordering::Relaxed) {
            let _ = self.send(Event::Outcome(outcome)); // fails where nobody reads any more
        }
    }

    fn flush(&mut self) -> Result<(), Over> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let steps = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_STEPS));
        self.stacks = BytesMut::with_capacity(self.stack_bytes);
        self.stack_bytes = 0;
        self.send(Event::Steps(Steps { steps }))
    }

    /// Waits for a place in the queue, on a thread that may block; not beyond the deadline.
    fn send(&mut self, event: Event) -> Result<(), Over> {
        let sent = match self.events.try_send(TraceEvent { event: Some(event) }) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(event)) => self.runtime.block_on(async {
                let sending = self.events.send(event);
                match self.deadline {
                    Some(deadline) => matches!(timeout_at(deadline.into(), sending).await, Ok(Ok(()))),
                    None => sending.await.is_ok(),
                }
            }),
        };
        if !sent {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        if sent { Ok(()) } else { Err(Over) }
    }
}

/// The reader's end: the events in order, the outcome last. Dropped, it cancels the work.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<TraceEvent>,
    deadline: Option<Pin<Box<Sleep>>>,
    over: RaisedOnDrop,
    has_ended: bool,
}

impl Stream for Events {
    type Item = Result<TraceEvent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready()) {
            self.has_ended = true;
            self.over.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Status::deadline_exceeded("the request's deadline passed"))));
        }
        match self.receiver.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(event)) => {
                self.has_ended = matches!(event.event, Some(Event::Outcome(_)));
                Poll::Ready(Some(Ok(event)))
            }
            Poll::Ready(None) => {
                self.has_ended = true;
                let status = if self.over.0.load(Ordering::Relaxed) {
                    Status::deadline_exceeded("the request's deadline passed")
                } else {
                    Status::internal("the work ended without an outcome")
                };
                Poll::Ready(Some(Err(status)))
            }
        }
    }
}

/// Both ends of a trace. Called within a tokio runtime; `Trace` is for a thread that may block.
pub fn open(wanted: Wanted, deadline: Option<Instant>) -> (Trace, Events) {
    let (sender, receiver) = channel(QUEUE_LENGTH);
    let over = RaisedOnDrop::default();
    let trace = Trace {
        wanted,
        events: sender,
        deadline,
        cancelled: Arc::clone(&over.0),
        runtime: Handle::current(),
        current: None,
        batch: Vec::with_capacity(BATCH_STEPS),
        stacks: BytesMut::new(),
        stack_bytes: 0,
        account: (Address::default(), Bytes::new()),
    };
    let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline.into())));
    (trace, Events { receiver, deadline, over, has_ended: false })
}
