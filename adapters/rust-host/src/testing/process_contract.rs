//! adapters/CONTRACT.md, "Obligations as a process", against one adapter: its socket, its health, its deadlines, and its
//! end. Each function is a test; it panics where the adapter does not do what it has to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Request};

use super::process::{PROMPT, Process, output};
use crate::client::Client;
use crate::description::json_line;
use crate::rpc::execute_request::Witness;
use crate::rpc::execute_response::Outcome;
use crate::rpc::stateless_executor_server::StatelessExecutor;
use crate::rpc::{AbstentionReason, Computed, DescribeRequest, DescribeResponse, ExecuteRequest, ExecuteResponse};
use crate::service::Executor;

/// The adapter, and what to ask it.
pub struct Subject {
    /// Path of the built program.
    pub binary: &'static str,
    pub description: DescribeResponse,
    /// A small block, with its witness as content.
    pub request: ExecuteRequest,
    /// What that block computes to.
    pub computed: Computed,
    /// A block that takes hours, reading the state all the time.
    pub endless: ExecuteRequest,
}

impl Subject {
    pub fn file(&self) -> &[u8] {
        match &self.request.witness {
            Some(Witness::Content(content)) => content,
            other => panic!("the witness is not content: {other:?}"),
        }
    }
}

fn reason(response: ExecuteResponse) -> AbstentionReason {
    match response.outcome {
        Some(Outcome::Abstention(abstention)) => abstention.reason(),
        other => panic!("no abstention: {other:?}"),
    }
}

fn answer(result: Result<ExecuteResponse, tonic::Status>) -> ExecuteResponse {
    result.unwrap_or_else(|status| panic!("no answer: {status:?}"))
}

pub async fn executes_by_path_and_by_content_on_a_socket_of_its_own(subject: Subject) {
    let process = Process::start(subject.binary).await;
    let permissions = fs::metadata(&process.socket).expect("the socket is there").permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    let by_content = answer(process.execute(subject.request.clone()).await);
    assert_eq!(by_content.outcome, Some(Outcome::Computed(subject.computed.clone())));
    let timings = by_content.timings.expect("there are timings");
    assert!(timings.total_us >= timings.decode_us + timings.execute_us + timings.root_us);

    let path = process.folder.path().join("block.witness");
    fs::write(&path, subject.file()).expect("the witness is written");
    let named = |path: &Path| {
        let witness = Some(Witness::Path(path.display().to_string()));
        ExecuteRequest { witness, ..subject.request.clone() }
    };
    assert_eq!(answer(process.execute(named(&path)).await).outcome, by_content.outcome);
    assert_eq!(reason(answer(process.execute(named(Path::new("/absent"))).await)), AbstentionReason::Refused);

    let description = process.client().describe(DescribeRequest {}).await.expect("it describes itself");
    assert_eq!(description.into_inner(), subject.description);
    process.signal("-INT");
    ends_well(process).await;
}

async fn ends_well(process: Process) {
    let (status, socket_is_there) = process.ended().await;
    assert!(status.success() && !socket_is_there, "{status:?}, socket there: {socket_is_there}");
}

pub async fn requests_that_are_not_well_formed_are_invalid_arguments(subject: Subject) {
    let process = Process::start(subject.binary).await;
    let good = subject.request;
    for bad in [
        ExecuteRequest { witness: None, ..good.clone() },
        ExecuteRequest { witness: Some(Witness::Path("relative".to_owned())), ..good.clone() },
        ExecuteRequest { block_hash: vec![0; 31].into(), ..good.clone() },
        ExecuteRequest { pre_state_root: vec![].into(), ..good.clone() },
        ExecuteRequest { mode: 99, ..good.clone() },
    ] {
        let status = process.execute(bad).await.expect_err("it is not well-formed");
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let garbage = ExecuteRequest { witness: Some(Witness::Content(vec![1; 300].into())), ..good };
    assert_eq!(reason(answer(process.execute(garbage).await)), AbstentionReason::Refused);
    process.signal("-TERM");
    ends_well(process).await;
}

pub async fn a_deadline_ends_the_request_and_its_work(subject: Subject) {
    let process = Process::start(subject.binary).await;
    // More than there are places: they are free again only if the work has stopped.
    for _ in 0..6 {
        let started = Instant::now();
        let mut request = Request::new(subject.endless.clone());
        request.set_timeout(Duration::from_millis(100));
        let status = process.execute(request).await.expect_err("the deadline passes");
        // The client's own clock may be the first to notice; tonic calls it a cancellation.
        assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
        assert!(started.elapsed() < PROMPT);
    }
    answer(timeout(PROMPT, process.execute(subject.request)).await.expect("the places are free again"));
}

pub async fn a_deadline_that_passed_is_told_as_such(subject: Subject, client: impl Client) {
    let mut request = Request::new(subject.endless);
    request.metadata_mut().insert("grpc-timeout", "50m".parse().expect("a header"));
    let executor = Executor::new(Arc::new(client));
    let result = timeout(PROMPT, executor.execute(request)).await.expect("the deadline passes");
    assert_eq!(result.expect_err("it takes hours").code(), Code::DeadlineExceeded);
}

pub async fn more_requests_than_places_are_turned_away_and_a_cancelled_one_frees_its_place(subject: Subject) {
    let process = Process::start(subject.binary).await;
    let mut client = process.client();
    let mut running = JoinSet::new();
    let turned_away = loop {
        let mut client = client.clone();
        let request = subject.endless.clone();
        running.spawn(async move { client.execute(request).await.expect_err("it takes hours").code() });
        // Those that have a place do not answer; the first that answers has none.
        if running.len() > 10 {
            let first = timeout(PROMPT, running.join_next()).await.expect("one is turned away");
            break first.expect("there are some").expect("none panics");
        }
    };
    assert_eq!(turned_away, Code::ResourceExhausted);
    client.describe(DescribeRequest {}).await.expect("it still describes itself");
    running.shutdown().await; // drops the requests, which cancels them
    let answered = async {
        loop {
            match process.execute(subject.request.clone()).await {
                Err(status) if status.code() == Code::ResourceExhausted => tokio::task::yield_now().await,
                result => return answer(result),
            }
        }
    };
    let response = timeout(PROMPT, answered).await.expect("a place is free again");
    assert!(matches!(response.outcome, Some(Outcome::Computed(_))), "{response:?}");
}

pub async fn ends_with_its_lifeline_also_while_requests_run(subject: Subject) {
    let mut process = Process::start(subject.binary).await;
    let mut client = process.client();
    let request = subject.endless;
    let running = tokio::spawn(async move { client.execute(request).await });
    answer(process.execute(subject.request).await);
    drop(process.child.stdin.take());
    ends_well(process).await;
    assert!(running.await.expect("the request does not panic").is_err());
}

pub fn describes_itself_in_one_line(subject: &Subject) {
    let output = output(subject.binary, &["--describe"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, (json_line(&subject.description) + "\n").into_bytes());
}

pub fn benchmarks_a_file(subject: &Subject) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("block.witness");
    fs::write(&path, subject.file()).expect("the witness is written");
    let output = output(subject.binary, &["--bench", &path.display().to_string(), "--runs", "3"]);
    assert!(output.status.success(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(document["runs_ms"].as_array().map(Vec::len), Some(3));
}

pub fn wrong_arguments_have_an_exit_status_of_their_own(binary: &str) {
    assert_eq!(output(binary, &["--sockets"]).status.code(), Some(2));
    assert_eq!(output(binary, &["--bench", "/absent", "--runs", "1"]).status.code(), Some(1));
}
