//! A request, read: where its witness is, and what it asks. What is not well-formed is an error of gRPC.

use std::path::PathBuf;

use bytes::Bytes;
use tonic::Status;

use crate::client::Question;
use crate::hash::Hash;
use crate::rpc::execute_request::Witness;
use crate::rpc::{DescribeResponse, ExecuteRequest, Mode};
use crate::uploads::Uploads;

/// Where the witness is.
#[derive(Debug)]
pub enum Source {
    Path(PathBuf),
    Content(Bytes),
}

/// description: of the client that is asked.
pub fn read(
    request: ExecuteRequest,
    description: &DescribeResponse,
    uploads: &Uploads,
) -> Result<(Source, Question), Status> {
    let question = Question {
        block_hash: hash(&request.block_hash, "block_hash")?,
        pre_state_root: hash(&request.pre_state_root, "pre_state_root")?,
        mode: mode(request.mode, description)?,
        chain_config: request.chain_config,
        parent_header_optional: request.parent_header_optional,
        ancestor_hashes: request
            .ancestor_hashes
            .iter()
            .map(|ancestor| Ok((ancestor.number, hash(&ancestor.hash, "an ancestor's hash")?)))
            .collect::<Result<_, Status>>()?,
    };
    let source = match request.witness {
        Some(Witness::Path(path)) if path.starts_with('/') => Source::Path(path.into()),
        Some(Witness::Path(_)) => return Err(Status::invalid_argument("the witness's path is not absolute")),
        Some(Witness::Content(content)) => Source::Content(content),
        Some(Witness::Uploaded(digest)) => {
            let digest = hash(&digest, "uploaded")?;
            let not_held = || Status::not_found(format!("no upload {digest} is held"));
            Source::Content(uploads.get(digest).ok_or_else(not_held)?)
        }
        None => return Err(Status::invalid_argument("no witness")),
    };
    Ok((source, question))
}

fn hash(bytes: &Bytes, name: &str) -> Result<Hash, Status> {
    let wrong = || Status::invalid_argument(format!("{name} has {} bytes, not 32", bytes.len()));
    Hash::from_slice(bytes).ok_or_else(wrong)
}

/// A request that names no mode means proof.
fn mode(number: i32, description: &DescribeResponse) -> Result<Mode, Status> {
    let unknown = |_| Status::invalid_argument(format!("mode {number} is not known"));
    let mode = match Mode::try_from(number).map_err(unknown)? {
        Mode::Unspecified => Mode::Proof,
        mode => mode,
    };
    if description.modes().any(|listed| listed == mode) {
        return Ok(mode);
    }
    Err(Status::invalid_argument(format!("{} does not have {}", description.client_name, mode.as_str_name())))
}
