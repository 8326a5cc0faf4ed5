//! What is told of a block's transactions, step by step (adapters/CONTRACT.md, "Traces").

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::Spent;
use adapter_host::outcome::Stop;
use adapter_host::rpc::trace_event::Event;
use adapter_host::rpc::{AbstentionReason, Rule, Step, TransactionEnd};
use adapter_host::testing::scene::Scene as _;
use adapter_host::trace::{self, Wanted};
use adapter_host::witness_file::WitnessFile;
use ethrex_adapter::execution;
use ethrex_common::types::{EIP1559Transaction, TxKind};
use ethrex_common::{Address, U256};
use support::{Account, READING_FOR_EVER, Scene, calling, transaction};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const TARGET: Address = Address::repeat_byte(0x77);
const GAS: u64 = 100_000;
const INTRINSIC_GAS: u64 = 21_000;

fn scene(code: &[u8], others: &[(Address, Account)]) -> Scene {
    let mut accounts = others.to_vec();
    accounts.push((CONTRACT, Account::with_code(code)));
    Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, GAS)])
}

/// Depth, program counter, opcode.
fn places(steps: &[Step]) -> Vec<(u32, u32, u32)> {
    steps.iter().map(|step| (step.depth, step.pc, step.op)).collect()
}

fn stack(step: &Step) -> Vec<U256> {
    step.stack.chunks(32).map(U256::from_big_endian).collect()
}

#[test]
fn a_step_is_told_as_it_stands_before_it_is_executed() {
    let steps = scene(&[0x60, 1, 0x60, 2, 0x01, 0x60, 0, 0x52, 0x00], &[]).steps(); // 1 + 2 to memory, STOP
    let opcodes = [(0, 0x60), (2, 0x60), (4, 0x01), (5, 0x60), (7, 0x52), (8, 0x00)];
    assert_eq!(places(&steps), opcodes.map(|(pc, op)| (1, pc, op)));
    let gas: Vec<u64> = steps.iter().map(|step| step.gas).collect();
    let left = GAS - INTRINSIC_GAS;
    assert_eq!(gas, [left, left - 3, left - 6, left - 9, left - 12, left - 18]);
    assert_eq!(steps.iter().map(|step| step.gas_cost).collect::<Vec<_>>(), [3, 3, 3, 3, 6, 0]);
    assert_eq!(steps.iter().map(|step| step.memory_size).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 32]);
    assert_eq!(stack(&steps[2]), [1, 2].map(U256::from)); // the bottom first
    assert!(steps.iter().all(|step| step.account == CONTRACT.as_bytes() && step.error.is_empty()));
}

#[test]
fn a_jump_and_its_destination_are_two_steps() {
    // PUSH1 4 JUMP STOP JUMPDEST, PUSH1 1 PUSH1 10 JUMPI, JUMPDEST, PUSH0 PUSH0 JUMPI
    let steps = scene(&[0x60, 4, 0x56, 0, 0x5b, 0x60, 1, 0x60, 10, 0x57, 0x5b, 0x5f, 0x5f, 0x57], &[]).steps();
    let opcodes = [
        (0, 0x60),
        (2, 0x56),
        (4, 0x5b),
        (5, 0x60),
        (7, 0x60),
        (9, 0x57),
        (10, 0x5b),
        (11, 0x5f),
        (12, 0x5f),
        (13, 0x57),
    ];
    assert_eq!(places(&steps), opcodes.map(|(pc, op)| (1, pc, op)));
    assert_eq!((steps[1].gas_cost, steps[1].gas - steps[2].gas), (8, 8));
    assert_eq!((steps[2].gas_cost, steps[2].gas - steps[3].gas), (1, 1));
    assert_eq!((stack(&steps[1]).len(), stack(&steps[2]).len()), (1, 0));
}

