//! What counts as a step, and what each step says.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::Spent;
use adapter_host::outcome::Stop;
use adapter_host::rpc::trace_event::Event;
use adapter_host::rpc::{Computed, Step, TraceEvent, TransactionEnd};
use adapter_host::testing::scene::Scene as _;
use adapter_host::trace::{self, Wanted};
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::{Address, U256};
use revm_adapter::execution;
use support::{
    Account, CONTRACT, RECIPIENT, Scene, TARGET, TRANSFER_GAS, contract_scene, crowd, request_contracts, transaction,
};
use tokio_stream::StreamExt;

const GAS: u64 = 200_000 - TRANSFER_GAS; // of the transaction to the contract, once it starts

/// Result, events.
async fn trace(scene: &Scene, first: u32, count: u32) -> (Result<Computed, Stop>, Vec<Event>) {
    let (mut trace, events) = trace::open(Wanted { first, count }, None);
    let file = Arc::new(WitnessFile::from_bytes(scene.file().into()).ok().unwrap());
    let question = scene.question();
    let executing = tokio::task::spawn_blocking(move || {
        let never = Arc::new(AtomicBool::new(false));
        execution::execute(file, &question, never, &mut Spent::default(), Some(&mut trace)).0
    });
    // The host sends the outcome; here the end of the stream is an error.
    let events = events.filter_map(Result::ok).filter_map(|TraceEvent { event }| event).collect().await;
    (executing.await.unwrap(), events)
}

async fn steps_of(scene: &Scene) -> Vec<Step> {
    let (result, events) = trace(scene, 0, 0).await;
    assert_eq!(result.unwrap(), scene.computed());
    steps(&events)
}

fn steps(events: &[Event]) -> Vec<Step> {
    events
        .iter()
        .flat_map(|event| if let Event::Steps(batch) = event { &batch.steps[..] } else { &[] })
        .cloned()
        .collect()
}

/// The steps of a contract with this code.
async fn steps_of_code(code: &[u8]) -> Vec<Step> {
    steps_of(&contract_scene("cancun", code)).await
}

