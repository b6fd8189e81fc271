//! Decisions out of the bytes of an input: after its end, zeros.

/// Takes an input apart from the front.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pieces of many different lengths, the first byte decides which.
pub(crate) fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (choice, mut rest) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
    let mut state = u32::from(choice);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match choice % 4 {
            0 => rest.len(),
            1 => 1,
            2 => (state >> 24) as usize % 7 + 1,
            _ => (state >> 16) as usize % 5000 + 1,
        };
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        rest = tail;
        Some(piece)
    })
}
