//! The adapter as a process, by the contract that all adapters in Rust share.

mod support;

use std::collections::BTreeMap;

use adapter_host::rpc::execute_request::Witness;
use adapter_host::rpc::{ExecuteRequest, Mode};
use adapter_host::testing::listener_contract;
use adapter_host::testing::process_contract::{self, Subject};
use adapter_host::testing::scene::Scene as _;
use alloy_consensus::{Signed, TxEip1559};
use alloy_primitives::Address;
use revm_adapter::block::Transaction;
use revm_adapter::description::DESCRIPTION;
use revm_adapter::execution::Revm;
use support::{Account, READING_FOR_EVER, Scene, signature, transaction, unsigned};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const BINARY: &str = env!("CARGO_BIN_EXE_revm-adapter");

fn request(scene: &Scene) -> ExecuteRequest {
    ExecuteRequest {
        witness: Some(Witness::Content(scene.file().into())),
        block_hash: scene.hash().to_vec().into(),
        pre_state_root: scene.pre_state_root.to_vec().into(),
        mode: Mode::Proof.into(),
        ..ExecuteRequest::default()
    }
}

/// A block that takes hours.
fn endless() -> Scene {
    let mut accounts = BTreeMap::from([(CONTRACT, Account::with_code(&READING_FOR_EVER))]);
    // Its sender pays nothing for it.
    let tx = Signed::new_unhashed(TxEip1559 { max_fee_per_gas: 0, ..unsigned(CONTRACT, 0, 1 << 56) }, signature());
    let tx = Transaction::Eip1559(tx);
    accounts.insert(support::sender(&tx), Account { balance: 1, ..Account::default() });
    let mut scene = Scene::new("cancun", &[], vec![]);
    (scene.parent.gas_limit, scene.parent.gas_used, scene.header.gas_limit) = (1 << 60, 1 << 59, 1 << 60);
    (scene.parent.base_fee_per_gas, scene.header.base_fee_per_gas) = (Some(0), Some(0));
    scene.body.transactions = vec![tx];
    scene.with_state(&accounts).bound()
}

fn subject() -> Subject {
    let transfer = Scene::new("cancun", &[], vec![transaction(Address::repeat_byte(0x11), 5, 21_000)]);
    Subject {
        binary: BINARY,
        description: DESCRIPTION.into(),
        request: request(&transfer),
        computed: transfer.computed(),
        endless: request(&endless()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executes_by_path_and_by_content_on_a_socket_of_its_own() {
    process_contract::executes_by_path_and_by_content_on_a_socket_of_its_own(subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_well_formed_are_invalid_arguments() {
    process_contract::requests_that_are_not_well_formed_are_invalid_arguments(subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_request_and_its_work() {
    process_contract::a_deadline_ends_the_request_and_its_work(subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_is_told_as_such() {
    process_contract::a_deadline_that_passed_is_told_as_such(subject(), Revm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_places_are_turned_away_and_a_cancelled_one_frees_its_place() {
    process_contract::more_requests_than_places_are_turned_away_and_a_cancelled_one_frees_its_place(subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_with_its_lifeline_also_while_requests_run() {
    process_contract::ends_with_its_lifeline_also_while_requests_run(subject()).await;
}

#[test]
fn describes_itself_in_one_line() {
    process_contract::describes_itself_in_one_line(&subject());
}

#[test]
fn benchmarks_a_file() {
    process_contract::benchmarks_a_file(&subject());
}

#[test]
fn wrong_arguments_have_an_exit_status_of_their_own() {
    process_contract::wrong_arguments_have_an_exit_status_of_their_own(BINARY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_executed_by_its_digest() {
    listener_contract::an_uploaded_file_is_executed_by_its_digest(subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_a_certificate_of_the_authority_are_served() {
    listener_contract::only_clients_with_a_certificate_of_the_authority_are_served(subject()).await;
}

#[test]
fn without_tls_only_loopback_is_listened_on() {
    listener_contract::without_tls_only_loopback_is_listened_on(BINARY);
}
