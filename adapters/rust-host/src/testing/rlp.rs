//! An encoder of RLP, written from the yellow paper, appendix B, and not from the reader.

/// Payloads of at most this many bytes have a prefix of one byte.
const SHORT_LIMIT: usize = 55;

pub fn encode_string(payload: &[u8]) -> Vec<u8> {
    match payload {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => prefixed(0x80, payload),
    }
}

/// The shortest big-endian form.
pub fn encode_integer(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    encode_string(&bytes[value.leading_zeros() as usize / 8..])
}

/// A list of items that are encoded already.
pub fn encode_list(items: &[Vec<u8>]) -> Vec<u8> {
    prefixed(0xc0, &items.concat())
}

fn prefixed(offset: u8, payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(payload.len() + 9);
    if payload.len() <= SHORT_LIMIT {
        encoded.push(offset + payload.len() as u8);
    } else {
        let length = payload.len().to_be_bytes();
        let digits = &length[payload.len().leading_zeros() as usize / 8..];
        encoded.push(offset + SHORT_LIMIT as u8 + digits.len() as u8);
        encoded.extend(digits);
    }
    encoded.extend(payload);
    encoded
}
