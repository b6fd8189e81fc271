//! The methods of an open file: bytes, locks and shared memory.

use super::calls::{bytes_mut, code_of};
use super::registration::{ProcessDisk, Slot};
use super::shared_memory::{REGION_BYTES, SharedMemory};
use crate::disk::{DiskResult, HandleId, Level, ShmAction, ShmRange, SimDisk};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods};
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// What follows SQLite's own part of an open file, in memory that SQLite allocates.
#[repr(C)]
struct File {
    base: sqlite3_file,
    state: State,
}

/// Dropped in place by xClose.
struct State {
    slot: &'static Slot,
    disk: SimDisk,
    handle: HandleId,
    read_only: bool,
    /// The first sync of a journal or WAL makes its name durable too. As in the unix VFS this goes by the flag
    /// `SQLITE_OPEN_CREATE` and not by who created the file: a reader may create the WAL that a writer syncs.
    sync_directory: bool,
    persist_wal: bool,
    /// Keeps alive what SQLite's pointers into shared memory point to, also after the machine forgot it.
    memory: Option<Arc<SharedMemory>>,
}

/// Makes an open file of the memory that SQLite provides.
///
/// # Safety
/// `file` must have room for [`FILE_BYTES`], aligned as SQLite's allocator does, and not be in use.
pub(super) unsafe fn init(
    file: *mut sqlite3_file,
    slot: &'static Slot,
    process: ProcessDisk,
    handle: HandleId,
    flags: c_int,
) {
    let journals = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let state = State {
        slot,
        disk: process.disk,
        handle,
        read_only: flags & ffi::SQLITE_OPEN_READONLY != 0,
        sync_directory: flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & journals != 0,
        persist_wal: false,
        memory: None,
    };
    slot.file_opened();
    // SAFETY: the caller's promise; the old content is not a value that needs dropping.
    unsafe { file.cast::<File>().write(File { base: sqlite3_file { pMethods: &METHODS }, state }) };
}

// Each method below is called by SQLite (or by a caller of `xRead` who got the file from SQLite) with a file
// that `init` made and `x_close` has not ended, one call at a time per file, with buffers and out-pointers of
// the documented lengths. The SAFETY comments refer to that as "the file contract".

/// # Safety
/// The file contract.
unsafe fn state<'a>(file: *mut sqlite3_file) -> &'a mut State {
    // SAFETY: the file contract: made by `init`, used by one call at a time.
    unsafe { &mut (*file.cast::<File>()).state }
}

fn code<T>(result: DiskResult<T>, general: c_int) -> c_int {
    match result {
        Ok(_) => ffi::SQLITE_OK,
        Err(error) => code_of(error, general),
    }
}

fn offset_of(offset: sqlite3_int64) -> u64 {
    u64::try_from(offset).expect("SQLite's offsets are not negative")
}

