//! The work on one request, contained: whatever happens is an answer.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::client::{Client, Question, Spent};
use crate::outcome::{Stop, abstain};
use crate::request::Source;
use crate::rpc::execute_response::Outcome;
use crate::rpc::{AbstentionReason, Computed, ExecuteResponse, Timings};
use crate::trace::Trace;
use crate::witness_file::WitnessFile;

/// Executes, into `trace` if there is one, and makes an answer of it. The second part may be dropped after the answer.
pub fn run<C: Client>(
    client: &C,
    source: Source,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    started: Instant,
    trace: Option<&mut Trace>,
) -> (ExecuteResponse, Option<C::Leftover>) {
    let mut spent = Spent::default();
    let execute = || open_and_execute(client, source, question, cancelled, &mut spent, trace);
    let (result, leftover) = panic::catch_unwind(AssertUnwindSafe(execute)).unwrap_or_else(|payload| {
        let detail = format!("{} panicked: {}", client.describe().client_name, panic_message(&*payload));
        (Err(abstain(AbstentionReason::Crashed, detail)), None)
    });
    let outcome = match result {
        Ok(computed) => Outcome::Computed(computed),
        Err(Stop::Broken(rule)) => Outcome::BrokenRule(rule),
        Err(Stop::Abstain(abstention)) => Outcome::Abstention(abstention),
        Err(Stop::Cancelled) => match abstain(AbstentionReason::Timeout, "the request was over before its work") {
            Stop::Abstain(abstention) => Outcome::Abstention(abstention),
            _ => unreachable!("abstain makes abstentions"),
        },
    };
    let timings = Timings {
        decode_us: microseconds(spent.decode),
        execute_us: microseconds(spent.execute),
        root_us: microseconds(spent.root),
        total_us: microseconds(started.elapsed()),
    };
    (ExecuteResponse { outcome: Some(outcome), timings: Some(timings) }, leftover)
}

fn open_and_execute<C: Client>(
    client: &C,
    source: Source,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
    trace: Option<&mut Trace>,
) -> (Result<Computed, Stop>, Option<C::Leftover>) {
    let opening = Instant::now();
    let file = match source {
        Source::Path(path) => WitnessFile::open(&path),
        Source::Content(content) => WitnessFile::from_bytes(content),
    };
    let opened = opening.elapsed();
    let result = match (file, trace) {
        (Ok(file), None) => client.execute(Arc::new(file), question, cancelled, spent),
        (Ok(file), Some(trace)) => client.trace(Arc::new(file), question, cancelled, spent, trace),
        (Err(damage), _) => (Err(damage.into()), None),
    };
    spent.decode += opened;
    result
}

/// The log's line about an answer; verb: what was done.
pub fn report_line(verb: &str, question: &Question, response: &ExecuteResponse) -> String {
    let outcome = match &response.outcome {
        Some(Outcome::Computed(_)) => "computed".to_owned(),
        Some(Outcome::BrokenRule(rule)) => format!("{} detail={:?}", rule.rule().as_str_name(), rule.detail),
        Some(Outcome::Abstention(abstention)) => {
            format!("{} detail={:?}", abstention.reason().as_str_name(), abstention.detail)
        }
        None => "none".to_owned(),
    };
    let total = response.timings.as_ref().map_or(0, |timings| timings.total_us);
    format!("{verb} block={} total_us={total} outcome={outcome}", question.block_hash)
}

/// What a panic said, where it is text.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
