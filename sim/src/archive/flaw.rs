//! Mistakes of programs that write objects.

use serde::{Deserialize, Serialize};

/// A mistake of a program. The checksum of the object fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as what is wrong")]
pub enum Flaw {
    Magic,
    Flags,
    PageSize,
    NoPages,
    Txids,
    OtherTxids,
    PreApply,
    WalSpan,
    NewerTag,
    NoWriter,
    PagesSwapped,
    PageBeyondCommit,
    LockPage,
    /// Of a snapshot; of others nobody can tell.
    PageLeftOut,
    /// A page by which the database grew is not there.
    GrowthLeftOut,
    PageFlags,
    PageZero,
    BlockSize,
    PageTooShort,
    PageTooLong,
    FrameWithDictionary,
    FrameWithoutEnd,
    NoEndOfPages,
    IndexOffset,
    IndexLength,
    IndexSwapped,
    IndexCutOff,
    IndexLongForm,
    IndexHuge,
    IndexNoEnd,
    IndexSize,
    IndexSizeHuge,
    FileChecksum,
    PostApply,
    /// A file of LiteFS.
    Version1 {
        compressed: bool,
    },
}

impl Flaw {
    /// All of them.
    pub const ALL: &[Flaw] = &[
        Flaw::Magic,
        Flaw::Flags,
        Flaw::PageSize,
        Flaw::NoPages,
        Flaw::Txids,
        Flaw::OtherTxids,
        Flaw::PreApply,
        Flaw::WalSpan,
        Flaw::NewerTag,
        Flaw::NoWriter,
        Flaw::PagesSwapped,
        Flaw::PageBeyondCommit,
        Flaw::LockPage,
        Flaw::PageLeftOut,
        Flaw::GrowthLeftOut,
        Flaw::GrowthLeftOut,
        Flaw::GrowthLeftOut,
        Flaw::PageFlags,
        Flaw::PageZero,
        Flaw::BlockSize,
        Flaw::PageTooShort,
        Flaw::PageTooLong,
        Flaw::FrameWithDictionary,
        Flaw::FrameWithoutEnd,
        Flaw::NoEndOfPages,
        Flaw::IndexOffset,
        Flaw::IndexLength,
        Flaw::IndexSwapped,
        Flaw::IndexCutOff,
        Flaw::IndexLongForm,
        Flaw::IndexHuge,
        Flaw::IndexNoEnd,
        Flaw::IndexSize,
        Flaw::IndexSizeHuge,
        Flaw::FileChecksum,
        Flaw::PostApply,
        Flaw::Version1 { compressed: true },
        Flaw::Version1 { compressed: false },
    ];
}
