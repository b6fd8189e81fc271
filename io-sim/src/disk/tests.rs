use super::*;
use crate::clock::SimClock;
use crate::faults::{CrashPolicy, DiskFaults};
use crate::trace::Trace;
use std::time::Duration;

const ALWAYS: u32 = 1_000_000;

fn disk() -> (SimDisk, Pid) {
    disk_of(1, CrashPolicy::drop_everything())
}

fn disk_of(seed: u64, policy: CrashPolicy) -> (SimDisk, Pid) {
    let clock = SimClock::new();
    let disk = SimDisk::new(seed, 3, &clock, &Trace::new(&clock));
    disk.set_crash_policy(policy);
    let pid = disk.start_process();
    (disk, pid)
}

/// A file with durable content under a durable name.
fn durable_file(disk: &SimDisk, pid: Pid, path: &str, content: &[u8]) -> SimFile {
    let file = disk.open(pid, path, OpenMode::Create).unwrap();
    file.write_at(0, content).unwrap();
    file.fsync().unwrap();
    disk.fsync_directory(pid, directory::parent(path)).unwrap();
    file
}

#[test]
fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/d/a", b"synced");
    file.write_at(0, b"SYN").unwrap();
    file.write_at(6, b" and more").unwrap();
    assert_eq!(disk.peek("/d/a").unwrap(), b"SYNced and more");
    disk.power_cycle();
    assert_eq!(disk.peek("/d/a").unwrap(), b"synced");
    assert_eq!(file.write_at(0, b"x"), Err(DiskError::Killed), "old handles are dead");
}

#[test]
fn a_name_is_durable_only_after_its_directory_was_synced() {
    let (disk, pid) = disk();
    durable_file(&disk, pid, "/d/kept", b"x");
    let file = disk.open(pid, "/d/lost", OpenMode::New).unwrap();
    file.fsync().unwrap();
    disk.fsync_directory(pid, "/other").unwrap();
    disk.unlink(pid, "/d/kept").unwrap();
    assert_eq!(disk.peek_paths(), ["/d/lost"]);
    disk.power_cycle();
    assert_eq!(disk.peek_paths(), ["/d/kept"], "neither the creation nor the deletion was synced");
}

