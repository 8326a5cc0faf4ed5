//! adapters/CONTRACT.md, `--listen` and "Uploads", against one adapter. Each function is a test; it panics where the adapter
//! does not do what it has to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::certificates::{Authority, SERVER_NAME};
use super::process::{PATIENCE, PROMPT, becomes_healthy, output};
use super::process_contract::Subject;
use crate::rpc::execute_request::Witness;
use crate::rpc::execute_response::Outcome;
use crate::rpc::stateless_executor_client::StatelessExecutorClient;
use crate::rpc::{ExecuteRequest, UploadPart};

/// A part of an upload; the files are small.
const PART: usize = 300; // bytes

/// An adapter that listens on a port of the system's choice; ended when it is dropped.
struct Listening {
    child: Child,
    address: String,
}

impl Listening {
    fn start(binary: &str, tls: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0"]).args(tls);
        // There is no lifeline: that standard input is at its end means nothing.
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the adapter starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = lines.find_map(|line| {
            line.expect("the log is text").strip_prefix("event=listening address=").map(ToOwned::to_owned)
        });
        Self { child, address: address.expect("it says where it listens") }
    }

    async fn channel(&self, tls: Option<ClientTlsConfig>) -> Result<Channel, tonic::transport::Error> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls)?;
        }
        endpoint.connect().await
    }

    /// Sends a signal and waits for the exit status.
    fn terminate(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
        assert!(self.child.wait().expect("it can be waited for").success());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails where it has ended
        let _ = self.child.wait();
    }
}

async fn executes(channel: Channel, subject: &Subject, request: ExecuteRequest) {
    timeout(PATIENCE, becomes_healthy(channel.clone(), "")).await.expect("the adapter becomes healthy");
    let response = StatelessExecutorClient::new(channel).execute(request).await.expect("it answers").into_inner();
    assert_eq!(response.outcome, Some(Outcome::Computed(subject.computed.clone())));
}

pub async fn an_uploaded_file_is_executed_by_its_digest(subject: Subject) {
    let listening = Listening::start(subject.binary, &[]);
    let channel = listening.channel(None).await.expect("it connects");
    let mut client = StatelessExecutorClient::new(channel.clone());
    let file = subject.file();
    let digest = Sha256::digest(file).to_vec();
    let by_digest =
        ExecuteRequest { witness: Some(Witness::Uploaded(digest.clone().into())), ..subject.request.clone() };
    let status = client.execute(by_digest.clone()).await.expect_err("it was not uploaded yet");
    assert_eq!(status.code(), Code::NotFound);

    let mut parts: Vec<UploadPart> = file
        .chunks(PART)
        .map(|content| UploadPart { content: content.to_vec().into(), ..UploadPart::default() })
        .collect();
    (parts[0].digest, parts[0].length) = (digest.into(), file.len() as u64);
    let broken_off = tokio_stream::iter(parts[..parts.len() - 1].to_vec());
    let status = client.upload(broken_off).await.expect_err("it is not complete");
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = client.execute(by_digest.clone()).await.expect_err("nothing is left of it");
    assert_eq!(status.code(), Code::NotFound);

    client.upload(tokio_stream::iter(parts)).await.expect("it is complete");
    for _ in 0..2 {
        executes(channel.clone(), &subject, by_digest.clone()).await;
    }
    let no_digest = ExecuteRequest { witness: Some(Witness::Uploaded(vec![1; 31].into())), ..by_digest };
    let status = client.execute(no_digest).await.expect_err("it is not well-formed");
    assert_eq!(status.code(), Code::InvalidArgument);
    listening.terminate();
}

pub async fn only_clients_with_a_certificate_of_the_authority_are_served(subject: Subject) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ours, another) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign(SERVER_NAME).write(folder.path(), "server");
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, ours.pem()).expect("the authority is written");
    let [certificate, key, authority] = [certificate, key, authority].map(|path| path.display().to_string());
    let files = ["--tls-certificate", &certificate, "--tls-key", &key, "--tls-client-ca", &authority];
    let listening = Listening::start(subject.binary, &files);

    let trusting = || ClientTlsConfig::new().domain_name(SERVER_NAME).ca_certificate(ours.certificate());
    let good = trusting().identity(ours.sign("verifier").identity());
    let channel = listening.channel(Some(good)).await.expect("it connects");
    executes(channel, &subject, subject.request.clone()).await;
    let strangers = [None, Some(trusting()), Some(trusting().identity(another.sign("verifier").identity()))];
    for stranger in strangers {
        let refused = async {
            // With TLS 1.3 the client learns of its refusal only after its own handshake.
            match listening.channel(stranger).await {
                Ok(channel) => StatelessExecutorClient::new(channel).execute(subject.request.clone()).await.is_err(),
                Err(_) => true,
            }
        };
        assert!(timeout(PROMPT, refused).await.expect("it is refused at once"));
    }
    let mistrusting = ClientTlsConfig::new().domain_name(SERVER_NAME).ca_certificate(another.certificate());
    assert!(listening.channel(Some(mistrusting)).await.is_err());
    listening.terminate();
}

pub fn without_tls_only_loopback_is_listened_on(binary: &str) {
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "[::]:0"],
        &["--listen", "127.0.0.1"],
        &["--listen", "127.0.0.1:0", "--tls-key", "key.pem"],
        &["--listen", "127.0.0.1:0", "--socket", "s"],
    ] {
        let output = output(binary, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stderr.iter().filter(|&&byte| byte == b'\n').count(), 1, "{output:?}");
    }
    let absent = ["--tls-certificate", "/absent", "--tls-key", "/absent", "--tls-client-ca", "/absent"];
    let output = output(binary, &[&["--listen", "127.0.0.1:0"][..], &absent].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/absent"));
}
