//! Splitting of RLP into items, strictly canonical.
//!
//! It stands before a client's own decoder where bytes come from outside: such decoders accept less than canonical
//! input in places, and some can panic. Source: yellow paper, appendix B.

/// One RLP item: `payload` without its prefix, `encoded` with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    pub is_list: bool,
    pub payload: &'a [u8],
    pub encoded: &'a [u8],
}

/// Why bytes are not canonical RLP.
pub type Malformed = &'static str;

const SHORT_LIMIT: usize = 55; // bytes; longer payloads have a length of their own

/// The first item of `input`, and the bytes after it.
pub fn split(input: &[u8]) -> Result<(Item<'_>, &[u8]), Malformed> {
    let &first = input.first().ok_or("no item where one is expected")?;
    let (is_list, header, length) = match first {
        0..=0x7f => (false, 0, 1),
        0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
        0xb8..=0xbf => (false, 1 + usize::from(first - 0xb7), long_length(input, first - 0xb7)?),
        0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
        0xf8..=0xff => (true, 1 + usize::from(first - 0xf7), long_length(input, first - 0xf7)?),
    };
    let end = header.checked_add(length).filter(|&end| end <= input.len()).ok_or("item is longer than its input")?;
    let payload = &input[header..end];
    if first == 0x81 && payload[0] < 0x80 {
        return Err("single byte with a needless prefix");
    }
    Ok((Item { is_list, payload, encoded: &input[..end] }, &input[end..]))
}

fn long_length(input: &[u8], size: u8) -> Result<usize, Malformed> {
    let digits = input.get(1..1 + usize::from(size)).ok_or("length is truncated")?;
    if digits[0] == 0 {
        return Err("length has leading zeros");
    }
    let length = digits
        .iter()
        .try_fold(0usize, |value, &digit| value.checked_mul(256)?.checked_add(usize::from(digit)))
        .ok_or("length does not fit")?;
    if length <= SHORT_LIMIT { Err("long form of a short length") } else { Ok(length) }
}

/// `input` as exactly one list; the result iterates over the items in it.
pub fn list(input: &[u8]) -> Result<Items<'_>, Malformed> {
    match split(input)? {
        (_, [_, ..]) => Err("bytes after the item"),
        (Item { is_list: false, .. }, _) => Err("a string where a list is expected"),
        (Item { payload, .. }, _) => Ok(Items { rest: payload }),
    }
}

/// The items of a list, in order; ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = split(self.rest);
        self.rest = result.as_ref().map_or(&[], |(_, rest)| rest);
        Some(result.map(|(item, _)| item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rlp::{encode_list, encode_string};
    use proptest::prelude::*;

    #[test]
    fn refuses_every_way_to_write_an_item_longer_than_needed() {
        for bytes in [
            &[0x81, 0x7f][..],   // a byte below 0x80 is its own encoding
            &[0xb8, 0x01, 0x80], // one byte in the long form
            &[0xb9, 0x00, 0x38], // a length with a leading zero
            &[0xf8, 0x01, 0x80], // the same for a list
            &[0x83, 1, 2],       // truncated
            &[0xbf, 255, 255, 255, 255, 255, 255, 255, 255],
            &[],
        ] {
            assert!(split(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_list_is_exactly_one_item() {
        assert_eq!(list(&[0xc2, 1, 2]).unwrap().count(), 2);
        assert!(list(&[0xc2, 1, 2, 0]).is_err());
        assert!(list(&[0x82, 1, 2]).is_err());
        assert_eq!(list(&[0xc2, 1, 0xb8]).unwrap().filter(Result::is_err).count(), 1);
    }

    proptest! {
        #[test]
        fn splits_what_was_encoded(strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..9)) {
            let encoded = encode_list(&strings.iter().map(|string| encode_string(string)).collect::<Vec<_>>());
            let items: Vec<Vec<u8>> = list(&encoded).unwrap().map(|item| item.unwrap().payload.to_vec()).collect();
            prop_assert_eq!(items, strings);
        }

        #[test]
        fn never_panics_and_never_reads_past_the_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((item, rest)) = split(&bytes) {
                prop_assert_eq!(item.encoded.len() + rest.len(), bytes.len());
                prop_assert!(item.payload.len() <= item.encoded.len());
            }
        }
    }
}
