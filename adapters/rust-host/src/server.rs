//! The server on its unix-domain socket: bound, served, healthy once warm.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use std::{fs, io, panic};

use rustix::fs::Mode as Permissions;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::client::Client;
use crate::deadline::Arrival;
use crate::rpc::stateless_executor_server::StatelessExecutorServer;
use crate::service::Executor;
use crate::work::panic_message;
use crate::{lifeline, log};

/// Names that the health service answers for (adapters/CONTRACT.md, 6).
const HEALTH_NAMES: [&str; 2] = ["", "verifier.rpc.v1.StatelessExecutor"];
const MAX_REQUEST: usize = 264 << 20; // bytes; a witness file of 256 MiB and what is around it
const MAX_RESPONSE: usize = 64 << 20; // bytes
const FLOW_WINDOW: u32 = 8 << 20; // bytes; the default of 64 KiB makes large requests wait for acknowledgements
const STACK: usize = 16 << 20; // bytes a thread, reserved but not touched unless needed
const OWNER_ONLY: u32 = 0o177; // umask for a socket of mode 0600

/// Serves until standard input ends or a signal comes; then the process ends and this does not return.
pub fn serve(socket: &Path, client: impl Client) -> Result<(), Box<dyn Error>> {
    panic::set_hook(Box::new(|information| {
        let place = information.location().map(ToString::to_string).unwrap_or_default();
        log::event(format_args!("panic place={place} message={:?}", panic_message(information.payload())));
    }));
    lifeline::watch_standard_input()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).thread_stack_size(STACK).enable_all().build()?.block_on(listen(socket, Arc::new(client)))
}

async fn listen(socket: &Path, client: Arc<impl Client>) -> Result<(), Box<dyn Error>> {
    lifeline::watch_signals()?;
    let listener = bind(socket)?;
    let (health, health_service) = tonic_health::server::health_reporter();
    report_health(&health, ServingStatus::NotServing).await;
    tokio::spawn(warm_up_then_report(Arc::clone(&client), health));
    log::event(format_args!("listening socket={:?}", socket.display().to_string()));

    // The request's time runs from its headers on, not from the end of its body.
    let note_arrival = InterceptorLayer::new(|mut request: tonic::Request<()>| {
        request.extensions_mut().insert(Arrival(Instant::now()));
        Ok(request)
    });
    let executor = StatelessExecutorServer::new(Executor::new(client))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    Server::builder()
        .initial_stream_window_size(FLOW_WINDOW)
        .initial_connection_window_size(FLOW_WINDOW)
        .layer(note_arrival)
        .add_service(health_service)
        .add_service(executor)
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await?;
    Ok(())
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    lifeline::remember_socket(PathBuf::from(socket));
    let previous = rustix::process::umask(Permissions::from_raw_mode(OWNER_ONLY));
    let listener = UnixListener::bind(socket);
    rustix::process::umask(previous);
    lifeline::socket_is_bound();
    listener
}

async fn warm_up_then_report(client: Arc<impl Client>, health: HealthReporter) {
    let started = Instant::now();
    let is_warm = matches!(tokio::task::spawn_blocking(move || client.warm_up()).await, Ok(true));
    log::event(format_args!("warm ok={is_warm} elapsed_ms={}", started.elapsed().as_millis()));
    if is_warm {
        report_health(&health, ServingStatus::Serving).await;
    }
}

async fn report_health(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}
