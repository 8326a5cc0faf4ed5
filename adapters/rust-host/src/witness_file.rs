//! The witness file, version 1: opened, mapped, checked, and its sections found. docs/witness-format.md describes it.

use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;
use rustix::fs::OFlags;

use crate::hash::Hash;

const MAGIC: [u8; 4] = *b"EVWF";
const VERSION: u16 = 1;
const HEADER_LENGTH: usize = 64; // bytes
const ENTRY_LENGTH: usize = 24; // bytes, of the section table
const CHECKSUM: Range<usize> = 12..16; // within the header
const MAX_SECTIONS: usize = 64;
const MAX_LENGTH: usize = 1 << 30; // bytes
const MAX_ELEMENTS: usize = 1 << 24; // a list of the witness section
const ALIGNMENT: usize = 8;

const BLOCK: u32 = 1;
const WITNESS: u32 = 2;
const CHAIN_CONFIG: u32 = 3;
const PRESTATE: u32 = 4;

/// Why a file is refused, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile(pub String);

impl From<&str> for DamagedFile {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

enum Storage {
    Mapped(Mmap),
    Owned(Bytes),
}

/// A checked witness file. Its parts are slices of the mapping (or of the request's bytes): nothing is copied.
pub struct WitnessFile {
    storage: Storage,
    pub chain_id: u64,
    pub number: u64,
    pub block_hash: Hash,
    block: Range<usize>,
    chain_config: Range<usize>,
    prestate: Option<Range<usize>>,
    /// Places of the trie nodes (RLP), the codes and the headers (RLP, ascending, the parent last).
    pub nodes: Vec<Range<usize>>,
    pub codes: Vec<Range<usize>>,
    pub headers: Vec<Range<usize>>,
}

impl WitnessFile {
    /// Maps `path` read-only. Only a regular file is opened; a FIFO or device in its place does not hang.
    pub fn open(path: &Path) -> Result<Self, DamagedFile> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let failed = |error: io::Error| DamagedFile(format!("{}: {error}", path.display()));
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(DamagedFile(format!("{}: not a regular file", path.display())));
        }
        if metadata.len() < HEADER_LENGTH as u64 || metadata.len() > MAX_LENGTH as u64 {
            return Err(DamagedFile(format!("{} bytes is no size of a witness file", metadata.len())));
        }
        // SAFETY: a published witness file is never changed or truncated, only unlinked or replaced by rename
        // (docs/witness-format.md, "Writing and reading"), so the mapped bytes stay as they are.
        let mapping = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Self::parse(Storage::Mapped(mapping))
    }

    /// The same for bytes that came with the request.
    pub fn from_bytes(content: Bytes) -> Result<Self, DamagedFile> {
        Self::parse(Storage::Owned(content))
    }

    /// All bytes of the file; the ranges of this struct are places in it.
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Mapped(mapping) => mapping,
            Storage::Owned(content) => content,
        }
    }

    /// RLP `[header, transactions, uncles, withdrawals?]`.
    pub fn block(&self) -> &[u8] {
        &self.bytes()[self.block.clone()]
    }

    /// The `config` object of a geth genesis, JSON.
    pub fn chain_config(&self) -> &[u8] {
        &self.bytes()[self.chain_config.clone()]
    }

    /// RLP of accounts and slots before the block, where the file has it; `prestate` reads it.
    pub fn prestate(&self) -> Option<&[u8]> {
        self.prestate.clone().map(|place| &self.bytes()[place])
    }

    fn parse(storage: Storage) -> Result<Self, DamagedFile> {
        let data: &[u8] = match &storage {
            Storage::Mapped(mapping) => mapping,
            Storage::Owned(content) => content,
        };
        let count = check_header(data)?;
        let [mut block, mut witness, mut chain_config, mut prestate] = [None, None, None, None];
        for (kind, place) in sections(data, count)? {
            match kind {
                BLOCK => block = Some(place),
                WITNESS => witness = Some(place),
                CHAIN_CONFIG => chain_config = Some(place),
                PRESTATE => prestate = Some(place),
                _ => {} // optional, or of a later version: its checksum is checked, its content is not ours
            }
        }
        let missing = |kind| DamagedFile(format!("required section {kind} is missing"));
        let witness = witness.ok_or_else(|| missing(WITNESS))?;
        let [nodes, codes, headers] = witness_lists(data, witness)?;
        Ok(Self {
            chain_id: u64_at(data, 16),
            number: u64_at(data, 24),
            block_hash: Hash(data[32..64].try_into().expect("the header has 64 bytes")),
            block: block.ok_or_else(|| missing(BLOCK))?,
            chain_config: chain_config.ok_or_else(|| missing(CHAIN_CONFIG))?,
            prestate,
            nodes,
            codes,
            headers,
            storage,
        })
    }
}