#[test]
fn a_rename_is_all_or_nothing() {
    let mut outcomes = [0, 0];
    for seed in 0..40 {
        let (disk, pid) = disk_of(seed, CrashPolicy { garbage_in_holes: false, ..CrashPolicy::default() });
        drop(durable_file(&disk, pid, "/target", b"old"));
        drop(durable_file(&disk, pid, "/tmp", b"new"));
        disk.rename(pid, "/tmp", "/target").unwrap();
        assert_eq!(disk.peek("/target").unwrap(), b"new");
        disk.power_cycle();
        let renamed = disk.peek("/target").unwrap() == b"new";
        assert_eq!(disk.peek("/tmp").is_some(), !renamed, "seed {seed}");
        outcomes[usize::from(renamed)] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn a_rename_to_a_new_name_takes_none_away() {
    let (disk, pid) = disk();
    drop(durable_file(&disk, pid, "/target", b"old"));
    drop(durable_file(&disk, pid, "/tmp", b"new"));
    assert_eq!(disk.rename_to_new(pid, "/tmp", "/target"), Err(DiskError::Exists));
    disk.unlink(pid, "/target").unwrap();
    disk.rename_to_new(pid, "/tmp", "/target").unwrap();
    assert_eq!(
        (disk.peek_paths(), disk.peek("/target").unwrap()),
        (vec!["/target".to_owned()], b"new".to_vec())
    );
}

#[test]
fn content_is_durable_when_it_was_synced_and_not_changed_since() {
    let (disk, pid) = disk();
    assert!(!disk.peek_durable("/a"));
    let file = durable_file(&disk, pid, "/a", b"synced");
    assert!(disk.peek_durable("/a"));
    file.write_at(0, b"SYN").unwrap();
    assert!(!disk.peek_durable("/a"));
}

#[test]
fn unsynced_sectors_are_kept_torn_and_dropped_each_on_its_own() {
    let (disk, pid) = disk_of(4, CrashPolicy::default());
    let file = durable_file(&disk, pid, "/a", &[1; 512 * 64]);
    file.write_at(0, &[2; 512 * 64]).unwrap();
    disk.power_cycle();
    let after = disk.peek("/a").unwrap();
    let new_bytes = |sector: &[u8]| sector.iter().take_while(|byte| **byte == 2).count();
    assert!(after.chunks(512).any(|sector| (1..512).contains(&new_bytes(sector))), "none was torn");
    for sector in after.chunks(512) {
        let new = new_bytes(sector);
        assert!(sector[new..].iter().all(|byte| *byte == 1), "a torn sector is a new start and an old end");
    }
    let stats = disk.stats();
    assert!(stats.sectors_kept > 10 && stats.sectors_torn > 2 && stats.sectors_dropped > 10, "{stats:?}");
}

#[test]
fn a_later_write_can_survive_an_earlier_one() {
    let seen = (0..50).any(|seed| {
        let (disk, pid) = disk_of(seed, CrashPolicy { torn_ppm: 0, ..CrashPolicy::default() });
        let file = durable_file(&disk, pid, "/a", &[0; 1024]);
        file.write_at(0, &[1; 512]).unwrap();
        file.write_at(512, &[2; 512]).unwrap();
        disk.power_cycle();
        let after = disk.peek("/a").unwrap();
        after[0] == 0 && after[512] == 2
    });
    assert!(seen);
}

#[test]
fn a_lying_fsync_loses_what_it_promised() {
    let (disk, pid) = disk();
    drop(durable_file(&disk, pid, "/a", b"old"));
    disk.set_faults(DiskFaults { lying_fsync_ppm: ALWAYS, ..DiskFaults::default() });
    durable_file(&disk, pid, "/a", b"new");
    disk.power_cycle();
    assert_eq!(disk.peek("/a").unwrap(), b"old");
}

#[test]
fn after_a_failed_fsync_the_pages_look_clean_and_are_never_written() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/a", b"old");
    file.write_at(0, b"new").unwrap();
    disk.set_faults_of(pid, DiskFaults { fsync_eio_ppm: ALWAYS, ..DiskFaults::default() });
    assert_eq!(file.fsync(), Err(DiskError::Io));
    disk.set_faults_of(pid, DiskFaults::default());
    assert_eq!(file.fsync(), Ok(()), "the next fsync knows nothing of it");
    assert_eq!(disk.peek("/a").unwrap(), b"new");
    disk.power_cycle();
    assert_eq!(disk.peek("/a").unwrap(), b"old");
}

#[test]
fn faults_strike_the_process_they_are_for() {
    let (disk, pid) = disk();
    let other = disk.start_process();
    let file = durable_file(&disk, pid, "/a", &[0; 100]);
    let faulty = disk.open(other, "/a", OpenMode::Existing).unwrap();
    let mut buffer = [7; 100];
    disk.set_faults_of(other, DiskFaults { short_read_ppm: ALWAYS, ..DiskFaults::default() });
    let short = faulty.read_at(0, &mut buffer).unwrap();
    assert!((1..100).contains(&short), "{short}");
    disk.set_faults_of(other, DiskFaults { read_flip_ppm: ALWAYS, ..DiskFaults::default() });
    assert_eq!(faulty.read_at(0, &mut buffer), Ok(100));
    assert_eq!(buffer.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    disk.set_faults_of(
        other,
        DiskFaults { read_eio_ppm: ALWAYS, write_eio_ppm: ALWAYS, ..DiskFaults::default() },
    );
    assert_eq!(faulty.read_at(0, &mut buffer), Err(DiskError::Io));
    assert_eq!(faulty.write_at(0, b"x"), Err(DiskError::Io));
    assert_eq!(file.read_at(0, &mut buffer), Ok(100));
    assert_eq!(buffer, [0; 100], "the medium is right");
    assert_eq!(disk.calm(|| faulty.read_at(0, &mut buffer)), Ok(100));
}

#[test]
fn what_an_oracle_looks_at_is_no_event() {
    let clock = SimClock::new();
    let trace = Trace::new(&clock);
    let disk = SimDisk::new(1, 3, &clock, &trace);
    let pid = disk.start_process();
    let file = durable_file(&disk, pid, "/a", b"x");
    let (events, hash) = (trace.events(), trace.hash());
    let mut buffer = [0; 1];
    disk.unseen(|| disk.unseen(|| ()));
    assert_eq!(disk.unseen(|| file.read_at(0, &mut buffer)), Ok(1));
    assert_eq!((trace.events(), trace.hash()), (events, hash));
    file.read_at(0, &mut buffer).unwrap();
    assert_eq!(trace.events(), events + 1);
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/a", &[1; 1000]);
    disk.set_capacity_bytes(Some(1500));
    assert_eq!(file.write_at(0, &[2; 1000]), Ok(()));
    assert_eq!(file.write_at(1000, &[2; 501]), Err(DiskError::NoSpace));
    assert_eq!(file.truncate(1501), Err(DiskError::NoSpace));
    assert_eq!(file.write_at(1000, &[2; 500]), Ok(()));
    disk.set_capacity_bytes(None);
    assert_eq!(file.write_at(u64::MAX - 1, b"xyz"), Err(DiskError::NoSpace), "no size fills the real memory");
}

#[test]
fn a_killed_process_leaves_its_writes_and_nothing_else() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/a", b"old");
    disk.lock_exclusive(pid, "/lock").unwrap();
    file.write_at(0, b"new").unwrap();
    disk.kill_in(pid, 2);
    assert_eq!(disk.stat(pid, "/a").unwrap().size_bytes, 3);
    assert_eq!(file.write_at(0, b"NEW"), Err(DiskError::Killed));
    assert!(!disk.is_alive(pid));
    let next = disk.start_process();
    assert_eq!(disk.lock_exclusive(next, "/lock"), Err(DiskError::Locked), "not yet buried");
    disk.bury(pid);
    assert_eq!(disk.lock_exclusive(next, "/lock"), Ok(()));
    assert_eq!(disk.peek("/a").unwrap(), b"new");
    assert_eq!((disk.stats().kills, disk.stats().power_cuts), (1, 0));
}

#[test]
fn one_process_has_the_advisory_lock_until_it_gives_it_back() {
    let (disk, one) = disk();
    let two = disk.start_process();
    disk.lock_exclusive(one, "/lock").unwrap();
    assert_eq!(disk.lock_exclusive(one, "/lock"), Ok(()));
    disk.unlock(two, "/lock");
    assert_eq!(disk.lock_exclusive(two, "/lock"), Err(DiskError::Locked));
    disk.unlock(one, "/lock");
    assert_eq!(disk.lock_exclusive(two, "/lock"), Ok(()));
}

#[test]
fn the_power_goes_at_the_nth_operation_and_observers_do_not_count() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/a", b"x");
    disk.cut_power_in(3);
    assert_eq!(file.write_at(0, b"1"), Ok(()));
    disk.calm(|| (0..10).for_each(|_| assert!(disk.stat(pid, "/a").is_ok())));
    assert_eq!(file.write_at(0, b"2"), Ok(()));
    assert_eq!(file.write_at(0, b"3"), Err(DiskError::PowerOff));
    assert!(!disk.is_powered());
    assert_eq!(disk.stat(pid, "/a"), Err(DiskError::PowerOff));
    disk.power_cycle();
    assert_eq!(disk.stat(pid, "/a"), Err(DiskError::Killed), "processes do not survive");
}

