//! A trace from the client to the reader: in order, held up by a slow reader, and over with its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use adapter_host::address::Address;
use adapter_host::client::{Client, Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::Stop;
use adapter_host::rpc::execute_request::Witness;
use adapter_host::rpc::execute_response::Outcome;
use adapter_host::rpc::stateless_executor_server::StatelessExecutor;
use adapter_host::rpc::trace_event::Event;
use adapter_host::rpc::{
    AbstentionReason, Computed, DescribeResponse, ExecuteRequest, ExecuteResponse, Mode, TraceRequest, TransactionEnd,
    TransactionStart,
};
use adapter_host::service::Executor;
use adapter_host::testing::file::{encode, encode_witness};
use adapter_host::trace::{Events, Instruction, Over, Trace};
use adapter_host::witness_file::WitnessFile;
use adapter_host::word::Word;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

/// For what has to happen at once.
const PROMPT: Duration = Duration::from_secs(5);
const ENDLESS: u64 = u64::MAX;

/// Executes three transactions of so many steps each as the request's chain config says.
#[derive(Default)]
struct Steps {
    put_in: AtomicU64,
    was_told: AtomicBool,
}

impl Client for Steps {
    type Leftover = ();

    fn describe(&self) -> DescribeResponse {
        DescribeResponse { modes: vec![Mode::Proof.into()], traces: true, ..DescribeResponse::default() }
    }

    fn warm_up(&self) -> bool {
        true
    }

    fn execute(
        &self,
        _: Arc<WitnessFile>,
        _: &Question,
        _: Arc<AtomicBool>,
        _: &mut Spent,
    ) -> (Result<Computed, Stop>, Option<()>) {
        (Ok(Computed { gas_used: 7, ..Computed::default() }), None)
    }

    fn trace(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
        trace: &mut Trace,
    ) -> (Result<Computed, Stop>, Option<()>) {
        let steps = std::str::from_utf8(&question.chain_config).unwrap().parse().expect("a number of steps");
        match self.put_steps(steps, trace) {
            Ok(()) => self.execute(file, question, cancelled, spent),
            Err(over) => {
                self.was_told.store(true, Ordering::Relaxed);
                (Err(over.into()), None)
            }
        }
    }
}

impl Steps {
    fn put_steps(&self, steps: u64, trace: &mut Trace) -> Result<(), Over> {
        for index in 0..3 {
            trace.begin(index, Hash([index as u8; 32]))?;
            for step in 0..steps {
                let instruction =
                    Instruction { pc: step as u32, op: 0x60, account: Address([5; 20]), ..Instruction::default() };
                trace.step(instruction, [Word::from(index as u64), Word::from(step)])?;
                self.put_in.fetch_add(1, Ordering::Relaxed);
            }
            trace.end(true, steps)?;
        }
        Ok(())
    }
}

fn request(steps: u64, first: u32, count: u32) -> TraceRequest {
    let sections = [(1, vec![]), (2, encode_witness(&[], &[], &[])), (3, vec![])];
    let execution = ExecuteRequest {
        witness: Some(Witness::Content(encode(1, 42, Hash([1; 32]), &sections).into())),
        block_hash: vec![1; 32].into(),
        pre_state_root: vec![2; 32].into(),
        chain_config: steps.to_string().into(),
        ..ExecuteRequest::default()
    };
    TraceRequest { execution: Some(execution), first, count }
}

async fn open(executor: &Executor<Steps>, request: impl tonic::IntoRequest<TraceRequest>) -> Events {
    executor.trace(request.into_request()).await.unwrap().into_inner()
}

async fn all(events: Events) -> Vec<Event> {
    events.map(|event| event.unwrap().event.unwrap()).collect().await
}

fn executor() -> (Executor<Steps>, Arc<Steps>) {
    let client = Arc::new(Steps::default());
    (Executor::new(Arc::clone(&client)), client)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_comes_once_and_in_order_and_the_outcome_last() {
    for steps in [0, 1, 255, 256, 257, 10_000] {
        let mut events = all(open(&executor().0, request(steps, 0, 0)).await).await.into_iter().peekable();
        for index in 0..3 {
            let hash = vec![index as u8; 32].into();
            assert_eq!(events.next(), Some(Event::TransactionStart(TransactionStart { index, hash })));
            let mut expected = 0;
            while let Some(Event::Steps(batch)) = events.next_if(|event| matches!(event, Event::Steps(_))) {
                assert!((1..=256).contains(&batch.steps.len()));
                for step in batch.steps {
                    assert_eq!((step.pc, step.op, &step.account[..]), (expected as u32, 0x60, &[5; 20][..]));
                    let stack = [Word::from(u64::from(index)).0, Word::from(expected).0].concat();
                    assert_eq!(step.stack, stack);
                    expected += 1;
                }
            }
            assert_eq!(expected, steps);
            let end = TransactionEnd { index, succeeded: true, gas_used: steps, steps };
            assert_eq!(events.next(), Some(Event::TransactionEnd(end)));
        }
        let Some(Event::Outcome(ExecuteResponse { outcome: Some(Outcome::Computed(computed)), timings })) =
            events.next()
        else {
            panic!("no outcome")
        };
        assert_eq!((computed.gas_used, timings.is_some(), events.next()), (7, true, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_transactions_asked_for_are_sent() {
    for (first, count, expected) in
        [(0, 1, vec![0]), (1, 0, vec![1, 2]), (1, 1, vec![1]), (2, 5, vec![2]), (3, 0, vec![]), (u32::MAX, 9, vec![])]
    {
        let events = all(open(&executor().0, request(300, first, count)).await).await;
        let indices: Vec<u32> = events
            .iter()
            .filter_map(|event| if let Event::TransactionEnd(end) = event { Some(end.index) } else { None })
            .collect();
        assert_eq!(indices, expected);
        let steps: usize =
            events.iter().map(|event| if let Event::Steps(batch) = event { batch.steps.len() } else { 0 }).sum();
        assert_eq!(steps, 300 * expected.len());
        assert!(matches!(events.last(), Some(Event::Outcome(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_the_outcome_after_the_steps_before_it() {
    let (executor, _) = executor();
    let mut bad = request(1, 0, 0);
    bad.execution.as_mut().unwrap().chain_config = "many".into();
    let events = all(open(&executor, bad).await).await;
    let [Event::Outcome(ExecuteResponse { outcome: Some(Outcome::Abstention(abstention)), .. })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(abstention.reason(), AbstentionReason::Crashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_execution_up() {
    // Four messages in the queue, one that waits for its place, one that was taken and is not counted yet.
    const MOST_AHEAD: u64 = 6 * 256;
    let (executor, client) = executor();
    let mut events = open(&executor, request(100_000, 0, 0)).await;
    let mut read = 0;
    let mut most_ahead = 0;
    while let Some(event) = timeout(PROMPT, events.next()).await.expect("it goes on") {
        if let Some(Event::Steps(batch)) = event.unwrap().event {
            read += batch.steps.len() as u64;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        most_ahead = most_ahead.max(client.put_in.load(Ordering::Relaxed).saturating_sub(read));
    }
    assert_eq!(read, 300_000);
    assert!((256..=MOST_AHEAD).contains(&most_ahead), "{most_ahead}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_stacks_make_a_message_shorter() {
    let (mut trace, mut events) = adapter_host::trace::open(adapter_host::trace::Wanted { first: 0, count: 0 }, None);
    let putting = tokio::task::spawn_blocking(move || {
        trace.begin(0, Hash([0; 32])).unwrap();
        (0..100).try_for_each(|_| trace.step(Instruction::default(), [Word::from(1); 1024]))
    });
    let mut sizes = Vec::new();
    while let Some(Ok(event)) = events.next().await {
        if let Some(Event::Steps(batch)) = event.event {
            sizes.push(batch.steps.len());
        }
    }
    putting.await.unwrap().unwrap();
    assert_eq!(sizes, [32, 32, 32]); // a MiB each; the client ended in the middle of the fourth
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_work_and_frees_its_place() {
    let (executor, client) = executor();
    // More than there are places, and more than may wait.
    for _ in 0..12 {
        client.was_told.store(false, Ordering::Relaxed);
        let mut events = open(&executor, request(ENDLESS, 0, 0)).await;
        timeout(PROMPT, events.next()).await.expect("it begins").unwrap().unwrap();
        drop(events);
        timeout(PROMPT, is_told(&client)).await.expect("the client is told");
    }
    assert!(matches!(all(open(&executor, request(1, 0, 0)).await).await.last(), Some(Event::Outcome(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_trace_whether_it_is_read_or_not() {
    let (executor, client) = executor();
    let nothing_wanted = 3;
    for (is_read, first) in [(true, 0), (false, 0), (true, nothing_wanted), (false, nothing_wanted)] {
        client.was_told.store(false, Ordering::Relaxed);
        let mut request = Request::new(request(ENDLESS, first, 0));
        request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
        let mut events = open(&executor, request).await;
        if !is_read {
            timeout(PROMPT, is_told(&client)).await.expect("the client is told");
        }
        let last = async {
            let mut last = None;
            while let Some(event) = events.next().await {
                last = Some(event);
            }
            last.expect("there is an end")
        };
        let last = timeout(PROMPT, last).await.expect("the deadline passes");
        assert_eq!(last.unwrap_err().code(), Code::DeadlineExceeded);
        timeout(PROMPT, is_told(&client)).await.expect("the client is told");
    }
}

async fn is_told(client: &Steps) {
    while !client.was_told.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_take_places_as_executions_do() {
    let (executor, _) = executor();
    let mut running = Vec::new();
    let turned_away = loop {
        match executor.trace(Request::new(request(ENDLESS, 0, 0))).await {
            Ok(events) => running.push(events.into_inner()),
            Err(status) => break status.code(),
        }
    };
    assert_eq!((turned_away, running.len()), (Code::ResourceExhausted, 10)); // two places, eight that wait
    let execution = request(1, 0, 0).execution.unwrap();
    let status = executor.execute(Request::new(execution.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(running);
    let answered = async {
        while executor.execute(Request::new(execution.clone())).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PROMPT, answered).await.expect("the places are free again");
}

#[tokio::test]
async fn a_request_that_is_not_well_formed_is_an_invalid_argument() {
    let (executor, _) = executor();
    let without_root = |mut request: TraceRequest| {
        request.execution.as_mut().unwrap().pre_state_root.clear();
        request
    };
    for bad in [TraceRequest::default(), without_root(request(1, 0, 0))] {
        assert_eq!(executor.trace(Request::new(bad)).await.unwrap_err().code(), Code::InvalidArgument);
    }
}