/// Checks header and section table but for the sections' places; returns the section count.
fn check_header(data: &[u8]) -> Result<usize, DamagedFile> {
    if data.len() < HEADER_LENGTH {
        return Err(DamagedFile(format!("{} bytes, too short for a witness file", data.len())));
    }
    if data[..4] != MAGIC {
        return Err("not a witness file (wrong magic)".into());
    }
    let version = u16::from_le_bytes([data[4], data[5]]);
    if version != VERSION {
        return Err(DamagedFile(format!("version {version} of the witness file is not known, only {VERSION}")));
    }
    let total = u32_at(data, 8) as usize;
    if total != data.len() || total > MAX_LENGTH {
        return Err(DamagedFile(format!("{} bytes, the header says {total} (at most {MAX_LENGTH})", data.len())));
    }
    let count = usize::from(u16::from_le_bytes([data[6], data[7]]));
    let table_end = HEADER_LENGTH + ENTRY_LENGTH * count;
    if count == 0 || count > MAX_SECTIONS || table_end > total {
        return Err(DamagedFile(format!("section count {count} is out of bounds")));
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&data[..CHECKSUM.start]);
    checksum.update(&[0; 4]);
    checksum.update(&data[CHECKSUM.end..table_end]);
    if checksum.finalize() != u32_at(data, CHECKSUM.start) {
        return Err("checksum of the header and section table is wrong".into());
    }
    Ok(count)
}

/// Kind and place of every section, all checks of the table and of the sections' checksums done.
fn sections(data: &[u8], count: usize) -> Result<Vec<(u32, Range<usize>)>, DamagedFile> {
    let mut result = Vec::with_capacity(count);
    let mut position = HEADER_LENGTH + ENTRY_LENGTH * count;
    let mut previous_kind = None;
    for entry in data[HEADER_LENGTH..position].chunks_exact(ENTRY_LENGTH) {
        let kind = u32_at(entry, 0);
        if previous_kind.is_some_and(|previous| kind <= previous) {
            return Err("section kinds are not in ascending order".into());
        }
        previous_kind = Some(kind);
        let start = position.next_multiple_of(ALIGNMENT);
        let end = usize::try_from(u64_at(entry, 16)).ok().and_then(|length| start.checked_add(length));
        let Some(end) = end.filter(|&end| u64_at(entry, 8) == start as u64 && end <= data.len()) else {
            return Err(DamagedFile(format!("section {kind} is not at its place")));
        };
        if data[position..start].iter().any(|&byte| byte != 0) {
            return Err(DamagedFile(format!("padding before section {kind} is not zero")));
        }
        if crc32fast::hash(&data[start..end]) != u32_at(entry, 4) {
            return Err(DamagedFile(format!("checksum of section {kind} is wrong")));
        }
        result.push((kind, start..end));
        position = end;
    }
    if position != data.len() {
        return Err(DamagedFile(format!("{} bytes after the last section", data.len() - position)));
    }
    Ok(result)
}

/// Places of the elements of `state`, `codes` and `headers` of the SSZ container at `section`.
fn witness_lists(data: &[u8], section: Range<usize>) -> Result<[Vec<Range<usize>>; 3], DamagedFile> {
    let bytes = &data[section.clone()];
    if bytes.len() < 12 {
        return Err("witness section is truncated".into());
    }
    let [state, codes, headers] = [0, 4, 8].map(|at| u32_at(bytes, at) as usize);
    if state != 12 || codes < state || headers < codes || bytes.len() < headers {
        return Err("witness section has wrong offsets".into());
    }
    let list = |from, to, name| list_elements(data, section.start + from..section.start + to, name);
    Ok([list(state, codes, "state")?, list(codes, headers, "codes")?, list(headers, bytes.len(), "headers")?])
}

fn list_elements(data: &[u8], list: Range<usize>, name: &str) -> Result<Vec<Range<usize>>, DamagedFile> {
    let bytes = &data[list.clone()];
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let first = if bytes.len() < 4 { 0 } else { u32_at(bytes, 0) as usize };
    if first == 0 || first % 4 != 0 || first > bytes.len() || first / 4 > MAX_ELEMENTS {
        return Err(DamagedFile(format!("witness list {name} has a wrong first offset {first}")));
    }
    let mut elements = Vec::with_capacity(first / 4);
    let mut start = first;
    for next in (4..first).step_by(4).map(|at| u32_at(bytes, at) as usize).chain([bytes.len()]) {
        if next < start || next > bytes.len() {
            return Err(DamagedFile(format!("witness list {name} has offsets out of order or out of bounds")));
        }
        elements.push(list.start + start..list.start + next);
        start = next;
    }
    Ok(elements)
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    u64::from(u32_at(data, at)) | u64::from(u32_at(data, at + 4)) << 32
}