#[test]
fn where_the_gas_ends_at_the_destination_of_a_jump_that_is_a_step_too() {
    let mut scene = scene(&[0x60, 3, 0x56, 0x5b], &[]); // PUSH1 3 JUMP JUMPDEST
    let gas_to_the_destination = INTRINSIC_GAS + 3 + 8;
    let only = |gas_limit| scene_with(&scene, transaction(CONTRACT, 0, gas_limit)).steps();
    let steps = only(gas_to_the_destination);
    assert_eq!(places(&steps), [(1, 0, 0x60), (1, 2, 0x56), (1, 3, 0x5b)]);
    assert_eq!((steps[2].gas, steps[1].error.as_str()), (0, ""));
    assert!(!steps[2].error.is_empty());
    let steps = only(gas_to_the_destination - 1);
    assert_eq!(places(&steps), [(1, 0, 0x60), (1, 2, 0x56)]);
    assert!(!steps[1].error.is_empty());
    scene.body.transactions.clear();
    assert_eq!(scene.bound().steps(), []);
}

/// The same block with another transaction; the accounts stay as they are.
fn scene_with(scene: &Scene, transaction: EIP1559Transaction) -> Scene {
    let accounts: Vec<_> = scene.accounts.clone().into_iter().collect();
    Scene::new("cancun", &accounts, vec![transaction])
}

#[test]
fn an_instruction_that_fails_is_a_step() {
    for (code, last) in [(&[0x50][..], 0x50), (&[0x0c], 0x0c), (&[0xfe], 0xfe), (&[0x5f, 0x56], 0x56)] {
        let steps = scene(code, &[]).steps(); // no word, undefined, INVALID, no destination
        let step = steps.last().unwrap();
        assert_eq!((step.pc as usize, step.op), (code.len() - 1, last));
        assert!(!step.error.is_empty() && !step.error.contains('\n'));
    }
}

#[test]
fn beyond_the_end_of_a_code_there_is_no_step() {
    assert_eq!(places(&scene(&[0x5f], &[]).steps()), [(1, 0, 0x5f)]);
    assert_eq!(places(&scene(&[0x00], &[]).steps()), [(1, 0, 0x00)]);
    assert_eq!(places(&scene(&[0x7f, 1], &[]).steps()), [(1, 0, 0x7f)]); // PUSH32 of one byte
    assert_eq!(scene(&[], &[]).steps(), []);
    // The client opens a frame for an account without code, and executes a STOP there.
    let steps = scene(&calling(TARGET), &[]).steps();
    assert!(steps.iter().all(|step| step.depth == 1), "{steps:?}");
}

#[test]
fn precompiles_and_system_calls_have_no_steps() {
    let identity = Address::from_low_u64_be(4);
    assert!(scene(&calling(identity), &[]).steps().iter().all(|step| step.depth == 1));
    let mut to_it = scene(&[0x00], &[]);
    to_it = scene_with(&to_it, transaction(identity, 0, GAS));
    assert_eq!(to_it.steps(), []);
    let beacon_roots = ethrex_vm::system_contracts::BEACON_ROOTS_ADDRESS.address; // EIP-4788
    let steps = scene(&[0x5f], &[(beacon_roots, Account::with_code(&[0x5f, 0x5f, 0x55]))]).steps();
    assert_eq!(places(&steps), [(1, 0, 0x5f)]);
}

#[test]
fn the_account_is_the_one_whose_storage_is_used() {
    let callee = [(TARGET, Account::with_code(&[0x30]))]; // ADDRESS
    for (opcode, has_value, expected) in
        [(0xf1, true, TARGET), (0xf2, true, CONTRACT), (0xf4, false, CONTRACT), (0xfa, false, TARGET)]
    {
        let mut code = vec![0x5f; if has_value { 5 } else { 4 }];
        code.push(0x73);
        code.extend(TARGET.as_bytes());
        code.extend([0x5a, opcode, 0x00]);
        let steps = scene(&code, &callee).steps();
        let inner: Vec<&Step> = steps.iter().filter(|step| step.depth == 2).collect();
        assert_eq!(inner.len(), 1, "{opcode:#x}");
        assert_eq!((inner[0].op, &inner[0].account[..]), (0x30, expected.as_bytes()), "{opcode:#x}");
        let place = steps.iter().position(|step| step.depth == 2).unwrap();
        assert_eq!(steps[place - 1].op, u32::from(opcode)); // a call stands before what it calls
        assert_eq!(stack(&steps[place + 1]), [U256::one()]);
    }
}

