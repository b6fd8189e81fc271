//! The corpus and thousands of mutations of it, on every `cargo test`: no panic, no broken law, no allocation
//! that follows a claim instead of the input's length.

use fuzz::TARGETS;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// What a target may take. All of them take a few seconds.
struct Budget {
    mutations: u64,
    /// What it may hold at once: a decoder's page and tables, and a multiple of what it was given.
    live_bytes_base: usize,
}

impl Budget {
    fn of(target: &str) -> Budget {
        match target {
            // Two databases, a store, and all that was written to it.
            "machine" => Budget { mutations: 60, live_bytes_base: 16 << 20 },
            // A wildcard becomes an automaton.
            "configuration" => Budget { mutations: 600, live_bytes_base: 16 << 20 },
            // Up to 256 KiB of pages, as they were, encoded, and decoded.
            "ltx_of_a_writer" => Budget { mutations: 600, live_bytes_base: 4 << 20 },
            _ => Budget { mutations: 6_000, live_bytes_base: 1 << 20 },
        }
    }
}

const LIVE_BYTES_PER_INPUT_BYTE: usize = 512;

#[test]
fn every_target_survives_its_corpus_and_what_becomes_of_it() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let seeds = seeds(target.name);
        let Budget { mutations, live_bytes_base } = Budget::of(target.name);
        let run = |data: &[u8]| run_bounded(target.run, data, live_bytes_base);
        for seed in &seeds {
            if let Err(why) = run(seed) {
                failed.push(format!("{}: a seed of the corpus: {why}", target.name));
            }
        }
        let mut random = Random(0x5EED ^ target.name.len() as u64);
        for number in 0..mutations {
            let data = mutate(&seeds, &mut random);
            if let Err(why) = run(&data) {
                failed.push(format!("{}: mutation {number}: {why}: {}", target.name, hex(&data)));
                break;
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let mut folders: Vec<String> = std::fs::read_dir(corpus())
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(folders, names);
}

#[test]
fn allocation_by_a_claim_is_noticed() {
    let claims = |data: &[u8]| drop(vec![0u8; usize::from(data[0]) << 20]);
    assert!(run_bounded(claims, &[0], 1 << 20).is_ok());
    assert!(run_bounded(claims, &[200], 1 << 20).is_err());
}

/// Runs a target; `Err` when it panics or holds too much memory at once.
fn run_bounded(run: fn(&[u8]), data: &[u8], live_bytes_base: usize) -> Result<(), String> {
    let before = LIVE.get();
    PEAK.set(before);
    let result = std::panic::catch_unwind(|| run(data));
    let held = PEAK.get().saturating_sub(before);
    let limit = live_bytes_base + LIVE_BYTES_PER_INPUT_BYTE * data.len();
    match result {
        Err(_) => Err("it panicked".to_owned()),
        Ok(()) if held > limit => Err(format!("it held {held} bytes for an input of {}", data.len())),
        Ok(()) => Ok(()),
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = corpus().join(target);
    let entries = std::fs::read_dir(&folder).expect("every target has a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

/// The same numbers on every run: a failure names its mutation.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("below a usize")
    }
}

/// One to four changes of a seed: flipped bits, new bytes, telling numbers, cuts, doublings, splices.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(4) + 1 {
        if data.is_empty() {
            data.push(random.next() as u8);
        }
        let at = random.below(data.len());
        match random.below(9) {
            0 | 1 => data[at] ^= 1 << random.below(8),
            2 => data[at] = random.next() as u8,
            3 | 4 => {
                let telling = TELLING[random.below(TELLING.len())].to_be_bytes();
                let bytes = &telling[8 - [1, 2, 4, 8][random.below(4)]..];
                let end = data.len().min(at + bytes.len());
                data[at..end].copy_from_slice(&bytes[..end - at]);
            }
            5 => data.truncate(at),
            6 => drop(data.drain(at..(at + random.below(40)).min(data.len()))),
            7 => {
                let end = (at + random.below(200)).min(data.len());
                let copy = data[at..end].to_vec();
                let to = random.below(data.len());
                data.splice(to..to, copy);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                data.truncate(at);
                data.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
        data.truncate(INPUT_BYTES_MAX);
    }
    data
}

const TELLING: &[u64] =
    &[0, 1, 9, 10, 255, 512, 65536, 0x4000_0000, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
const INPUT_BYTES_MAX: usize = 32 << 10;

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread holds.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it came; counting touches two cells of the
// thread that need no allocation and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(more: usize, less: usize) {
    let live = LIVE.get().wrapping_add(more).saturating_sub(less);
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}