fn places(steps: &[Step]) -> Vec<(u32, u32)> {
    steps.iter().map(|step| (step.pc, step.op)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_what_stands_before_the_instruction() {
    // PUSH1 9, PUSH1 2, SSTORE; the STOP after the end of the code is no step.
    let steps = steps_of_code(&[0x60, 9, 0x60, 2, 0x55]).await;
    assert_eq!(places(&steps), [(0, 0x60), (2, 0x60), (4, 0x55)]);
    let word = |value: u64| U256::from(value).to_be_bytes::<32>().to_vec();
    let stacks: Vec<_> = steps.iter().map(|step| step.stack.to_vec()).collect();
    assert_eq!(stacks, [vec![], word(9), [word(9), word(2)].concat()]); // the bottom first
    assert_eq!(steps.iter().map(|step| step.gas).collect::<Vec<_>>(), [GAS, GAS - 3, GAS - 6]);
    assert!(steps.iter().all(|step| step.depth == 1 && step.account == CONTRACT.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_that_fails_is_a_step() {
    for (code, last) in [
        (vec![0x01], (0, 0x01)),                           // ADD on an empty stack
        (vec![0x5f, 0x0c], (1, 0x0c)),                     // undefined
        (vec![0xfe], (0, 0xfe)),                           // INVALID
        (vec![0x60, 9, 0x56], (2, 0x56)),                  // a jump to nowhere
        (vec![0x63, 255, 255, 255, 255, 0x51], (5, 0x51)), // memory that nobody can pay
        (vec![0x5f, 0x5f, 0xfd], (2, 0xfd)),               // REVERT
        (vec![0x00], (0, 0x00)),                           // STOP in the code
    ] {
        assert_eq!(places(&steps_of_code(&code).await).last(), Some(&last), "{code:02x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_reaches_beyond_the_code_is_its_last_step() {
    assert_eq!(places(&steps_of_code(&[0x5f, 0x7f, 1, 2]).await), [(0, 0x5f), (1, 0x7f)]);
}

/// CALL, CALLCODE, DELEGATECALL or STATICCALL of `target`.
fn calling(instruction: u8, target: Address) -> Vec<u8> {
    let zeros = if matches!(instruction, 0xf1 | 0xf2) { 5 } else { 4 };
    [&vec![0x5f; zeros][..], &[0x73], target.as_slice(), &[0x5a, instruction]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_one_deeper_and_the_account_is_whose_storage_is_used() {
    for (instruction, account) in [(0xf1, TARGET), (0xf2, CONTRACT), (0xf4, CONTRACT), (0xfa, TARGET)] {
        let accounts = [
            (CONTRACT, Account::with_code(&calling(instruction, TARGET))),
            (TARGET, Account::with_code(&[0x5f, 0x54])),
        ];
        let steps = steps_of(&Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 200_000)])).await;
        let inner: Vec<_> = steps.iter().filter(|step| step.depth == 2).collect();
        assert_eq!(inner.iter().map(|step| step.pc).collect::<Vec<_>>(), [0, 1]);
        assert!(inner.iter().all(|step| step.account == account.to_vec()), "{instruction:02x}");
        assert!(steps.iter().filter(|step| step.depth == 1).all(|step| step.account == CONTRACT.to_vec()));
        assert!(steps.iter().all(|step| (1..=2).contains(&step.depth)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn precompiles_and_accounts_without_code_have_no_steps() {
    for target in [Address::with_last_byte(4), RECIPIENT] {
        let code = calling(0xf1, target);
        let steps = steps_of_code(&code).await;
        assert!(steps.iter().all(|step| step.depth == 1));
        assert_eq!(places(&steps).last(), Some(&(code.len() as u32 - 1, 0xf1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_code_uses_the_storage_of_what_it_creates() {
    // PUSH5 (PUSH1 7 PUSH1 9 SSTORE), PUSH0 MSTORE, CREATE(0, 27, 5)
    let code = [0x64, 0x60, 7, 0x60, 9, 0x55, 0x5f, 0x52, 0x60, 5, 0x60, 27, 0x5f, 0xf0];
    let mut scene = contract_scene("cancun", &code);
    scene.accounts.get_mut(&CONTRACT).unwrap().nonce = 1;
    let accounts = scene.accounts.clone();
    let steps = steps_of(&scene.with_state(&accounts).bound()).await;
    let inner: Vec<Step> = steps.into_iter().filter(|step| step.depth == 2).collect();
    assert_eq!(places(&inner), [(0, 0x60), (2, 0x60), (4, 0x55)]);
    assert!(inner.iter().all(|step| step.account == CONTRACT.create(1).to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_have_no_steps() {
    // The request contracts and the beacon root's have code, which is executed in every block.
    let mut accounts = [crowd(), request_contracts()].concat();
    accounts.push((alloy_eips::eip4788::BEACON_ROOTS_ADDRESS, Account::with_code(&[0x5f, 0x5f, 0x55])));
    let scene = Scene::new("prague", &accounts, vec![transaction(RECIPIENT, 1, TRANSFER_GAS)]);
    let (result, events) = trace(&scene, 0, 0).await;
    assert_eq!((result.unwrap(), steps(&events).len()), (scene.computed(), 0));
    let end = TransactionEnd { index: 0, succeeded: true, gas_used: TRANSFER_GAS, steps: 0 };
    assert_eq!(events.last(), Some(&Event::TransactionEnd(end)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_transactions_asked_for_are_traced_and_each_says_how_it_ended() {
    let failing = Address::repeat_byte(0xfe);
    let accounts = [(CONTRACT, Account::with_code(&[0x5f])), (failing, Account::with_code(&[0xfe]))];
    let transactions = [CONTRACT, failing, CONTRACT].map(|to| transaction(to, 0, 50_000)).to_vec();
    let senders: Vec<_> = transactions.iter().map(support::sender).collect();
    let mut scene = Scene::new("cancun", &accounts, transactions);
    // The same transaction twice has the same sender, whose nonce moves on.
    if senders[0] == senders[2] {
        scene.body.transactions.pop();
        scene = scene.bound();
    }
    let (result, events) = trace(&scene, 1, 1).await;
    assert_eq!(result.unwrap(), scene.computed());
    let [Event::TransactionStart(start), Event::Steps(batch), Event::TransactionEnd(end)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((start.index, &start.hash[..]), (1, scene.body.transactions[1].tx_hash().as_slice()));
    assert_eq!(places(&batch.steps), [(0, 0xfe)]);
    assert_eq!(*end, TransactionEnd { index: 1, succeeded: false, gas_used: 50_000, steps: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_an_execution_that_reads_nothing() {
    let looping = [0x5b, 0x5f, 0x56]; // JUMPDEST PUSH0 JUMP
    let mut scene = contract_scene("cancun", &looping);
    let accounts: BTreeMap<_, _> = scene.accounts.clone();
    (scene.parent.gas_limit, scene.parent.gas_used, scene.header.gas_limit) = (1 << 60, 1 << 59, 1 << 60);
    (scene.parent.base_fee_per_gas, scene.header.base_fee_per_gas) = (Some(0), Some(0));
    let tx = alloy_consensus::TxEip1559 { max_fee_per_gas: 0, ..support::unsigned(CONTRACT, 0, 1 << 56) };
    let tx = alloy_consensus::Signed::new_unhashed(tx, support::signature()).into();
    scene.body.transactions = vec![tx];
    let mut accounts = accounts;
    accounts.entry(support::sender(&scene.body.transactions[0])).or_default().balance = 1;
    let scene = scene.with_state(&accounts).bound();

    let (mut trace, mut events) = trace::open(Wanted { first: 0, count: 0 }, None);
    let file = Arc::new(WitnessFile::from_bytes(scene.file().into()).ok().unwrap());
    let question = scene.question();
    let executing = tokio::task::spawn_blocking(move || {
        let never = Arc::new(AtomicBool::new(false));
        execution::execute(file, &question, never, &mut Spent::default(), Some(&mut trace)).0
    });
    for _ in 0..3 {
        events.next().await.unwrap().unwrap();
    }
    drop(events);
    assert!(matches!(executing.await.unwrap(), Err(Stop::Cancelled)));
}