#[test]
fn stat_tells_identity_size_and_times() {
    let (disk, pid) = disk();
    let file = durable_file(&disk, pid, "/a", b"abc");
    let first = disk.stat(pid, "/a").unwrap();
    assert_eq!((first.device, first.size_bytes), (3, 3));
    disk.clock().advance(Duration::from_secs(1));
    file.write_at(0, b"ABC").unwrap();
    let second = file.stat().unwrap();
    assert_eq!(second.inode, first.inode);
    assert!(second.modified_us > first.modified_us && second.changed_us > first.changed_us);
    disk.clock().advance(Duration::from_secs(1));
    disk.rename(pid, "/a", "/b").unwrap();
    let third = disk.stat(pid, "/b").unwrap();
    assert!(third.modified_us == second.modified_us && third.changed_us > second.changed_us);
    drop(durable_file(&disk, pid, "/a", b"abc"));
    assert_ne!(disk.stat(pid, "/a").unwrap().inode, first.inode);
    assert_eq!(disk.stat(pid, "/none"), Err(DiskError::NotFound));
}

#[test]
fn inode_numbers_may_come_back_but_never_while_the_file_is_open() {
    let (disk, pid) = disk();
    disk.set_reuse_inodes(true);
    let open = disk.open(pid, "/a", OpenMode::New).unwrap();
    let number = open.stat().unwrap().inode;
    disk.unlink(pid, "/a").unwrap();
    disk.fsync_directory(pid, "/").unwrap();
    drop(disk.open(pid, "/b", OpenMode::New).unwrap());
    assert_ne!(disk.stat(pid, "/b").unwrap().inode, number);
    drop(open);
    drop(disk.open(pid, "/c", OpenMode::New).unwrap());
    assert_eq!(disk.stat(pid, "/c").unwrap().inode, number);
}