#[test]
fn the_code_that_creates_is_of_the_account_that_it_creates() {
    // PUSH1 ADDRESS PUSH0 MSTORE8, CREATE(value 0, offset 0, size 1)
    let steps = scene(&[0x60, 0x30, 0x5f, 0x53, 0x60, 1, 0x5f, 0x5f, 0xf0, 0x00], &[]).steps();
    let inner = steps.iter().find(|step| step.depth == 2).unwrap();
    let created = &stack(steps.last().unwrap())[0];
    assert_eq!((inner.op, U256::from_big_endian(&inner.account)), (0x30, *created));

    let creating =
        EIP1559Transaction { to: TxKind::Create, data: vec![0x30].into(), ..transaction(Address::zero(), 0, GAS) };
    let steps = Scene::new("cancun", &[], vec![creating]).steps();
    assert_eq!(places(&steps), [(1, 0, 0x30)]);
    assert_ne!(&steps[0].account[..], [0; 20]);
}

/// Code that has 17 words on the stack, executes `opcode` with one byte behind it, and logs what is on top of the stack
/// and in memory then.
fn trying(opcode: u8) -> Vec<u8> {
    let mut code: Vec<u8> = (1..=17).flat_map(|word| [0x60, word]).collect();
    code.extend([opcode, 0x5b]);
    code.extend([0x60, 64, 0x52, 0x60, 128, 0x60, 0, 0xa0]); // PUSH1 64 MSTORE, LOG0(offset 0, size 128)
    code
}

/// The adapter refuses to answer where the traced execution of a transaction ends otherwise than the client's own.
#[test]
fn every_opcode_in_every_fork_does_what_it_does_untraced() {
    let contract = |opcode: u8| Address::from_low_u64_be(0x10000 + u64::from(opcode));
    for fork in ["paris", "shanghai", "cancun", "prague", "osaka", "amsterdam"] {
        let mut succeeded = 0;
        for with_words in [true, false] {
            let code = |opcode| if with_words { trying(opcode) } else { vec![opcode] };
            let mut accounts: Vec<_> =
                (0..=255).map(|opcode| (contract(opcode), Account::with_code(&code(opcode)))).collect();
            for system in ethrex_vm::system_contracts::system_contracts_for_fork(ethrex_common::types::Fork::Amsterdam)
            {
                accounts.push((system.address, Account::with_code(&[0])));
            }
            let transactions = (0..=255).map(|opcode| transaction(contract(opcode), 0, GAS)).collect();
            let (events, result) = Scene::new(fork, &accounts, transactions).traced(0, 0);
            let computed = result.unwrap_or_else(|stop| panic!("{fork}: {stop:?}"));
            let ends: Vec<TransactionEnd> = events
                .into_iter()
                .filter_map(|event| match event {
                    Event::TransactionEnd(end) => Some(end),
                    _ => None,
                })
                .collect();
            assert_eq!((ends.len(), computed.receipts.len()), (256, 256));
            assert!(ends.iter().all(|end| end.steps > 0));
            succeeded += ends.iter().filter(|end| end.succeeded).count();
        }
        assert!(succeeded > 100, "{fork}: {succeeded}");
    }
}

fn two_transactions() -> Scene {
    let accounts = [(CONTRACT, Account::with_code(&[0x5f])), (TARGET, Account::with_code(&[0x5f, 0x5f]))];
    Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, GAS), transaction(TARGET, 0, GAS)])
}

