//! Unsigned varints, as in Go's `encoding/binary`: 7 bits per byte, lowest first, bit 7 = more follow.

/// Bytes of the longest one.
pub(super) const UVARINT_BYTES_MAX: usize = 10;

/// Writes `value` at the start of `out` and returns its length.
pub(super) fn put(out: &mut [u8], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Reads one from the start of `input`. `None` if it is cut off, above 64 bits, or longer than needed: the
/// writer makes the shortest form, so that one index has one encoding.
pub(super) fn take(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..UVARINT_BYTES_MAX {
        let byte = *input.get(at)?;
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * at as u32;
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || at == 0;
            *input = &input[at + 1..];
            return shortest.then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_shortest_form_of_64_bits_is_read() {
        for bad in [
            &[][..],
            &[0x80],
            &[0x80, 0],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(take(&mut { bad }), None, "{bad:x?}");
        }
        assert_eq!(take(&mut &[0xac, 0x02, 9][..]), Some(300));
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(value in any::<u64>(), shift in 0..64_u32) {
            let value = value >> shift;
            let mut bytes = [0; UVARINT_BYTES_MAX];
            let length = put(&mut bytes, value);
            let mut input = &bytes[..length];
            prop_assert_eq!(take(&mut input), Some(value));
            prop_assert!(input.is_empty());
        }
    }
}
