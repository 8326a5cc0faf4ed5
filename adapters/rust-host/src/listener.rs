//! `--listen HOST:PORT`: TCP, with TLS in which both sides show a certificate, or on loopback alone.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::arguments::TlsFiles;

/// A peer that opened a connection has to finish the handshake by then.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why there is no server, in one line.
#[derive(Debug, PartialEq, Eq)]
pub enum NoServer {
    /// The command line is at fault.
    Arguments(String),
    /// The machine, or a file, is.
    Failed(String),
}

/// The addresses of HOST:PORT. Without TLS all of them have to be of loopback.
pub fn addresses(text: &str, has_tls: bool) -> Result<Vec<SocketAddr>, NoServer> {
    let wrong = |reason: &str| NoServer::Arguments(format!("--listen {text}: {reason}"));
    let addresses: Vec<SocketAddr> = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(wrong("no address"));
    }
    if !has_tls && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(wrong("not a loopback address, which takes --tls-certificate, --tls-key and --tls-client-ca"));
    }
    Ok(addresses)
}

/// Reads the PEM files.
pub fn tls(files: &TlsFiles) -> Result<ServerTlsConfig, NoServer> {
    let certificate = read(&files.certificate, "CERTIFICATE")?;
    let key = read(&files.key, "PRIVATE KEY")?;
    let client_ca = read(&files.client_ca, "CERTIFICATE")?;
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(client_ca))
        .client_auth_optional(false)
        .timeout(HANDSHAKE))
}

/// label: what the file has to have at least one block of (RFC 7468).
fn read(path: &Path, label: &str) -> Result<Vec<u8>, NoServer> {
    let failed = |reason: &str| NoServer::Failed(format!("{}: {reason}", path.display()));
    let text = fs::read(path).map_err(|error| failed(&error.to_string()))?;
    let is_begin = |line: &[u8]| {
        line.starts_with(b"-----BEGIN ") && line.trim_ascii_end().ends_with(format!("{label}-----").as_bytes())
    };
    if text.split(|&byte| byte == b'\n').any(is_begin) {
        return Ok(text);
    }
    Err(failed(&format!("no PEM block of a {label}")))
}

pub async fn bind(addresses: &[SocketAddr]) -> Result<TcpListener, NoServer> {
    TcpListener::bind(addresses).await.map_err(|error| NoServer::Failed(format!("{}: {error}", addresses[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_loopback_will_do() {
        for text in ["127.0.0.1:0", "127.8.9.10:5", "[::1]:0", "localhost:0"] {
            assert!(addresses(text, false).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:0", "[::]:0", "192.0.2.1:1"] {
            assert!(matches!(addresses(text, false), Err(NoServer::Arguments(_))), "{text}");
            assert!(addresses(text, true).is_ok(), "{text}");
        }
        for text in ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", ":1"] {
            assert!(matches!(addresses(text, true), Err(NoServer::Arguments(_))), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_no_pem_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        let NoServer::Failed(reason) = read(&path, "PRIVATE KEY").unwrap_err() else { panic!("not failed") };
        assert!(reason.contains("key.pem: no PEM block of a PRIVATE KEY"), "{reason}");
        assert!(matches!(read(&folder.path().join("absent"), "CERTIFICATE"), Err(NoServer::Failed(_))));
    }
}
