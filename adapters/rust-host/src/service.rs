//! The `StatelessExecutor` service: requests admitted, executed on threads of their own, and contained.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::{Request, Response, Status, Streaming};

use crate::client::{Client, Question, Spent};
use crate::deadline::{self, Arrival, RaisedOnDrop};
use crate::description::MAX_CONCURRENT_REQUESTS;
use crate::hash::Hash;
use crate::log;
use crate::outcome::{Stop, abstain};
use crate::rpc::execute_request::Witness;
use crate::rpc::execute_response::Outcome;
use crate::rpc::stateless_executor_server::StatelessExecutor;
use crate::rpc::{
    AbstentionReason, Computed, DescribeRequest, DescribeResponse, ExecuteRequest, ExecuteResponse, Mode, Timings,
    TraceEvent, TraceRequest, UploadPart, UploadResponse,
};
use crate::witness_file::WitnessFile;

/// Requests that wait while `MAX_CONCURRENT_REQUESTS` are executed; one more is turned away.
const QUEUE_LENGTH: usize = 8;

/// Where the witness is.
enum Source {
    Path(PathBuf),
    Content(Bytes),
}

/// The service. A place is held until the work on a request has ended, also if nobody waits for it any more.
pub struct Executor<C> {
    client: Arc<C>,
    admission: Arc<Semaphore>,
    execution: Arc<Semaphore>,
}

impl<C: Client> Executor<C> {
    pub fn new(client: Arc<C>) -> Self {
        Self {
            client,
            admission: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS + QUEUE_LENGTH)),
            execution: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
        }
    }
}

#[tonic::async_trait]
impl<C: Client> StatelessExecutor for Executor<C> {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(self.client.describe()))
    }

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let started = Instant::now();
        let arrived = request.extensions().get().map_or(started, |&Arrival(arrived)| arrived);
        let deadline = deadline::of(request.metadata(), arrived);
        let (source, question) = read_request(request.into_inner())?;
        let admitted = Arc::clone(&self.admission)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("all places, also those in the queue, are taken"))?;
        let answer = self.answer(source, question, started, admitted);
        let answer = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer)
                .await
                .map_err(|_| Status::deadline_exceeded("the request's deadline passed"))?,
            None => answer.await,
        };
        answer.map(Response::new)
    }

    type TraceStream = tokio_stream::Empty<Result<TraceEvent, Status>>;

    async fn trace(&self, _: Request<TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        Err(Status::unimplemented("this adapter does not trace"))
    }

    async fn upload(&self, _: Request<Streaming<UploadPart>>) -> Result<Response<UploadResponse>, Status> {
        Err(Status::unimplemented("this adapter takes no uploads"))
    }
}

impl<C: Client> Executor<C> {
    async fn answer(
        &self,
        source: Source,
        question: Question,
        started: Instant,
        admitted: OwnedSemaphorePermit,
    ) -> Result<ExecuteResponse, Status> {
        let over = RaisedOnDrop::default();
        let place = Arc::clone(&self.execution)
            .acquire_owned()
            .await
            .map_err(|_| Status::unavailable("the adapter is ending"))?;
        let (sender, receiver) = oneshot::channel();
        let (client, cancelled) = (Arc::clone(&self.client), Arc::clone(&over.0));
        tokio::task::spawn_blocking(move || {
            let (response, leftover) = work(&*client, source, &question, cancelled, started);
            let line = describe(&question, &response);
            let _ = sender.send(response); // fails where nobody waits any more
            log::event(format_args!("{line}"));
            drop((leftover, place, admitted));
        });
        receiver.await.map_err(|_| Status::internal("the work ended without an answer"))
    }
}

/// Executes, and makes an answer of whatever happens. The second part may be dropped after the answer.
fn work<C: Client>(
    client: &C,
    source: Source,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    started: Instant,
) -> (ExecuteResponse, Option<C::Leftover>) {
    let mut spent = Spent::default();
    let contained =
        panic::catch_unwind(AssertUnwindSafe(|| open_and_execute(client, source, question, cancelled, &mut spent)));
    let (result, leftover) = contained.unwrap_or_else(|payload| {
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
) -> (Result<Computed, Stop>, Option<C::Leftover>) {
    let opening = Instant::now();
    let file = match source {
        Source::Path(path) => WitnessFile::open(&path),
        Source::Content(content) => WitnessFile::from_bytes(content),
    };
    let opened = opening.elapsed();
    let result = match file {
        Ok(file) => client.execute(Arc::new(file), question, cancelled, spent),
        Err(damage) => (Err(damage.into()), None),
    };
    spent.decode += opened;
    result
}

fn read_request(request: ExecuteRequest) -> Result<(Source, Question), Status> {
    let source = match request.witness {
        Some(Witness::Path(path)) if path.starts_with('/') => Source::Path(path.into()),
        Some(Witness::Path(_)) => return Err(Status::invalid_argument("the witness's path is not absolute")),
        Some(Witness::Content(content)) => Source::Content(content),
        Some(Witness::Uploaded(_)) => return Err(Status::not_found("this adapter holds no uploads")),
        None => return Err(Status::invalid_argument("no witness")),
    };
    if !matches!(Mode::try_from(request.mode), Ok(Mode::Unspecified | Mode::Proof)) {
        return Err(Status::invalid_argument("mode is not MODE_PROOF"));
    }
    let hash = |bytes: &Bytes, name: &str| {
        let wrong = || Status::invalid_argument(format!("{name} has {} bytes, not 32", bytes.len()));
        Hash::from_slice(bytes).ok_or_else(wrong)
    };
    let question = Question {
        block_hash: hash(&request.block_hash, "block_hash")?,
        pre_state_root: hash(&request.pre_state_root, "pre_state_root")?,
        chain_config: request.chain_config,
        parent_header_optional: request.parent_header_optional,
        ancestor_hashes: request
            .ancestor_hashes
            .iter()
            .map(|ancestor| Ok((ancestor.number, hash(&ancestor.hash, "an ancestor's hash")?)))
            .collect::<Result<_, Status>>()?,
    };
    Ok((source, question))
}

fn describe(question: &Question, response: &ExecuteResponse) -> String {
    let outcome = match &response.outcome {
        Some(Outcome::Computed(_)) => "computed".to_owned(),
        Some(Outcome::BrokenRule(rule)) => format!("{} detail={:?}", rule.rule().as_str_name(), rule.detail),
        Some(Outcome::Abstention(abstention)) => {
            format!("{} detail={:?}", abstention.reason().as_str_name(), abstention.detail)
        }
        None => "none".to_owned(),
    };
    let total = response.timings.as_ref().map_or(0, |timings| timings.total_us);
    format!("executed block={} total_us={total} outcome={outcome}", question.block_hash)
}

/// What a panic said, where it is text.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
