//! Witness files that were sent ahead of their requests, in memory (adapters/CONTRACT.md, "Uploads").

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::hash::Hash;
use crate::rpc::UploadPart;

/// Bytes of the largest file that is taken, as large as a request's content may be.
const MAX_FILE: u64 = 256 << 20;
/// Bytes of a part, by the contract.
const MAX_PART: usize = 1 << 20;
/// Files that are held whatever their size; a replay asks several requests of the same one or two.
const HELD_FILES: usize = 4;
/// Bytes that are held whatever their number, so that small files are sent once.
const HELD_BYTES: usize = 64 << 20;
/// Uploads that come in at once; more of them wait. Each may take `MAX_FILE`.
const AT_ONCE: usize = 2;
/// An upload of which nothing comes for so long is given up: its sender is gone, and others wait for its place.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// The files held, the least recently used first.
#[derive(Debug)]
pub struct Uploads {
    held: Mutex<Vec<(Hash, Bytes)>>,
    places: Semaphore,
    max_silence: Duration,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { held: Mutex::default(), places: Semaphore::new(AT_ONCE), max_silence: MAX_SILENCE }
    }
}

impl Uploads {
    /// The file with this SHA-256, if it is held (still).
    pub fn get(&self, digest: Hash) -> Option<Bytes> {
        let mut held = self.lock();
        let index = held.iter().position(|(known, _)| *known == digest)?;
        let entry = held.remove(index);
        let file = entry.1.clone();
        held.push(entry);
        Some(file)
    }

    /// Takes a file in parts. Nothing is left of one that breaks off, or that is not what its first part says.
    pub async fn receive(
        &self,
        mut parts: impl Stream<Item = Result<UploadPart, Status>> + Unpin,
    ) -> Result<(), Status> {
        let _place = self.places.acquire().await.map_err(|_| Status::unavailable("the adapter is ending"))?;
        let first = self.next(&mut parts).await?.ok_or_else(|| Status::invalid_argument("an upload without a part"))?;
        let digest = Hash::from_slice(&first.digest)
            .ok_or_else(|| Status::invalid_argument(format!("the digest has {} bytes, not 32", first.digest.len())))?;
        let length = first.length;
        if length > MAX_FILE {
            return Err(Status::resource_exhausted(format!("a file of {length} bytes, at most {MAX_FILE} are taken")));
        }
        // Not reserved at once: the length is only what the sender says.
        let (mut file, mut hasher, mut part) = (BytesMut::new(), Sha256::new(), Some(first));
        while let Some(UploadPart { content, .. }) = part {
            if content.len() > MAX_PART {
                let detail = format!("a part of {} bytes, at most {MAX_PART} are allowed", content.len());
                return Err(Status::invalid_argument(detail));
            }
            if (file.len() + content.len()) as u64 > length {
                return Err(Status::invalid_argument(format!("more than the {length} bytes of the first part")));
            }
            hasher.update(&content);
            file.extend_from_slice(&content);
            part = self.next(&mut parts).await?;
        }
        if file.len() as u64 != length {
            return Err(Status::invalid_argument(format!("{} bytes, the first part says {length}", file.len())));
        }
        let computed = Hash(hasher.finalize().into());
        if computed != digest {
            return Err(Status::invalid_argument(format!("the digest is {computed}, the first part says {digest}")));
        }
        self.hold(digest, file.freeze());
        Ok(())
    }

    async fn next(
        &self,
        parts: &mut (impl Stream<Item = Result<UploadPart, Status>> + Unpin),
    ) -> Result<Option<UploadPart>, Status> {
        let silent = |_| Status::aborted(format!("nothing came for {} s", self.max_silence.as_secs()));
        timeout(self.max_silence, parts.next()).await.map_err(silent)?.transpose()
    }

