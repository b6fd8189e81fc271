//! Named, seeded bugs: the simulator's oracles must catch each of them (docs/mutants.md).
//!
//! Without the feature `mutants` [`mutated`] is a constant `false` and nothing of this is compiled in.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A seeded bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$name => $text,)*
                }
            }
        }
    };
}

mutants! {
    /// A frame whose checksum does not continue the chain is taken.
    FrameChecksumNotCompared = "frame-checksum-not-compared",
    /// Where memory ends a transaction is cut in the middle.
    CutInsideTransaction = "cut-inside-transaction",
    /// Of two frames of a page the older one is kept.
    OlderFrameWins = "older-frame-wins",
    /// A transaction that shrinks the database does not.
    CommitSizeIgnored = "commit-size-ignored",
    /// Pages that a growth adds without frames are left out.
    GrowthNotFilled = "growth-not-filled",
    /// The anchor moves although not everything before it is in memory.
    HandOverThoughCut = "hand-over-though-cut",
    /// An image takes every page from the database file.
    ImageIgnoresLog = "image-ignores-log",
    /// A refused write is taken for ours without a look.
    RefusedTakenForOurs = "refused-taken-for-ours",
    /// A lost answer is taken for success.
    AmbiguousTakenForDone = "ambiguous-taken-for-done",
    /// Objects are written whatever the key holds.
    UnconditionalPut = "unconditional-put",
    /// A log that grows inside a file that was long once is not seen to grow.
    FileLengthOnly = "file-length-only",
    /// A log that grows while the store is away is held for ever.
    LongLogHeld = "long-log-held",
    /// A heal that ends early forgets the object that it still sends in parts.
    StageLeftBehind = "stage-left-behind",
    /// That parts of an object fail counts for nothing before the object has failed.
    PartsUnheard = "parts-unheard",
    /// No record is written before a slot is sent.
    NoPendingRecord = "no-pending-record",
    /// Durable is announced when the request is sent.
    DurableAtSend = "durable-at-send",
    /// The first image counts before its claim slot.
    DurableBeforeClaim = "durable-before-claim",
    /// After a start the local database is believed to equal the head.
    ContinuityAssumed = "continuity-assumed",
    /// After a start the position in the head's header is believed without comparing checksums.
    PositionBelieved = "position-believed",
    /// After a start reading goes on at the end of the log, not at the head's position.
    PositionOfTheEnd = "position-of-the-end",
    /// A page diff compares with the checksums of an older slot.
    DiffAgainstOldSums = "diff-against-old-sums",
    /// Page checksums rebuilt from objects keep pages past the end.
    FoldIgnoresShrink = "fold-ignores-shrink",
    /// Another writer's head is continued.
    ForeignHeadContinued = "foreign-head-continued",
    /// After a take-over's claim nobody looks whether it still is the head.
    ClaimNotRechecked = "claim-not-rechecked",
    /// The page count of the slot before is written into the header.
    StaleCommitInHeader = "stale-commit-in-header",
    /// A slot's header names the checksum after it as the one before it.
    ChainForgotten = "chain-forgotten",
    /// The checksum of a database that shrank still counts the pages that are gone.
    DeltaKeepsCutPages = "delta-keeps-cut-pages",
    /// A growing tail forgets the pages it held before.
    TailForgetsPages = "tail-forgets-pages",
    /// A checkpoint is made without looking whether the files are still ours.
    CheckpointWithoutIdentity = "checkpoint-without-identity",
    /// Of the database file only the size is compared, not the times.
    TimesIgnored = "times-ignored",
    /// What was seen of the store is built on for ever.
    ConfirmationNeverOld = "confirmation-never-old",
    /// A full image counts although its snapshot is missing.
    MissingSnapshotIgnored = "missing-snapshot-ignored",
    /// A slot with our id is adopted although no record says that we sent it.
    OwnIdAdopted = "own-id-adopted",
    /// Every start sends a full image.
    RestartSendsImage = "restart-sends-image",
    /// Another's place is continued without a claim.
    TakeOverWithoutClaim = "take-over-without-claim",
    /// The log is looked at although nothing can be new in it.
    LogOpenedForNothing = "log-opened-for-nothing",
    /// The committed end is where the frames in the file stop being valid.
    EndOfTheFile = "end-of-the-file",
    /// Who fenced us is not remembered for the next life.
    FencedForgotten = "fenced-forgotten",
    /// A damaged head at a number that was sent counts as ours, also where another was faster for it.
    FencedSentNumberOurs = "fenced-sent-number-ours",
    /// Another's newest object is passed over for an older one.
    ForeignHeadIgnored = "foreign-head-ignored",
    /// The newest object's header, and the manifest, are believed as they come, without a checksum.
    HeaderReadOnce = "header-read-once",
    /// Numbers that only the local state knows are used again.
    LostNumberReused = "lost-number-reused",
    /// What was read under the write lock is forgotten.
    LockedTailDropped = "locked-tail-dropped",
    /// A log that was copied is let go although something was committed since it was read.
    CopiedLogLetGo = "copied-log-let-go",
    /// A change of the file is put down to a checkpoint that nobody makes any more.
    DeadCheckpointExplains = "dead-checkpoint-explains",
    /// A place is listed only when something else asks for it.
    PlaceNeverListed = "place-never-listed",
    /// A file that is not ours any more is held until what is on its way has arrived.
    ReplacedFileHeld = "replaced-file-held",
    /// An orderly end waits for nothing.
    StopWithoutDraining = "stop-without-draining",
    /// After a take-over the manifest still names the writer before.
    ManifestNotRewritten = "manifest-not-rewritten",
    /// What failed is tried again at once.
    RetriesAtOnce = "retries-at-once",
    /// A store that says when to come back is asked before.
    RetryAfterIgnored = "retry-after-ignored",
    /// What a restore left for the comparison with its place is not used.
    RestoreProofNotUsed = "restore-proof-not-used",
    /// A place that a newer version wrote is followed.
    NewerFormatIgnored = "newer-format-ignored",
    /// A place that a newer version wrote is looked at again and again.
    NewerPlaceAskedAgain = "newer-place-asked-again",
    /// An attempt that begins anew forgets what pause the store asked the one before for.
    PauseForgotten = "pause-forgotten",
    /// A page diff leaves out the last page.
    DiffMissesLastPage = "diff-misses-last-page",
    /// A record that could not be saved is taken for saved.
    RecordFailureIgnored = "record-failure-ignored",
    /// An idle daemon leaves the log as it is.
    IdleLogKept = "idle-log-kept",
    /// A claim slot does not say that it is one.
    ClaimNotFlagged = "claim-not-flagged",
    /// The snapshot of an image goes up before its slot.
    SnapshotBeforeItsSlot = "snapshot-before-its-slot",
    /// A slot's time is the clock's, whatever the one before says.
    TimesNotOrdered = "times-not-ordered",
    /// Of a page that a large transaction writes twice the first frame is kept.
    SpilledPageNotReplaced = "spilled-page-not-replaced",
    /// The head is looked for among slots only.
    HeadOfSlotsOnly = "head-of-slots-only",
    /// The lock page counts like any other.
    LockPageCounted = "lock-page-counted",
    /// A slot that an earlier life sent may land on top of what the next one believes to be the head.
    SentSlotNotSettled = "sent-slot-not-settled",
    /// Pages beyond the end of a database that shrank go up.
    PagesBeyondCommitKept = "pages-beyond-commit-kept",
    /// Pages that a growth adds are read from the file, where the log has newer ones.
    GrowthFromTheFile = "growth-from-the-file",
    /// A restored file gets its name before its content is durable.
    RestoreNamedBeforeSync = "restore-named-before-sync",
    /// A restore is done before the name of its file is durable.
    RestoreNameNotSynced = "restore-name-not-synced",
    /// The log of the database that is replaced is set aside before it is durable that the database was.
    RestoreCompanionsGoAtOnce = "restore-companions-go-at-once",
    /// The new file gets its name before it is durable that the old one is set aside.
    RestoreSetAsideNotSynced = "restore-set-aside-not-synced",
    /// The log of the database that is replaced stays beside the new one.
    RestoreCompanionsLeft = "restore-companions-left",
    /// The old database is removed before the new one has its name.
    RestoreOldRemovedFirst = "restore-old-removed-first",
    /// The old database is set aside over the one that an earlier restore has set aside.
    RestoreAsideNotNumbered = "restore-aside-not-numbered",
    /// A replacement that fails half-way leaves the old database set aside.
    RestoreNotPutBack = "restore-not-put-back",
    /// What is there is replaced although nobody said so.
    RestoreReplacesUnasked = "restore-replaces-unasked",
    /// Temporary files of restores that died stay.
    RestoreLeftoversKept = "restore-leftovers-kept",
    /// A later `watch` is told of a restored file before that is durable.
    RestoreProofBeforeSync = "restore-proof-before-sync",
    /// A restored file gets its name whatever SQLite finds in it.
    RestoreIntegrityIgnored = "restore-integrity-ignored",
    /// The checksum of a restored database is not compared.
    RestoreChecksumIgnored = "restore-checksum-ignored",
    /// The header of an object is believed whatever the object's checksum says.
    RestoreHeaderBelieved = "restore-header-believed",
    /// Of two objects that hold a page, the older one is restored.
    RestoreOlderPageWins = "restore-older-page-wins",
    /// Pages beyond the end of the restored database are written.
    RestoreCommitIgnored = "restore-commit-ignored",
    /// A restore goes on behind objects that are missing.
    RestoreGapAccepted = "restore-gap-accepted",
    /// Of a time between two points the later one is restored.
    RestoreTimeRoundsUp = "restore-time-rounds-up",
    /// Where the newest state cannot be restored, the one before is.
    RestoreNewestPassedOver = "restore-newest-passed-over",
    /// A listing ends with its first page.
    RestoreListingEndsEarly = "restore-listing-ends-early",
    /// A reader gives its turn away when a request failed, and pieces that came out of order keep theirs.
    RestoreTurnGivenUp = "restore-turn-given-up",
    /// What the manifest's index says about times is believed.
    RestoreIndexBelieved = "restore-index-believed",
    /// Objects of two page sizes go together where their names do.
    RestorePageSizesMixed = "restore-page-sizes-mixed",
    /// Of objects without checksums of the database only the pages are read.
    RestoreUnprovenRead = "restore-unproven-read",
    /// Of two objects whose headers contradict each other nobody asks which one is damaged.
    RestoreAccusedBelieved = "restore-accused-believed",
    /// A digest of the manifest's index speaks against an object that proves itself.
    RestoreIndexDigestBelieved = "restore-index-digest-believed",
    /// Objects that are missing on the way to a state are no fault for `verify`.
    VerifySkipsGap = "verify-skips-gap",
    /// `verify` does not compare the manifest's index with the objects.
    VerifyBelievesIndex = "verify-believes-index",
    /// `verify` reads headers, and no page indexes.
    VerifySkipsPageIndex = "verify-skips-page-index",
    /// A first image without its claim is no fault for `verify`.
    VerifyForgetsClaim = "verify-forgets-claim",
    /// `verify` reports what it finds by headers although objects are to be read whole.
    VerifyReadsNothingWhole = "verify-reads-nothing-whole",
    /// A slot that landed late, inside what was settled, counts.
    LateSlotCounts = "late-slot-counts",
    /// Behind a gap nobody looks for an image.
    ImageBehindGapPassedOver = "image-behind-gap-passed-over",
    /// Of many databases that are due at one moment only the first eight keep their timers.
    DueForgotten = "due-forgotten",
    /// A database that wants to look at the clock earlier than before is woken when it wanted before.
    DeadlineOnlyLater = "deadline-only-later",
    /// A database without hints is looked at once an hour.
    IdleNotPolled = "idle-not-polled",
    /// A place is listed every hour.
    ListedHourly = "listed-hourly",
    /// What the wall clock says of a machine that slept is not asked.
    SleepNotNoticed = "sleep-not-noticed",
    /// Slots follow each other as fast as commits do, whatever is configured.
    MinIntervalIgnored = "min-interval-ignored",
    /// Each pause after a failure is as long as the first.
    PausesDoNotGrow = "pauses-do-not-grow",
    /// What is on its way does not count as memory.
    SlotNotInBudget = "slot-not-in-budget",

    // Of full images beside slots.
    /// A full image goes up before the slot that it ends with is confirmed.
    SnapshotBeforeConfirmed = "snapshot-before-confirmed",
    /// A full image is pinned behind the end of the slot that it is said to end with.
    ImagePinnedLate = "image-pinned-late",
    /// What is read for a full image is not compared with what was written.
    RotNotNoticed = "rot-not-noticed",
    /// The pin of a full image stays, whoever waits for it.
    ImagePinNeverYields = "image-pin-never-yields",

    // Of compaction.
    /// Of two objects that hold a page, the older one is merged.
    CompactOldestPageWins = "compact-oldest-page-wins",
    /// A database that shrank has its old size and pages again where it was merged.
    CompactKeepsCutPages = "compact-keeps-cut-pages",
    /// A full image in a slot is merged with what is before it.
    CompactAcrossFullImage = "compact-across-full-image",
    /// Objects whose checksums contradict each other are merged.
    CompactIgnoresBreak = "compact-ignores-break",
    /// Slots that nobody has confirmed are compacted.
    CompactAboveConfirmed = "compact-above-confirmed",
    /// The first image goes through the levels.
    CompactFirstImageCopied = "compact-first-image-copied",
    /// What was merged has the time of its oldest input.
    CompactWrongTimestamp = "compact-wrong-timestamp",
    /// A level goes on behind objects that are missing.
    CompactGapAccepted = "compact-gap-accepted",
    /// What was merged counts although an input is not what its checksum says.
    CompactDamageIgnored = "compact-damage-ignored",

    // Of the planner of retention.
    /// A snapshot goes because an older one is there.
    RetentionOlderCovers = "retention-older-covers",
    /// Claim slots go like others.
    RetentionClaimDeleted = "retention-claim-deleted",
    /// The newest slot goes like others.
    RetentionNewestSlotDeleted = "retention-newest-slot-deleted",
    /// An object makes up for others as soon as it is there.
    RetentionIgnoresL0 = "retention-ignores-l0",
    /// What another writer promised to keep is forgotten.
    RetentionForgetsPromisedL0 = "retention-forgets-promised-l0",
    /// An object that was merged across a full image makes up for what was before it.
    RetentionAcrossFullImage = "retention-across-full-image",
    /// An object makes up for another although a point that stays lies between their ends.
    RetentionLargestContainer = "retention-largest-container",
    /// Damage and contradictions stop nothing.
    RetentionBreakIgnored = "retention-break-ignored",
    /// Periods and ages of points end at the store's time, whatever the newest point says.
    RetentionBelievesNow = "retention-believes-now",
    /// Of a point's age only its own header is asked.
    RetentionBelievesHeaders = "retention-believes-headers",
    /// Slots that came late stay.
    RetentionLateStays = "retention-late-stays",
    /// Snapshots go before the objects that need them.
    RetentionBasesFirst = "retention-bases-first",
    /// Snapshots wait for a pass in which nothing else goes.
    RetentionTwoPasses = "retention-two-passes",
    /// What cannot be reached is as young as the oldest object that holds it.
    RetentionGapByArrival = "retention-gap-by-arrival",
    /// The newest chain stays only where the policy says so.
    RetentionNewestByPolicy = "retention-newest-by-policy",
    /// Of the points that go only the ends of compacted objects are told.
    RetentionTellsSome = "retention-tells-some",

    // Of the async driver.
    /// A request that took too long keeps its turn for ever.
    PermitLeaked = "permit-leaked",
    /// What a panic leaves unanswered stays so.
    PromiseNotKept = "promise-not-kept",
    /// A change of the local state is answered before it is saved.
    SaveAnsweredEarly = "save-answered-early",
    /// Several changes that could not be saved together are taken for saved.
    FailedBatchTakenForSaved = "failed-batch-taken-for-saved",
    /// A staged upload is dropped when the outcome of its completion is not known.
    UploadForgotten = "upload-forgotten",
    /// A staged upload that the engine has forgotten is not given up.
    ForgottenUploadLeft = "forgotten-upload-left",
    /// Uploads of lives that were killed are not looked for.
    PlacesNeverSwept = "places-never-swept",
    /// A part that did not get through is taken for sent.
    PartTakenForSent = "part-taken-for-sent",
    /// A write that took too long is taken for one that did nothing.
    LateTakenForFailed = "late-taken-for-failed",
    /// A write whose outcome is not known is sent again.
    WriteSentAgain = "write-sent-again",
    /// Of several hints only the first one is heeded.
    HintsLost = "hints-lost",
    /// An orderly end is over as soon as nothing is asked for.
    EndBetweenRequests = "end-between-requests",
    /// What is added after the end was asked for is followed.
    FollowedAfterFinish = "followed-after-finish",
    /// Requests go on when the driver was dropped.
    RequestOutlivesDriver = "request-outlives-driver",
    /// A source whose job panicked does not come back.
    SourceLostInPanic = "source-lost-in-panic",
    /// What compaction made is taken for whole without a look.
    CompactionNotReadBack = "compaction-not-read-back",
    /// Levels above the first are never made.
    LevelNeverDue = "level-never-due",
    /// What came while a level was made waits for what comes next.
    LateSlotForgotten = "late-slot-forgotten",
    /// Retention takes every object for old.
    ArrivalsIgnored = "arrivals-ignored",
    /// A base that points are left to is not read before what was before it goes.
    BasesUnproven = "bases-unproven",
    /// What makes up for others is not read before they go.
    ContainersUnproven = "containers-unproven",
    /// A cleanup that is only to say what would go deletes it.
    DryRunDeletes = "dry-run-deletes",
    /// An object that goes while a restore reads ends the restore.
    RestoreGoneIsFinal = "restore-gone-is-final",
}

