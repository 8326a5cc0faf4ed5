//! The adapter as a process: its socket, its health, its deadlines, and its end.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_host::description::json_line;
use adapter_host::rpc::execute_request::Witness;
use adapter_host::rpc::execute_response::Outcome;
use adapter_host::rpc::stateless_executor_server::StatelessExecutor;
use adapter_host::rpc::{AbstentionReason, DescribeRequest, ExecuteRequest, ExecuteResponse, Mode};
use adapter_host::service::Executor;
use adapter_host::testing::process::{PROMPT, Process, output};
use ethrex_adapter::description::DESCRIPTION;
use ethrex_adapter::execution::Ethrex;
use ethrex_common::Address;
use support::{Account, READING_FOR_EVER, Scene, transaction};
use tokio::time::timeout;
use tonic::{Code, Request};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const BINARY: &str = env!("CARGO_BIN_EXE_ethrex-adapter");

fn request(scene: &Scene) -> ExecuteRequest {
    ExecuteRequest {
        witness: Some(Witness::Content(scene.file().into())),
        block_hash: scene.hash().as_bytes().to_vec().into(),
        pre_state_root: scene.pre_state_root.as_bytes().to_vec().into(),
        mode: Mode::Proof.into(),
        ..ExecuteRequest::default()
    }
}

fn transfer() -> Scene {
    Scene::new("cancun", &[], vec![transaction(Address::repeat_byte(0x11), 5, 21_000)])
}

/// A block that takes hours.
fn endless() -> Scene {
    let accounts = [(CONTRACT, Account::with_code(&READING_FOR_EVER))];
    let mut scene = Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 1 << 56)]);
    scene.parent.gas_limit = 1 << 60;
    scene.parent.gas_used = 1 << 59;
    scene.header.gas_limit = 1 << 60;
    // Its sender pays nothing for it.
    scene.parent.base_fee_per_gas = Some(0);
    scene.header.base_fee_per_gas = Some(0);
    let tx = ethrex_common::types::EIP1559Transaction { max_fee_per_gas: 0, ..transaction(CONTRACT, 0, 1 << 56) };
    let mut accounts: std::collections::BTreeMap<_, _> = accounts.into_iter().collect();
    accounts.insert(support::sender(&tx), Account { balance: 1, ..Account::default() });
    let (root, nodes, codes) = support::state(&accounts);
    scene.body.transactions = vec![ethrex_common::types::Transaction::EIP1559Transaction(tx)];
    (scene.pre_state_root, scene.parent.state_root, scene.nodes, scene.codes) = (root, root, nodes, codes);
    scene.bound()
}

fn with_timeout(scene: &Scene, timeout: Duration) -> Request<ExecuteRequest> {
    let mut request = Request::new(request(scene));
    request.set_timeout(timeout);
    request
}