    fn hold(&self, digest: Hash, file: Bytes) {
        let mut held = self.lock();
        held.retain(|(known, _)| *known != digest);
        held.push((digest, file));
        let mut bytes: usize = held.iter().map(|(_, file)| file.len()).sum();
        while held.len() > HELD_FILES && bytes > HELD_BYTES {
            let (_, forgotten) = held.remove(0);
            bytes -= forgotten.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Hash, Bytes)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn digest(file: &[u8]) -> Hash {
        Hash(Sha256::digest(file).into())
    }

    /// `file` in parts of `size` bytes.
    fn parts(file: &[u8], size: usize) -> Vec<Result<UploadPart, Status>> {
        let mut parts: Vec<UploadPart> = file
            .chunks(size)
            .map(|content| UploadPart { content: content.to_vec().into(), ..UploadPart::default() })
            .collect();
        parts.resize(parts.len().max(1), UploadPart::default());
        (parts[0].digest, parts[0].length) = (digest(file).to_bytes(), file.len() as u64);
        parts.into_iter().map(Ok).collect()
    }

    async fn receive(uploads: &Uploads, parts: Vec<Result<UploadPart, Status>>) -> Result<(), Code> {
        uploads.receive(tokio_stream::iter(parts)).await.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_file_is_found_by_its_digest_however_it_was_cut() {
        let uploads = Uploads::default();
        for (length, size) in [(0, 1), (1, 1), (1000, 7), (3 << 20, 1 << 20)] {
            let file = vec![length as u8; length];
            receive(&uploads, parts(&file, size)).await.unwrap();
            assert_eq!(uploads.get(digest(&file)), Some(file.into()));
        }
        assert_eq!(uploads.get(Hash([1; 32])), None);
    }

    #[tokio::test]
    async fn what_is_not_as_the_first_part_says_leaves_nothing_behind() {
        let file = [7; 100];
        let changed = |change: fn(&mut UploadPart)| {
            let mut parts = parts(&file, 30);
            change(parts[0].as_mut().unwrap());
            parts
        };
        let mut broken_off = parts(&file, 30);
        broken_off[2] = Err(Status::unknown("the connection is gone"));
        for (parts, code) in [
            (vec![], Code::InvalidArgument),
            (changed(|first| first.digest = vec![1; 31].into()), Code::InvalidArgument),
            (changed(|first| first.digest = vec![1; 32].into()), Code::InvalidArgument),
            (changed(|first| first.length += 1), Code::InvalidArgument),
            (changed(|first| first.length -= 1), Code::InvalidArgument),
            (changed(|first| first.length = MAX_FILE + 1), Code::ResourceExhausted),
            (changed(|first| first.content = vec![7; MAX_PART + 1].into()), Code::InvalidArgument),
            (parts(&file, 30)[..3].to_vec(), Code::InvalidArgument),
            (broken_off, Code::Unknown),
        ] {
            let uploads = Uploads::default();
            assert_eq!(receive(&uploads, parts).await, Err(code));
            assert!(uploads.lock().is_empty());
            assert_eq!(uploads.places.available_permits(), AT_ONCE);
        }
    }

    #[tokio::test]
    async fn an_upload_that_falls_silent_is_given_up() {
        let uploads = Uploads { max_silence: Duration::from_millis(1), ..Uploads::default() };
        let silent = tokio_stream::iter(parts(&[7; 100], 30)).take(2).chain(tokio_stream::pending());
        assert_eq!(uploads.receive(silent).await.unwrap_err().code(), Code::Aborted);
    }

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let uploads = Uploads::default();
        let file = |number: u8, megabytes: usize| (Hash([number; 32]), Bytes::from(vec![number; megabytes << 20]));
        let numbers = |uploads: &Uploads| uploads.lock().iter().map(|(digest, _)| digest.0[0]).collect::<Vec<_>>();
        for number in 0..4 {
            let (digest, bytes) = file(number, 20);
            uploads.hold(digest, bytes);
        }
        assert_eq!(numbers(&uploads), [0, 1, 2, 3]); // four, whatever their size
        assert!(uploads.get(Hash([0; 32])).is_some());
        let (digest, bytes) = file(4, 1);
        uploads.hold(digest, bytes);
        assert_eq!(numbers(&uploads), [2, 3, 0, 4]);
        for number in 5..40 {
            uploads.hold(Hash([number; 32]), Bytes::from_static(b"small"));
        }
        assert_eq!(numbers(&uploads).len(), 39); // 61 MiB, whatever their number
    }
}
