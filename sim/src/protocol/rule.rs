//! The rules of the protocol, each by name: what the writers do when it is off is the mistake it prevents.

use std::fmt;

/// A rule. The number in brackets is that of docs/design.md section 4, or its section.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// (1) At most one slot is outstanding.
    OneOutstanding,
    /// (2) A slot is put only if it is absent.
    SlotIfAbsent,
    /// (2) So is every object above level 0.
    UpperIfAbsent,
    /// (2) So is the completion of a multipart upload.
    CompletionIfAbsent,
    /// (3) A refusal proves nothing before the object was read back.
    ReadBack,
    /// (3) The state directory knows the ids of all lives, not only of this one.
    OwnLives,
    /// (3) An object with an id of ours is ours only if a record of its bytes says so.
    Records,
    /// (3) The record is durable before the slot is sent.
    RecordFirst,
    /// (3) Each life has its own id.
    IdPerLife,
    /// (3) After a 409 the same request is sent again.
    ConflictRetried,
    /// (3) After a 409 on a completion all parts are sent again.
    AllPartsAgain,
    /// (3) Who lost the place does not take it back by itself.
    FencedStays,
    /// (4) The head is the largest TXID over all levels.
    HeadOverLevels,
    /// (4) And over the state directory: no number is used twice.
    HeadOverState,
    /// (4) A head that no chain reaches gets an image on top.
    ImageOnBrokenHead,
    /// (5) Only the creator of `manifest.json` writes the first image.
    ManifestFirst,
    /// (5) An empty place with another's claim begins at slot 2.
    StrangersBeginAtTwo,
    /// (5) Durable is announced after the claim slot, not after the first image.
    DurableAfterClaim,
    /// (5) The first image counts only while the claim slot continues it.
    ImageNeedsClaim,
    /// (6) Only `take_over` allows to continue another's head.
    TakeOverAsked,
    /// (6) The proof that a restore left must equal the head: position and checksum.
    ExactProof,
    /// (7) A take-over puts a claim slot first.
    ClaimFirst,
    /// (7) A claim counts only if it is the head when the place is listed again.
    ClaimRechecked,
    /// (7) Where the claim is an image: before its snapshot, which would count although the claim does not.
    ImageRechecked,
    /// (7) Claim slots are never deleted.
    ClaimsStay,
    /// (8) Every listing is a head check.
    ListingChecksHead,
    /// (8) List again before a slot when the last confirmation is old.
    OldConfirmation,
    /// (8) An answer that came late acknowledges nothing before a listing.
    LateAnswer,
    /// (9) Compaction does not merge across a full image.
    ImageEndsChain,
    /// (9) The snapshot of a full image comes before the next slot.
    SnapshotBeforeNext,
    /// (10) A slot that arrived after a level above 0 had its TXID is dead.
    LateIsDead,
    /// (10) What convicts a dead object stays until that is deleted.
    ConvictionStays,
    /// (section 5) A slot that an earlier life sent and that may still land is settled by taking its number.
    Settle,
    /// (section 6) Levels above 0 hold acknowledged slots only.
    Acknowledged,
    /// (section 6) Compaction checks that its inputs link.
    CompactionLinks,
    /// (section 6) A slot is deleted only when a level above 0 contains it.
    Contained,
    /// (section 6) And only when that is old, by the store's dates.
    Aged,
    /// (section 6) And never the newest one.
    NewestStays,
    /// (section 6) A snapshot goes because of a newer one, never because of an older one.
    SnapshotsThinForward,
    /// (section 7) Restore follows the chain of checksums, not names.
    RestoreLinks,
}

