//! A writer of witness files, written from docs/witness-format.md and not from the reader.

use crate::hash::Hash;

const HEADER_LENGTH: usize = 64;
const ENTRY_LENGTH: usize = 24;

pub fn encode_witness(nodes: &[Vec<u8>], codes: &[Vec<u8>], headers: &[Vec<u8>]) -> Vec<u8> {
    let lists: Vec<Vec<u8>> =
        [sorted(nodes), sorted(codes), headers.to_vec()].iter().map(|list| encode_list(list)).collect();
    let first = 12;
    let mut section = Vec::new();
    for offset in [first, first + lists[0].len(), first + lists[0].len() + lists[1].len()] {
        section.extend((offset as u32).to_le_bytes());
    }
    section.extend(lists.concat());
    section
}

fn sorted(elements: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut elements = elements.to_vec();
    elements.sort();
    elements.dedup();
    elements
}

fn encode_list(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    let mut position = 4 * elements.len();
    for element in elements {
        list.extend((position as u32).to_le_bytes());
        position += element.len();
    }
    list.extend(elements.concat());
    list
}

/// `sections`: kind and content, in ascending order.
pub fn encode(chain_id: u64, number: u64, hash: Hash, sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![0; HEADER_LENGTH + ENTRY_LENGTH * sections.len()];
    for (index, (kind, content)) in sections.iter().enumerate() {
        file.resize(file.len().next_multiple_of(8), 0);
        let offset = file.len();
        file.extend(content);
        let entry = &mut file[HEADER_LENGTH + ENTRY_LENGTH * index..][..ENTRY_LENGTH];
        entry[..4].copy_from_slice(&kind.to_le_bytes());
        entry[4..8].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        entry[8..16].copy_from_slice(&(offset as u64).to_le_bytes());
        entry[16..].copy_from_slice(&(content.len() as u64).to_le_bytes());
    }
    file[..4].copy_from_slice(b"EVWF");
    file[4..6].copy_from_slice(&1u16.to_le_bytes());
    file[6..8].copy_from_slice(&(sections.len() as u16).to_le_bytes());
    let total = file.len() as u32;
    file[8..12].copy_from_slice(&total.to_le_bytes());
    file[16..24].copy_from_slice(&chain_id.to_le_bytes());
    file[24..32].copy_from_slice(&number.to_le_bytes());
    file[32..64].copy_from_slice(&hash.0);
    seal(&mut file);
    file
}

/// Sets every checksum to what it should be, as far as the table makes sense.
pub fn seal(file: &mut [u8]) {
    if file.len() < HEADER_LENGTH {
        return;
    }
    let count = usize::from(u16::from_le_bytes([file[6], file[7]]));
    let table_end = (HEADER_LENGTH + ENTRY_LENGTH * count).min(file.len());
    for entry in (HEADER_LENGTH..table_end.saturating_sub(ENTRY_LENGTH - 1)).step_by(ENTRY_LENGTH) {
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        let start = usize::try_from(word(entry + 8)).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(word(entry + 16)).unwrap_or(usize::MAX));
        if let Some(content) = file.get(start..end) {
            let checksum = crc32fast::hash(content).to_le_bytes();
            file[entry + 4..entry + 8].copy_from_slice(&checksum);
        }
    }
    file[12..16].fill(0);
    let checksum = crc32fast::hash(&file[..table_end]).to_le_bytes();
    file[12..16].copy_from_slice(&checksum);
}
