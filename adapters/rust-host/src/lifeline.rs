//! The end of the process: standard input at end-of-file, SIGTERM, SIGINT. In each case at once, with exit status 0.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// The socket to remove. An inode of 0: not bound yet.
static SOCKET: OnceLock<(PathBuf, AtomicU64)> = OnceLock::new();

/// Has `path` removed when the process ends. Called before the socket is bound.
pub fn remember_socket(path: PathBuf) {
    let _ = SOCKET.set((path, AtomicU64::new(0)));
}

/// Called once the socket is bound: a socket that another process put in its place is left alone.
pub fn socket_is_bound() {
    if let Some((path, inode)) = SOCKET.get()
        && let Ok(metadata) = fs::symlink_metadata(path)
    {
        inode.store(metadata.ino(), Ordering::Release);
    }
}

/// Watches standard input, on a thread of its own: requests that run keep every other thread busy.
pub fn watch_standard_input() -> std::io::Result<()> {
    thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 256];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => end(),
                Ok(_) => {} // the supervisor writes nothing; what comes is not for us
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => end(),
            }
        }
    })?;
    Ok(())
}

/// Watches for SIGTERM and SIGINT.
pub fn watch_signals() -> std::io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        tokio::spawn(async move {
            signals.recv().await;
            end();
        });
    }
    Ok(())
}

/// Writes no log line: it could block where nobody reads standard error any more.
fn end() -> ! {
    if let Some((path, inode)) = SOCKET.get() {
        let inode = inode.load(Ordering::Acquire);
        let is_ours = fs::symlink_metadata(path).is_ok_and(|metadata| inode == 0 || metadata.ino() == inode);
        if is_ours {
            let _ = fs::remove_file(path);
        }
    }
    std::process::exit(0)
}
