//! An adapter as a process, and a client of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::rpc::stateless_executor_client::StatelessExecutorClient;
use crate::rpc::{ExecuteRequest, ExecuteResponse};

/// For what may take long on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// For what has to happen at once.
pub const PROMPT: Duration = Duration::from_secs(5);

/// A running adapter. Its methods panic where it does not do what it has to.
pub struct Process {
    pub child: Child,
    pub folder: TempDir,
    pub socket: PathBuf,
    pub channel: Channel,
}

impl Process {
    /// `binary`, started, connected and healthy.
    pub async fn start(binary: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("adapter.sock");
        fs::write(&socket, "what an earlier process left behind").expect("a file in place of the socket");
        let mut command = Command::new(binary);
        command.arg("--socket").arg(&socket).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the adapter starts");
        drop(child.stderr.take()); // a supervisor that does not read, or is gone: logging must not end the process
        let channel = timeout(PATIENCE, connect(&socket)).await.expect("the adapter listens");
        for service in ["", "verifier.rpc.v1.StatelessExecutor"] {
            timeout(PATIENCE, becomes_healthy(channel.clone(), service)).await.expect("the adapter becomes healthy");
        }
        Self { child, folder, socket, channel }
    }

    pub fn client(&self) -> StatelessExecutorClient<Channel> {
        StatelessExecutorClient::new(self.channel.clone())
    }

    pub async fn execute(
        &self,
        request: impl tonic::IntoRequest<ExecuteRequest>,
    ) -> Result<ExecuteResponse, tonic::Status> {
        self.client().execute(request).await.map(tonic::Response::into_inner)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// Waits for the end, which has to come promptly: exit status, and whether the socket is still there.
    pub async fn ended(mut self) -> (ExitStatus, bool) {
        let status = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            loop {
                if let Some(status) = self.child.try_wait().expect("the adapter can be waited for") {
                    return (status, self.socket.exists());
                }
                assert!(started.elapsed() < PROMPT, "the adapter does not end");
                std::thread::yield_now();
            }
        });
        status.await.expect("the adapter ends")
    }
}

/// What `binary` prints when it is run with `arguments`.
pub fn output(binary: &str, arguments: &[&str]) -> Output {
    Command::new(binary).args(arguments).stdin(Stdio::null()).output().expect("the adapter starts")
}

async fn connect(socket: &Path) -> Channel {
    loop {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        match Endpoint::from_static("http://localhost").connect_with_connector(connector).await {
            Ok(channel) => return channel,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

pub async fn becomes_healthy(channel: Channel, service: &str) {
    let request = HealthCheckRequest { service: service.to_owned() };
    let watch = HealthClient::new(channel).watch(request).await.expect("the health service answers");
    let mut watch = watch.into_inner();
    loop {
        let message = watch.message().await.expect("the health service goes on").expect("it does not end");
        if message.status() == ServingStatus::Serving {
            return;
        }
    }
}