/// Where a rule is shown to be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Without it, this scenario ends badly.
    In(&'static str),
    /// Others cover for it: without it *and* this other rule the scenario ends badly; without the other alone it
    /// does not.
    Behind(Rule, &'static str),
    /// The model does not show it, for this reason.
    NotShown(&'static str),
}

/// Which rules are off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    off: Vec<Rule>,
}

impl Rules {
    /// All of them.
    pub fn all() -> Rules {
        Rules::default()
    }

    /// All but these.
    pub fn without(off: &[Rule]) -> Rules {
        Rules { off: off.to_vec() }
    }

    /// Whether a rule is followed.
    pub fn has(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }
}

impl Rule {
    /// Every rule, in the order of the design.
    pub const ALL: &[Rule] = &[
        Rule::OneOutstanding,
        Rule::SlotIfAbsent,
        Rule::UpperIfAbsent,
        Rule::CompletionIfAbsent,
        Rule::ReadBack,
        Rule::OwnLives,
        Rule::Records,
        Rule::RecordFirst,
        Rule::IdPerLife,
        Rule::ConflictRetried,
        Rule::AllPartsAgain,
        Rule::FencedStays,
        Rule::HeadOverLevels,
        Rule::HeadOverState,
        Rule::ImageOnBrokenHead,
        Rule::ManifestFirst,
        Rule::StrangersBeginAtTwo,
        Rule::DurableAfterClaim,
        Rule::ImageNeedsClaim,
        Rule::TakeOverAsked,
        Rule::ExactProof,
        Rule::ClaimFirst,
        Rule::ClaimRechecked,
        Rule::ImageRechecked,
        Rule::ClaimsStay,
        Rule::ListingChecksHead,
        Rule::OldConfirmation,
        Rule::LateAnswer,
        Rule::ImageEndsChain,
        Rule::SnapshotBeforeNext,
        Rule::LateIsDead,
        Rule::ConvictionStays,
        Rule::Settle,
        Rule::Acknowledged,
        Rule::CompactionLinks,
        Rule::Contained,
        Rule::Aged,
        Rule::NewestStays,
        Rule::SnapshotsThinForward,
        Rule::RestoreLinks,
    ];

    /// The rule of a name, as [`Display`](fmt::Display) writes it.
    pub fn named(name: &str) -> Option<Rule> {
        Rule::ALL.iter().copied().find(|rule| rule.to_string() == name)
    }

    /// Where it is shown to be needed.
    pub fn shown(self) -> Shown {
        match self {
            Rule::OneOutstanding | Rule::OwnLives | Rule::RecordFirst | Rule::Contained => {
                Shown::In("restarts")
            }
            Rule::SlotIfAbsent | Rule::ReadBack | Rule::TakeOverAsked => Shown::In("take-over"),
            Rule::UpperIfAbsent => Shown::In("first-claim-old-requests"),
            Rule::CompletionIfAbsent | Rule::AllPartsAgain => Shown::In("multipart"),
            Rule::Records | Rule::NewestStays => Shown::In("copied-state"),
            Rule::FencedStays => Shown::In("take-over-twice"),
            Rule::HeadOverLevels => Shown::Behind(Rule::LateIsDead, "lifecycle-of-a-stranger"),
            Rule::HeadOverState => Shown::In("lifecycle"),
            Rule::ImageOnBrokenHead => Shown::In("lifecycle-by-age"),
            Rule::ManifestFirst => Shown::Behind(Rule::ImageNeedsClaim, "rivals-for-an-image"),
            Rule::DurableAfterClaim | Rule::ImageNeedsClaim | Rule::SnapshotBeforeNext => {
                Shown::In("claim-of-another")
            }
            Rule::ExactProof => Shown::In("restored-and-written"),
            Rule::ClaimFirst | Rule::ClaimsStay | Rule::LateIsDead => Shown::In("sleeper"),
            Rule::OldConfirmation | Rule::LateAnswer => Shown::Behind(Rule::ClaimsStay, "sleeper-with-clock"),
            Rule::ClaimRechecked | Rule::ConvictionStays => Shown::In("old-claim-thinned"),
            Rule::ImageRechecked => Shown::In("sleeping-image"),
            Rule::Settle => Shown::In("power-cut"),
            Rule::Acknowledged => Shown::In("upper-levels"),
            Rule::Aged => Shown::In("one-second"),
            Rule::SnapshotsThinForward => Shown::In("thinning"),
            Rule::ConflictRetried => {
                Shown::NotShown("a 409 that is taken for a refusal is read back, and nothing is there")
            }
            Rule::IdPerLife => Shown::NotShown("records of bytes tell a copy apart, whatever the ids say"),
            Rule::StrangersBeginAtTwo => {
                Shown::NotShown("put-if-absent gives 1-1 one winner, and the claim slot decides whose it is")
            }
            Rule::ListingChecksHead => {
                Shown::NotShown("upkeep of what was acknowledged is right, whoever has the head since")
            }
            Rule::ImageEndsChain => {
                Shown::NotShown("with two pages an image hides every page before it: it costs, and is right")
            }
            Rule::CompactionLinks => Shown::NotShown("the other rules leave no slots that do not link"),
            Rule::RestoreLinks => {
                Shown::NotShown("what the other rules leave in the store is right by names alone")
            }
        }
    }
}

impl fmt::Display for Rule {
    /// The name in lower case with hyphens: `ClaimsStay` is `claims-stay`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in format!("{self:?}").chars().enumerate() {
            if index > 0 && letter.is_ascii_uppercase() {
                write!(f, "-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}