unsafe extern "C" fn x_close(file: *mut sqlite3_file) -> c_int {
    let file = file.cast::<File>();
    // SAFETY: the file contract; this is the last call, so the state is dropped once. Nothing of SQLite
    // points into shared memory any more.
    let state = unsafe { std::ptr::addr_of_mut!((*file).state).read() };
    // SAFETY: as above; null methods make any later call impossible.
    unsafe { (*file).base.pMethods = std::ptr::null() };
    state.disk.close(state.handle);
    state.slot.file_closed();
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    count: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: the file contract; the caller's buffer has `count` bytes and belongs to this call.
    let (state, buffer) = unsafe { (state(file), bytes_mut(buffer.cast(), count)) };
    match state.disk.read(state.handle, offset_of(offset), buffer) {
        Ok(read) if read == buffer.len() => ffi::SQLITE_OK,
        Ok(read) => {
            buffer[read..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(error) => code_of(error, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn x_write(
    file: *mut sqlite3_file,
    buffer: *const c_void,
    count: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).expect("SQLite's lengths are not negative");
    // SAFETY: the file contract: `count` readable bytes.
    let (state, bytes) = unsafe { (state(file), std::slice::from_raw_parts(buffer.cast::<u8>(), count)) };
    if state.read_only {
        return ffi::SQLITE_READONLY;
    }
    code(state.disk.write(state.handle, offset_of(offset), bytes), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn x_truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    code(state.disk.truncate(state.handle, offset_of(size)), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn x_sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    if let Err(error) = state.disk.fsync(state.handle) {
        return code_of(error, ffi::SQLITE_IOERR_FSYNC);
    }
    if state.sync_directory {
        if let Err(error) = state.disk.fsync_parent(state.handle) {
            return code_of(error, ffi::SQLITE_IOERR_DIR_FSYNC);
        }
        state.sync_directory = false;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    match state.disk.describe(state.handle) {
        Ok(stat) => {
            let size = i64::try_from(stat.size_bytes).expect("simulated files are short");
            // SAFETY: the file contract.
            unsafe { *out = size };
            ffi::SQLITE_OK
        }
        Err(error) => code_of(error, ffi::SQLITE_IOERR_FSTAT),
    }
}

fn level_of(lock: c_int) -> Level {
    match lock {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn x_lock(file: *mut sqlite3_file, lock: c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    match state.disk.lock(state.handle, level_of(lock)) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        Err(error) => code_of(error, ffi::SQLITE_IOERR_LOCK),
    }
}

unsafe extern "C" fn x_unlock(file: *mut sqlite3_file, lock: c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    state.disk.unlock_to(state.handle, level_of(lock));
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    match state.disk.is_reserved(state.handle) {
        Ok(reserved) => {
            // SAFETY: the file contract.
            unsafe { *out = c_int::from(reserved) };
            ffi::SQLITE_OK
        }
        Err(error) => code_of(error, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK),
    }
}

/// FILE_POINTER, VFS_POINTER and JOURNAL_POINTER never come here: SQLite's core answers them.
unsafe extern "C" fn x_file_control(file: *mut sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    match op {
        ffi::SQLITE_FCNTL_PERSIST_WAL => {
            // SAFETY: for this verb the argument is an int to read and write.
            let value = unsafe { &mut *argument.cast::<c_int>() };
            match *value {
                0 => state.persist_wal = false,
                1 => state.persist_wal = true,
                _ => *value = c_int::from(state.persist_wal),
            }
            ffi::SQLITE_OK
        }
        ffi::SQLITE_FCNTL_HAS_MOVED => match state.disk.has_moved(state.handle) {
            Ok(moved) => {
                // SAFETY: for this verb the argument is an int to write.
                unsafe { *argument.cast::<c_int>() = c_int::from(moved) };
                ffi::SQLITE_OK
            }
            Err(error) => code_of(error, ffi::SQLITE_IOERR_FSTAT),
        },
        _ => ffi::SQLITE_NOTFOUND,
    }
}

unsafe extern "C" fn x_sector_size(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    c_int::try_from(state.disk.sector_bytes()).expect("sectors are small")
}

/// A torn write leaves the rest of its sector alone, as the unix VFS assumes.
unsafe extern "C" fn x_device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    region_bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    assert!(usize::try_from(region_bytes).is_ok_and(|bytes| bytes == REGION_BYTES), "{region_bytes}");
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    let index = usize::try_from(region).expect("regions are counted from 0");
    let (address, code) = match state.disk.shm_attach(state.handle) {
        Ok(memory) => {
            let address = memory.region(index, extend != 0);
            state.memory = Some(memory);
            (address, ffi::SQLITE_OK)
        }
        Err(error) => (std::ptr::null_mut(), code_of(error, ffi::SQLITE_IOERR_SHMMAP)),
    };
    // SAFETY: the file contract.
    unsafe { *out = address };
    code
}

unsafe extern "C" fn x_shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    let Some(range) = ShmRange::new(offset, count) else { return ffi::SQLITE_IOERR_SHMLOCK };
    let action = if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        ShmAction::Release
    } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
        ShmAction::Share
    } else {
        ShmAction::Exclude
    };
    match state.disk.shm_lock(state.handle, range, action) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        Err(error) => code_of(error, ffi::SQLITE_IOERR_SHMLOCK),
    }
}

unsafe extern "C" fn x_shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn x_shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: the file contract.
    let state = unsafe { state(file) };
    state.disk.shm_detach(state.handle, delete != 0);
    // By the contract of xShmUnmap SQLite uses no region of this file after the call.
    state.memory = None;
    ffi::SQLITE_OK
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// szOsFile.
pub(super) const FILE_BYTES: c_int = {
    assert!(size_of::<File>() <= 1024 && align_of::<File>() <= 8);
    size_of::<File>() as c_int
};