fn reason(response: ExecuteResponse) -> AbstentionReason {
    match response.outcome {
        Some(Outcome::Abstention(abstention)) => abstention.reason(),
        other => panic!("no abstention: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executes_by_path_and_by_content_on_a_socket_of_its_own() {
    let process = Process::start(BINARY).await;
    assert_eq!(fs::metadata(&process.socket).unwrap().permissions().mode() & 0o777, 0o600);
    let scene = transfer();
    let by_content = process.execute(request(&scene)).await.unwrap();
    let Some(Outcome::Computed(computed)) = &by_content.outcome else { panic!("{by_content:?}") };
    assert_eq!(*computed, scene.computed());
    let timings = by_content.timings.unwrap();
    assert!(timings.total_us >= timings.decode_us + timings.execute_us + timings.root_us);

    let path = process.folder.path().join("block.witness");
    fs::write(&path, scene.file()).unwrap();
    let named =
        |path: &Path| ExecuteRequest { witness: Some(Witness::Path(path.display().to_string())), ..request(&scene) };
    assert_eq!(process.execute(named(&path)).await.unwrap().outcome, by_content.outcome);
    assert_eq!(reason(process.execute(named(Path::new("/absent"))).await.unwrap()), AbstentionReason::Refused);

    let mut client = process.client();
    let description = client.describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!(description, DESCRIPTION.into());
    let (status, socket_is_there) = {
        process.signal("-INT");
        process.ended().await
    };
    assert!(status.success() && !socket_is_there);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_well_formed_are_invalid_arguments() {
    let process = Process::start(BINARY).await;
    let good = request(&transfer());
    for bad in [
        ExecuteRequest { witness: None, ..good.clone() },
        ExecuteRequest { witness: Some(Witness::Path("relative".to_owned())), ..good.clone() },
        ExecuteRequest { block_hash: vec![0; 31].into(), ..good.clone() },
        ExecuteRequest { pre_state_root: vec![].into(), ..good.clone() },
        ExecuteRequest { mode: 99, ..good.clone() },
    ] {
        assert_eq!(process.execute(bad).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let garbage = ExecuteRequest { witness: Some(Witness::Content(vec![1; 300].into())), ..good };
    assert_eq!(reason(process.execute(garbage).await.unwrap()), AbstentionReason::Refused);
    process.signal("-TERM");
    let (status, socket_is_there) = process.ended().await;
    assert!(status.success() && !socket_is_there);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_request_and_its_work() {
    let process = Process::start(BINARY).await;
    let endless = endless();
    // More than there are places: they are free again only if the work has stopped.
    for _ in 0..6 {
        let started = Instant::now();
        let status = process.execute(with_timeout(&endless, Duration::from_millis(100))).await.unwrap_err();
        // The client's own clock may be the first to notice; tonic calls it a cancellation.
        assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
        assert!(started.elapsed() < PROMPT);
    }
    timeout(PROMPT, process.execute(request(&transfer()))).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_is_told_as_such() {
    let mut request = Request::new(request(&endless()));
    request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let status = timeout(PROMPT, Executor::new(Arc::new(Ethrex)).execute(request)).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_places_are_turned_away_and_a_cancelled_one_frees_its_place() {
    let process = Process::start(BINARY).await;
    let mut client = process.client();
    let endless = endless();
    let mut running = tokio::task::JoinSet::new();
    let turned_away = loop {
        let mut client = client.clone();
        let request = request(&endless);
        running.spawn(async move { client.execute(request).await.unwrap_err().code() });
        // Those that have a place do not answer; the first that answers has none.
        if running.len() > 10 {
            break timeout(PROMPT, running.join_next()).await.unwrap().unwrap().unwrap();
        }
    };
    assert_eq!(turned_away, Code::ResourceExhausted);
    client.describe(DescribeRequest {}).await.unwrap();
    running.shutdown().await; // drops the requests, which cancels them
    let answer = async {
        loop {
            match process.execute(request(&transfer())).await {
                Err(status) if status.code() == Code::ResourceExhausted => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    };
    assert!(matches!(timeout(PROMPT, answer).await.unwrap().unwrap().outcome, Some(Outcome::Computed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_with_its_lifeline_also_while_requests_run() {
    let mut process = Process::start(BINARY).await;
    let mut client = process.client();
    let request = request(&endless());
    let running = tokio::spawn(async move { client.execute(request).await });
    process.execute(self::request(&transfer())).await.unwrap();
    drop(process.child.stdin.take());
    let (status, socket_is_there) = process.ended().await;
    assert!(status.success() && !socket_is_there);
    assert!(running.await.unwrap().is_err());
}

#[test]
fn describes_itself_in_one_line() {
    let output = output(BINARY, &["--describe"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), json_line(&DESCRIPTION.into()) + "\n");
}

#[test]
fn benchmarks_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("block.witness");
    fs::write(&path, transfer().file()).unwrap();
    let output = output(BINARY, &["--bench", path.to_str().unwrap(), "--runs", "3"]);
    assert!(output.status.success());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["runs_ms"].as_array().unwrap().len(), 3);
}

#[test]
fn wrong_arguments_have_an_exit_status_of_their_own() {
    assert_eq!(output(BINARY, &["--sockets"]).status.code(), Some(2));
    assert_eq!(output(BINARY, &["--bench", "/absent", "--runs", "1"]).status.code(), Some(1));
}