#[test]
fn rot_is_durable_and_one_bit() {
    let (disk, pid) = disk();
    drop(durable_file(&disk, pid, "/a", &[0; 64]));
    assert!(disk.rot("/a") && !disk.rot("/none"));
    disk.power_cycle();
    assert_eq!(disk.peek("/a").unwrap().iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
}

#[test]
fn opening_respects_what_must_or_must_not_exist() {
    let (disk, pid) = disk();
    assert_eq!(disk.open(pid, "/a", OpenMode::Existing).err(), Some(DiskError::NotFound));
    drop(disk.open(pid, "/a", OpenMode::New).unwrap());
    assert_eq!(disk.open(pid, "/a", OpenMode::New).err(), Some(DiskError::Exists));
    assert_eq!(disk.list(pid, "/").unwrap(), ["/a"]);
}

#[test]
fn the_same_seed_crashes_the_same_way() {
    let run = |seed| {
        let clock = SimClock::new();
        let trace = Trace::new(&clock);
        let disk = SimDisk::new(seed, 0, &clock, &trace);
        let pid = disk.start_process();
        let file = durable_file(&disk, pid, "/a", &[1; 4096]);
        file.write_at(100, &[2; 8192]).unwrap();
        disk.power_cycle();
        trace.hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn an_exclusive_shared_memory_lock_keeps_others_out_and_no_other_lock_does() {
    let (disk, pid) = disk();
    let request = OpenRequest {
        path: Some("/db"),
        create: true,
        exclusive: false,
        delete_on_close: false,
        plain: false,
    };
    let open = || {
        let (handle, _) = disk.open_handle(pid, request).unwrap();
        disk.shm_attach(handle).unwrap();
        handle
    };
    let (one, two) = (open(), open());
    let lock = |handle, slot, action| disk.shm_lock(handle, ShmRange::new(slot, 1).unwrap(), action);
    assert_eq!(lock(one, 3, ShmAction::Share), Ok(true));
    assert_eq!(lock(two, 3, ShmAction::Share), Ok(true));
    assert_eq!(lock(two, 3, ShmAction::Exclude), Ok(false));
    assert_eq!(lock(one, 3, ShmAction::Release), Ok(true));
    assert_eq!(lock(two, 3, ShmAction::Exclude), Ok(true));
    assert_eq!(lock(one, 3, ShmAction::Share), Ok(false));
    assert_eq!(lock(one, 4, ShmAction::Exclude), Ok(true));
    disk.close(two);
    assert_eq!(lock(one, 3, ShmAction::Share), Ok(true));
    assert_eq!((ShmRange::new(7, 2), ShmRange::new(-1, 1), ShmRange::new(0, 0)), (None, None, None));
}

#[test]
fn a_size_that_was_not_synced_can_be_lost_although_its_sectors_were_written() {
    let (disk, pid) = disk_of(1, CrashPolicy { keep_size_ppm: 0, ..CrashPolicy::keep_everything() });
    let file = durable_file(&disk, pid, "/a", b"old");
    file.write_at(0, b"new and longer").unwrap();
    disk.power_cycle();
    assert_eq!(disk.peek("/a").unwrap(), b"new");
}