/// "start", "steps", "end" with the transactions' indices.
fn kinds(events: &[Event]) -> Vec<String> {
    let kind = |event: &Event| match event {
        Event::TransactionStart(start) => format!("start {}", start.index),
        Event::Steps(steps) => format!("steps {}", steps.steps.len()),
        Event::TransactionEnd(end) => format!("end {}", end.index),
        Event::Outcome(_) => "outcome".to_owned(),
    };
    events.iter().map(kind).collect()
}

#[test]
fn only_the_transactions_asked_for_are_told_of() {
    let scene = two_transactions();
    let of = |first, count| {
        let (events, result) = scene.traced(first, count);
        assert_eq!(result.unwrap(), scene.computed());
        kinds(&events)
    };
    assert_eq!(of(0, 0), ["start 0", "steps 1", "end 0", "start 1", "steps 2", "end 1"]);
    assert_eq!(of(0, 1), ["start 0", "steps 1", "end 0"]);
    assert_eq!(of(1, 5), ["start 1", "steps 2", "end 1"]);
    assert_eq!(of(2, 1), [] as [String; 0]);
}

#[test]
fn a_start_names_the_transaction_and_an_end_what_came_of_it() {
    let scene = scene(&[0x5f, 0x5f, 0xfd], &[]); // REVERT
    let (events, result) = scene.traced(0, 0);
    let gas_used = result.unwrap().gas_used;
    let [Event::TransactionStart(start), Event::Steps(_), Event::TransactionEnd(end)] = &events[..] else {
        panic!("{events:?}")
    };
    let hash = scene.body.transactions[0].hash(&ethrex_crypto::NativeCrypto);
    assert_eq!((start.index, &start.hash[..]), (0, hash.as_bytes()));
    assert_eq!(*end, TransactionEnd { index: 0, succeeded: false, gas_used, steps: 3 });
}

#[test]
fn what_stops_the_execution_stops_the_trace_and_is_its_outcome() {
    let mut broken = two_transactions();
    let gas_limit = GAS + INTRINSIC_GAS + 1; // after the first one's 2 gas of execution, one too few for the second
    (broken.header.gas_limit, broken.parent.gas_limit) = (gas_limit, gas_limit);
    broken.parent.gas_used = gas_limit / 2; // its target, so the base fee stays
    let (events, result) = broken.bound().traced(0, 0);
    let Err(Stop::Broken(rule)) = result else { panic!("{result:?}") };
    assert_eq!((rule.rule(), kinds(&events)), (Rule::BlockGas, ["start 0", "steps 1", "end 0"].map(Into::into).into()));

    let mut missing = two_transactions();
    missing.codes.retain(|code| code.len() == 1);
    let (events, result) = missing.traced(0, 0);
    let Err(Stop::Abstain(abstention)) = result else { panic!("{result:?}") };
    assert_eq!(abstention.reason(), AbstentionReason::WitnessInsufficient);
    assert_eq!(kinds(&events), ["start 0", "steps 1", "end 0", "start 1"]);
}

#[test]
fn a_trace_on_a_prestate_has_the_same_steps() {
    let scene = scene(&calling(TARGET), &[(TARGET, Account::with_code(&[0x5f, 0x5f, 0x55]))]);
    let beacon_roots = ethrex_vm::system_contracts::BEACON_ROOTS_ADDRESS.address;
    let listed = scene.with_prestate(&scene.listing(&[support::COINBASE, beacon_roots]));
    assert_eq!(listed.steps(), scene.steps());
}

#[test]
fn without_a_reader_the_execution_stops() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let scene = scene_with(&scene(&READING_FOR_EVER, &[]), transaction(CONTRACT, 0, 30_000_000));
    let file = Arc::new(WitnessFile::from_bytes(scene.file().into()).unwrap());
    let (mut trace, events) = trace::open(Wanted { first: 0, count: 0 }, None);
    drop(events);
    let cancelled = Arc::new(AtomicBool::new(false)); // not raised: it is the trace that ends it
    let mut spent = Spent::default();
    let (result, _) = execution::execute_traced(file, &scene.question(), cancelled, &mut spent, &mut trace);
    assert!(matches!(result, Err(Stop::Cancelled)), "{result:?}");
}
