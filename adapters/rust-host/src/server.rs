//! The server, on its unix-domain socket or on TCP: bound, served, healthy once warm.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, panic};

use rustix::fs::Mode as Permissions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::arguments::TlsFiles;
use crate::client::Client;
use crate::deadline::Arrival;
use crate::listener::{self, NoServer};
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
/// On TCP a peer can vanish without a word, and a trace that nobody reads would keep its place.
const KEEPALIVE: Duration = Duration::from_secs(20);
const OWNER_ONLY: u32 = 0o177; // umask for a socket of mode 0600

/// Serves on a unix-domain socket until standard input ends or a signal comes; then the process ends and this does not
/// return.
pub fn serve(socket: &Path, client: impl Client) -> Result<(), NoServer> {
    lifeline::watch_standard_input().map_err(failed)?;
    run(async {
        let listener = bind(socket).map_err(failed)?;
        log::event(format_args!("listening socket={:?}", socket.display().to_string()));
        answer(Server::builder(), UnixListenerStream::new(listener), client).await
    })
}

/// Serves on TCP until a signal comes; then the process ends and this does not return.
pub fn listen(address: &str, tls: Option<&TlsFiles>, client: impl Client) -> Result<(), NoServer> {
    let addresses = listener::addresses(address, tls.is_some())?;
    let mut server =
        Server::builder().http2_keepalive_interval(Some(KEEPALIVE)).http2_keepalive_timeout(Some(KEEPALIVE));
    if let Some(files) = tls {
        let unusable = |error| NoServer::Failed(format!("the TLS files cannot be used: {}", causes(&error)));
        server = server.tls_config(listener::tls(files)?).map_err(unusable)?;
    }
    run(async {
        let listener = listener::bind(&addresses).await?;
        let local = listener.local_addr().map_err(failed)?;
        log::event(format_args!("listening address={local}"));
        answer(server, TcpIncoming::from(listener).with_nodelay(Some(true)), client).await
    })
}

fn run(serving: impl Future<Output = Result<(), NoServer>>) -> Result<(), NoServer> {
    panic::set_hook(Box::new(|information| {
        let place = information.location().map(ToString::to_string).unwrap_or_default();
        log::event(format_args!("panic place={place} message={:?}", panic_message(information.payload())));
    }));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_stack_size(STACK).enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        lifeline::watch_signals().map_err(failed)?;
        serving.await
    })
}

async fn answer<S, E>(
    mut server: Server,
    connections: impl Stream<Item = Result<S, E>>,
    client: impl Client,
) -> Result<(), NoServer>
where
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let client = Arc::new(client);
    let (health, health_service) = tonic_health::server::health_reporter();
    report_health(&health, ServingStatus::NotServing).await;
    tokio::spawn(warm_up_then_report(Arc::clone(&client), health));

    // The request's time runs from its headers on, not from the end of its body.
    let note_arrival = InterceptorLayer::new(|mut request: tonic::Request<()>| {
        request.extensions_mut().insert(Arrival(Instant::now()));
        Ok(request)
    });
    let executor = StatelessExecutorServer::new(Executor::new(client))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    server = server.initial_stream_window_size(FLOW_WINDOW).initial_connection_window_size(FLOW_WINDOW);
    let mut server = server.layer(note_arrival);
    let serving = server.add_service(health_service).add_service(executor).serve_with_incoming(connections);
    serving.await.map_err(|error| NoServer::Failed(causes(&error)))
}

fn failed(error: io::Error) -> NoServer {
    NoServer::Failed(error.to_string())
}

/// An error of tonic's and what caused it: by itself it says only "transport error".
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
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
