//! How much one compaction takes.

/// Bounds of a plan: what is more becomes several objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inputs of one output, at least 1: they are open at the same time
    /// ([`super::Merge::buffer_bytes_max`]).
    pub inputs_max: usize,
    /// Bytes of the inputs of one output; a single larger object is still taken by itself.
    pub input_bytes_max: u64,
    /// Outputs of one plan, at least 1: with `inputs_max` it bounds the headers that are asked for at once.
    pub outputs_max: usize,
}

impl Limits {
    /// A slot a second makes 30 inputs for level 1, and 10 to 12 for the levels above, so that only a backlog is cut.
    /// 64 inputs take at most 14 MiB of buffers with pages of 64 KiB, 1 MiB with 4 KiB. 1 GiB is a minute or two of
    /// upload: what is lost when the process ends in between.
    pub const DEFAULT: Limits = Limits { inputs_max: 64, input_bytes_max: 1 << 30, outputs_max: 16 };
}