impl Mutant {
    /// The bugs of compaction, which the engine's own tests catch: no workload of the simulator compacts yet.
    pub const OF_COMPACTION: &'static [Mutant] = &[
        Mutant::CompactOldestPageWins,
        Mutant::CompactKeepsCutPages,
        Mutant::CompactAcrossFullImage,
        Mutant::CompactIgnoresBreak,
        Mutant::CompactAboveConfirmed,
        Mutant::CompactFirstImageCopied,
        Mutant::CompactWrongTimestamp,
        Mutant::CompactGapAccepted,
        Mutant::CompactDamageIgnored,
    ];

    /// The bugs of the async driver, which the other layer of the simulation catches (`cargo sim-driver`).
    pub const OF_THE_DRIVER: &'static [Mutant] = &[
        Mutant::PermitLeaked,
        Mutant::PromiseNotKept,
        Mutant::SaveAnsweredEarly,
        Mutant::FailedBatchTakenForSaved,
        Mutant::UploadForgotten,
        Mutant::ForgottenUploadLeft,
        Mutant::PlacesNeverSwept,
        Mutant::PartTakenForSent,
        Mutant::LateTakenForFailed,
        Mutant::WriteSentAgain,
        Mutant::HintsLost,
        Mutant::EndBetweenRequests,
        Mutant::FollowedAfterFinish,
        Mutant::RequestOutlivesDriver,
        Mutant::SourceLostInPanic,
    ];

    /// The bugs of the planner of retention, which its own laws catch (`engine/src/retention/tests/mutants.rs`).
    pub const OF_RETENTION: &'static [Mutant] = &[
        Mutant::RetentionOlderCovers,
        Mutant::RetentionClaimDeleted,
        Mutant::RetentionNewestSlotDeleted,
        Mutant::RetentionIgnoresL0,
        Mutant::RetentionForgetsPromisedL0,
        Mutant::RetentionAcrossFullImage,
        Mutant::RetentionLargestContainer,
        Mutant::RetentionBreakIgnored,
        Mutant::RetentionBelievesNow,
        Mutant::RetentionBelievesHeaders,
        Mutant::RetentionLateStays,
        Mutant::RetentionBasesFirst,
        Mutant::RetentionTwoPasses,
        Mutant::RetentionGapByArrival,
        Mutant::RetentionNewestByPolicy,
        Mutant::RetentionTellsSome,
    ];
}

#[cfg(feature = "mutants")]
mod active {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Switches one mutant on for this thread, or all off.
    pub fn set_mutant(mutant: Option<Mutant>) {
        ACTIVE.set(mutant);
    }

    /// Whether this bug is switched on.
    pub fn mutated(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub use active::{mutated, set_mutant};

/// Whether this bug is switched on: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn mutated(_: Mutant) -> bool {
    false
}
