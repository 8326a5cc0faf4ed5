//! The service around a client of tests: what happens is said in words, as the request's chain config.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapter_host::client::{Client, Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::{Stop, broken, refuse};
use adapter_host::rpc::execute_request::Witness;
use adapter_host::rpc::execute_response::Outcome;
use adapter_host::rpc::stateless_executor_server::StatelessExecutor;
use adapter_host::rpc::{
    AbstentionReason, AncestorHash, Computed, DescribeResponse, ExecuteRequest, ExecuteResponse, Mode, Rule,
};
use adapter_host::service::Executor;
use adapter_host::testing::file::{encode, encode_witness};
use adapter_host::witness_file::WitnessFile;
use tonic::{Code, Request};

struct Words;

impl Client for Words {
    type Leftover = ();

    fn describe(&self) -> DescribeResponse {
        DescribeResponse {
            client_name: "words".to_owned(),
            modes: vec![Mode::Proof.into()],
            ..DescribeResponse::default()
        }
    }

    fn warm_up(&self) -> bool {
        true
    }

    fn execute(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
    ) -> (Result<Computed, Stop>, Option<()>) {
        spent.execute = Duration::from_micros(5);
        let result = match &question.chain_config[..] {
            b"compute" => Ok(Computed { gas_used: file.number, ..Computed::default() }),
            b"ancestors" => {
                let ancestor = question.ancestor_hashes.get(&7).copied().unwrap_or_default();
                Ok(Computed { state_root: ancestor.to_bytes(), ..Computed::default() })
            }
            b"break" => Err(broken(Rule::Number, "one\ntwo").into()),
            b"refuse" => Err(refuse("not this one")),
            b"wait" => {
                while !cancelled.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Err(Stop::Cancelled)
            }
            words => panic!("no such words: {}", String::from_utf8_lossy(words)),
        };
        (result, Some(()))
    }
}

fn request(words: &str) -> ExecuteRequest {
    let sections = [(1, vec![]), (2, encode_witness(&[], &[], &[])), (3, vec![])];
    ExecuteRequest {
        witness: Some(Witness::Content(encode(1, 42, Hash([1; 32]), &sections).into())),
        block_hash: vec![1; 32].into(),
        pre_state_root: vec![2; 32].into(),
        chain_config: words.to_owned().into(),
        ancestor_hashes: vec![AncestorHash { number: 7, hash: vec![9; 32].into() }],
        ..ExecuteRequest::default()
    }
}

async fn ask(executor: &Executor<Words>, words: &str) -> ExecuteResponse {
    executor.execute(Request::new(request(words))).await.unwrap().into_inner()
}

#[tokio::test]
async fn answers_what_the_client_says() {
    let executor = Executor::new(Arc::new(Words));
    let response = ask(&executor, "compute").await;
    let Some(Outcome::Computed(computed)) = response.outcome else { panic!("not computed") };
    assert_eq!(computed.gas_used, 42);
    assert_eq!(response.timings.unwrap().execute_us, 5);
    let Some(Outcome::Computed(computed)) = ask(&executor, "ancestors").await.outcome else { panic!("not computed") };
    assert_eq!(computed.state_root, vec![9; 32]);
    let Some(Outcome::BrokenRule(rule)) = ask(&executor, "break").await.outcome else { panic!("not broken") };
    assert_eq!((rule.rule(), rule.detail.as_str()), (Rule::Number, "one two"));
    let Some(Outcome::Abstention(abstention)) = ask(&executor, "refuse").await.outcome else { panic!("not refused") };
    assert_eq!(abstention.reason(), AbstentionReason::Refused);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_is_served() {
    let executor = Executor::new(Arc::new(Words));
    for _ in 0..20 {
        let Some(Outcome::Abstention(abstention)) = ask(&executor, "oh").await.outcome else { panic!("no abstention") };
        assert_eq!(abstention.reason(), AbstentionReason::Crashed);
        assert_eq!(abstention.detail, "words panicked: no such words: oh");
    }
    assert!(matches!(ask(&executor, "compute").await.outcome, Some(Outcome::Computed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_raises_the_flag_and_frees_the_place() {
    let executor = Executor::new(Arc::new(Words));
    for _ in 0..12 {
        let mut waiting = Request::new(request("wait"));
        waiting.metadata_mut().insert("grpc-timeout", "20m".parse().unwrap());
        assert_eq!(executor.execute(waiting).await.unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert!(matches!(ask(&executor, "compute").await.outcome, Some(Outcome::Computed(_))));
}
