//! The reader of witness files against files made by a writer of its own, damaged in every way.

use std::fs;
use std::process::Command;

use adapter_host::hash::Hash;
use adapter_host::testing::file::{encode, encode_witness, seal};
use adapter_host::witness_file::WitnessFile;
use proptest::prelude::*;

const HASH: Hash = Hash([7; 32]);

fn lists() -> [Vec<Vec<u8>>; 3] {
    [vec![vec![1; 40], vec![2; 33]], vec![vec![], vec![0x60; 9]], vec![vec![3; 500], vec![4; 501]]]
}

fn sample() -> Vec<u8> {
    let [nodes, codes, headers] = lists();
    let witness = encode_witness(&nodes, &codes, &headers);
    encode(5, 6, HASH, &[(1, vec![9; 13]), (2, witness), (3, b"{}".to_vec()), (99, b"later".to_vec())])
}

fn parse(bytes: &[u8]) -> Result<WitnessFile, String> {
    WitnessFile::from_bytes(bytes.to_vec().into()).map_err(|damage| damage.0)
}

fn elements(file: &WitnessFile, places: &[std::ops::Range<usize>]) -> Vec<Vec<u8>> {
    places.iter().map(|place| file.bytes()[place.clone()].to_vec()).collect()
}

#[test]
fn finds_every_part() {
    let file = parse(&sample()).unwrap();
    assert_eq!((file.chain_id, file.number, file.block_hash), (5, 6, HASH));
    assert_eq!((file.block(), file.chain_config()), (&[9; 13][..], &b"{}"[..]));
    let [nodes, codes, headers] = lists();
    assert_eq!(elements(&file, &file.nodes), nodes);
    assert_eq!(elements(&file, &file.codes), codes);
    assert_eq!(elements(&file, &file.headers), headers);
}

#[test]
fn empty_lists_are_lists() {
    let file = parse(&encode(1, 1, HASH, &[(1, vec![]), (2, encode_witness(&[], &[], &[])), (3, vec![])])).unwrap();
    assert!(file.nodes.is_empty() && file.codes.is_empty() && file.headers.is_empty());
}

#[test]
fn names_a_required_section_that_is_missing() {
    let all = [(1, vec![]), (2, encode_witness(&[], &[], &[])), (3, vec![])];
    for left_out in 0..3 {
        let kept: Vec<_> = all.iter().filter(|(kind, _)| *kind != left_out as u32 + 1).cloned().collect();
        let reason = parse(&encode(1, 1, HASH, &kept)).err().unwrap();
        assert_eq!(reason, format!("required section {} is missing", left_out + 1));
    }
}

#[test]
fn refuses_every_disorder_of_the_table() {
    let sections = [(1, vec![1; 8]), (2, encode_witness(&[], &[], &[])), (3, vec![])];
    let good = encode(1, 1, HASH, &sections);
    assert!(parse(&good).is_ok());
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        seal(&mut bytes);
        parse(&bytes).err()
    };
    assert!(patched(0, b"X").unwrap().contains("magic"));
    assert!(patched(4, &[2]).unwrap().contains("version 2"));
    assert!(patched(6, &[0]).unwrap().contains("section count 0"));
    assert!(patched(6, &[65]).unwrap().contains("section count 65"));
    assert!(patched(8, &[1]).unwrap().contains("the header says"));
    assert!(patched(64, &[2]).unwrap().contains("ascending"));
    assert!(patched(64 + 8, &[144]).unwrap().contains("not at its place"));
    assert!(patched(64 + 16, &[255; 8]).unwrap().contains("not at its place"));
    let longer = encode(1, 1, HASH, &[(1, vec![1; 3]), (2, encode_witness(&[], &[], &[])), (3, vec![])]);
    let padding = 64 + 3 * 24 + 3;
    let mut dirty = longer.clone();
    dirty[padding] = 1;
    assert!(parse(&dirty).err().unwrap().contains("padding"));
    let mut trailing = good.clone();
    trailing.extend([0; 8]);
    let total = (trailing.len() as u32).to_le_bytes();
    trailing[8..12].copy_from_slice(&total);
    seal(&mut trailing);
    assert!(parse(&trailing).err().unwrap().contains("after the last section"));
}

#[test]
fn refuses_wrong_offsets_of_the_witness_lists() {
    for (at, value) in [(0, 13u32), (4, 11), (8, 1 << 30), (12, 5), (12, 0), (12, 1 << 20), (16, 1 << 20), (16, 1)] {
        let mut witness = encode_witness(&lists()[0], &[], &[]);
        witness[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let reason = parse(&encode(1, 1, HASH, &[(1, vec![]), (2, witness), (3, vec![])])).err();
        assert!(reason.is_some_and(|reason| reason.contains("offset")), "{at} {value}");
    }
}

#[test]
fn opens_regular_files_only_and_does_not_hang_on_a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.witness");
    fs::write(&path, sample()).unwrap();
    assert_eq!(WitnessFile::open(&path).ok().unwrap().bytes(), sample());
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for wrong in [&fifo, &folder.path().to_path_buf()] {
        assert!(WitnessFile::open(wrong).err().unwrap().0.contains("regular file"), "{}", wrong.display());
    }
    assert!(WitnessFile::open(&folder.path().join("absent")).is_err());
    fs::write(&path, [0; 63]).unwrap();
    assert!(WitnessFile::open(&path).err().unwrap().0.contains("no size"));
}

proptest! {
    #[test]
    fn a_changed_byte_is_always_noticed(at in 0usize..4096, change in 1u8..) {
        let mut bytes = sample();
        let at = at % bytes.len();
        bytes[at] ^= change;
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn a_truncated_file_is_always_noticed(length in 0usize..4096) {
        let bytes = sample();
        prop_assert!(parse(&bytes[..length % bytes.len()]).is_err());
    }

    // With good checksums the damage gets to the inner checks; whatever passes lies within the file.
    #[test]
    fn sealed_damage_never_leads_outside_the_file(changes in prop::collection::vec((0usize..4096, any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        seal(&mut bytes);
        if let Ok(file) = parse(&bytes) {
            for place in file.nodes.iter().chain(&file.codes).chain(&file.headers) {
                prop_assert!(place.start <= place.end && place.end <= bytes.len());
            }
            prop_assert!(file.block().len() + file.chain_config().len() <= bytes.len());
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(parse(&bytes).is_err());
    }
}
