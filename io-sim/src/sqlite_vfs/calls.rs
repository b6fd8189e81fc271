//! The methods of the VFS itself: names, time, sleep and randomness.

use super::file;
use super::registration::Slot;
use crate::disk::{DiskError, OpenRequest};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};
use std::ffi::{CStr, c_char, c_int};

/// A VFS without name and owner.
pub(super) fn vfs() -> sqlite3_vfs {
    sqlite3_vfs {
        iVersion: 2,
        szOsFile: file::FILE_BYTES,
        mxPathname: PATH_BYTES_MAX,
        pNext: std::ptr::null_mut(),
        zName: std::ptr::null(),
        pAppData: std::ptr::null_mut(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(x_randomness),
        xSleep: Some(x_sleep),
        xCurrentTime: Some(x_current_time),
        xGetLastError: Some(x_get_last_error),
        xCurrentTimeInt64: Some(x_current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

// Each function below is called by SQLite alone, with what its VFS contract promises: `vfs` is one that was
// registered (so [`Slot::of`] holds), strings are null or zero-terminated, and out-pointers are writable for
// the documented length unless said to be optional. The SAFETY comments refer to that as "the VFS contract".

unsafe extern "C" fn x_open(
    vfs: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: VFS contract: `file` has room for szOsFile bytes. Null methods tell SQLite not to close it.
    unsafe { (*file).pMethods = std::ptr::null() };
    // SAFETY: VFS contract.
    let (slot, path) = unsafe { (Slot::of(vfs), text(name)) };
    let Some(process) = slot.process() else { return ffi::SQLITE_CANTOPEN };
    let request = OpenRequest {
        path,
        create: flags & ffi::SQLITE_OPEN_CREATE != 0,
        exclusive: flags & ffi::SQLITE_OPEN_EXCLUSIVE != 0,
        delete_on_close: flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0,
        plain: false,
    };
    match process.disk.open_handle(process.pid, request) {
        Ok((handle, _)) => {
            // SAFETY: VFS contract: room for szOsFile bytes, uninitialised, for this file alone.
            unsafe { file::init(file, slot, process, handle, flags) };
            if !flags_out.is_null() {
                // SAFETY: VFS contract.
                unsafe { *flags_out = flags };
            }
            ffi::SQLITE_OK
        }
        Err(error) => code_of(error, ffi::SQLITE_CANTOPEN),
    }
}

unsafe extern "C" fn x_delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: VFS contract.
    let (slot, path) = unsafe { (Slot::of(vfs), text(name)) };
    let (Some(process), Some(path)) = (slot.process(), path) else { return ffi::SQLITE_IOERR_DELETE };
    match process.disk.unlink(process.pid, path) {
        Ok(()) if sync_directory != 0 => {
            let directory = path.rfind('/').filter(|end| *end > 0).map_or("/", |end| &path[..end]);
            match process.disk.fsync_directory(process.pid, directory) {
                Ok(()) => ffi::SQLITE_OK,
                Err(_) => ffi::SQLITE_IOERR_DIR_FSYNC,
            }
        }
        Ok(()) => ffi::SQLITE_OK,
        Err(DiskError::NotFound) => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(_) => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn x_access(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: VFS contract.
    let (slot, path) = unsafe { (Slot::of(vfs), text(name)) };
    let (Some(process), Some(path)) = (slot.process(), path) else { return ffi::SQLITE_IOERR_ACCESS };
    let Ok(found) = process.disk.stat_if_any(process.pid, path) else { return ffi::SQLITE_IOERR_ACCESS };
    // As the unix VFS: an empty file does not "exist" (a journal of length 0 is not hot).
    let yes = found.is_some_and(|stat| flags != ffi::SQLITE_ACCESS_EXISTS || stat.size_bytes > 0);
    // SAFETY: VFS contract.
    unsafe { *out = c_int::from(yes) };
    ffi::SQLITE_OK
}

/// Paths are absolute already.
unsafe extern "C" fn x_full_pathname(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: VFS contract: the name is zero-terminated.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if !usize::try_from(room).is_ok_and(|room| name.len() <= room) || name[0] != b'/' {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `out` has `room` bytes, which were just seen to suffice, and does not overlap the name.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), out.cast(), name.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_randomness(vfs: *mut sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    // SAFETY: VFS contract: `out` has `count` bytes.
    let (slot, bytes) = unsafe { (Slot::of(vfs), bytes_mut(out.cast(), count)) };
    bytes.fill(0);
    if let Some(process) = slot.process() {
        process.disk.sqlite_randomness(bytes);
    }
    count
}

/// Waiting for a lock takes simulated time only; nobody else runs meanwhile.
unsafe extern "C" fn x_sleep(vfs: *mut sqlite3_vfs, us: c_int) -> c_int {
    // SAFETY: VFS contract.
    if let Some(process) = unsafe { Slot::of(vfs) }.process() {
        process.disk.sleep_us(u64::try_from(us).unwrap_or(0));
    }
    us
}

unsafe extern "C" fn x_current_time(vfs: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: VFS contract.
    let ms = unsafe { julian_ms(vfs) };
    // SAFETY: VFS contract. Losing bits is what this older method is known for.
    unsafe { *out = ms as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_current_time_ms(vfs: *mut sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: VFS contract.
    unsafe { *out = julian_ms(vfs) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_get_last_error(_: *mut sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

/// The machine's wall clock as SQLite counts: milliseconds since noon on 4714-11-24 BC.
///
/// # Safety
/// As [`Slot::of`].
unsafe fn julian_ms(vfs: *mut sqlite3_vfs) -> i64 {
    // SAFETY: the caller's promise.
    let process = unsafe { Slot::of(vfs) }.process();
    let wall_us = process.map_or(0, |process| process.disk.clock().wall_us());
    EPOCH_JULIAN_MS + wall_us.div_euclid(1000)
}

/// A string of SQLite's; `None` when null (a temporary file), or not UTF-8.
///
/// # Safety
/// Null, or zero-terminated and valid for as long as the result is used.
unsafe fn text<'a>(string: *const c_char) -> Option<&'a str> {
    if string.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_str().ok()
}

/// A buffer of SQLite's.
///
/// # Safety
/// `count` bytes from `start` on must be writable, initialised, and used by nobody else meanwhile.
pub(super) unsafe fn bytes_mut<'a>(start: *mut u8, count: c_int) -> &'a mut [u8] {
    match usize::try_from(count) {
        // SAFETY: the caller's promise; not null because there are bytes.
        Ok(count) if count > 0 => unsafe { std::slice::from_raw_parts_mut(start, count) },
        _ => &mut [],
    }
}

/// SQLite's code for a disk error; `general` names the operation that failed.
pub(super) fn code_of(error: DiskError, general: c_int) -> c_int {
    match error {
        DiskError::NoSpace => ffi::SQLITE_FULL,
        DiskError::NotFound | DiskError::Exists => ffi::SQLITE_CANTOPEN,
        DiskError::Locked => ffi::SQLITE_BUSY,
        DiskError::Io | DiskError::PowerOff | DiskError::Killed => general,
    }
}

/// 1970-01-01 in SQLite's count.
const EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;
const PATH_BYTES_MAX: c_int = 512;
