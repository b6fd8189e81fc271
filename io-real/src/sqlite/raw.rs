//! What rusqlite has no safe words for: file handles, the snapshot, checkpoints, `errno`. The only unsafe code
//! of the crate; every block states its obligation and why it is met.

use rusqlite::{Connection, ffi};
use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{NonNull, null, null_mut};

/// What SQLite answered, as a number, and why the system call below it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The extended result code.
    pub(super) code: c_int,
    /// The last `errno` that SQLite saw; 0 if it does not say.
    pub(super) errno: i32,
    /// SQLite's own words.
    pub(super) message: String,
}

/// Opens a connection. Unlike rusqlite's, a failure keeps its `errno`: "unable to open database file" is a
/// missing right, a missing file or a missing descriptor.
pub(super) fn open(path: &CStr, vfs: Option<&CStr>, flags: c_int) -> Result<Connection, Failure> {
    let mut db: *mut ffi::sqlite3 = null_mut();
    let vfs = vfs.map_or(null(), CStr::as_ptr);
    // SAFETY: path and vfs are C strings that outlive the call, db a place for one pointer.
    let code =
        unsafe { ffi::sqlite3_open_v2(path.as_ptr(), &raw mut db, flags | ffi::SQLITE_OPEN_EXRESCODE, vfs) };
    let Some(handle) = NonNull::new(db) else {
        return Err(Failure { code: ffi::SQLITE_NOMEM, errno: 0, message: "out of memory".to_owned() });
    };
    if code != ffi::SQLITE_OK {
        // SAFETY: SQLite gives a handle also on failure, for these two calls and for closing.
        let failure = unsafe { failure(handle.as_ptr(), code) };
        // SAFETY: opened above, nobody else has it, no statement was made on it.
        unsafe { ffi::sqlite3_close(handle.as_ptr()) };
        return Err(failure);
    }
    // SAFETY: a fresh, open handle that nobody else closes: rusqlite becomes its owner.
    unsafe { Connection::from_handle_owned(handle.as_ptr()) }.map_err(|e| Failure {
        code: ffi::SQLITE_MISUSE,
        errno: 0,
        message: e.to_string(),
    })
}

/// The `errno` behind the last failure on this connection; 0 if there was none.
pub(super) fn errno(connection: &Connection) -> i32 {
    // SAFETY: the handle is open as long as the connection lives.
    unsafe { ffi::sqlite3_system_errno(connection.handle()) }
}

/// Turns the lookaside allocator off: it costs tens of kilobytes per connection and gains nothing here.
/// Whether SQLite did it (it refuses while the memory is in use, which is harmless).
pub(super) fn lookaside_off(connection: &Connection) -> bool {
    let nothing: *mut c_void = null_mut();
    // SAFETY: the arguments after this option are a buffer (none), a size and a count, both int.
    let code = unsafe {
        ffi::sqlite3_db_config(
            connection.handle(),
            ffi::SQLITE_DBCONFIG_LOOKASIDE,
            nothing,
            0 as c_int,
            0 as c_int,
        )
    };
    code == ffi::SQLITE_OK
}

/// The wal-index header that the open read transaction stands on (48 bytes, docs/design.md section 3, rule 7);
/// `None` when the WAL has never been written.
pub(super) fn snapshot(connection: &Connection) -> Result<Option<[u8; SNAPSHOT_BYTES]>, Failure> {
    let mut snapshot: *mut ffi::sqlite3_snapshot = null_mut();
    // SAFETY: the handle is open, the schema's name a C string, snapshot a place for one pointer.
    let code = unsafe { ffi::sqlite3_snapshot_get(connection.handle(), c"main".as_ptr(), &raw mut snapshot) };
    match (code, NonNull::new(snapshot)) {
        (ffi::SQLITE_OK, Some(snapshot)) => {
            // SAFETY: sqlite3_snapshot is a struct of 48 bytes; it is ours until freed below.
            let bytes = unsafe { snapshot.as_ref() }.hidden;
            // SAFETY: given by sqlite3_snapshot_get and freed once.
            unsafe { ffi::sqlite3_snapshot_free(snapshot.as_ptr()) };
            Ok(Some(bytes))
        }
        (ffi::SQLITE_ERROR, _) => Ok(None),
        // SAFETY: the handle is open.
        _ => Err(unsafe { failure(connection.handle(), code) }),
    }
}

/// What `sqlite3_wal_checkpoint_v2` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckpointCounts {
    /// The result is SQLITE_BUSY.
    pub(super) busy: bool,
    /// Frames in the WAL; -1 if not known.
    pub(super) frames: c_int,
    /// Frames of it in the database; -1 if not known.
    pub(super) backfilled: c_int,
}

/// Runs a checkpoint in one of SQLite's modes (`SQLITE_CHECKPOINT_*`).
pub(super) fn checkpoint(connection: &Connection, mode: c_int) -> Result<CheckpointCounts, Failure> {
    let (mut frames, mut backfilled) = (-1, -1);
    // SAFETY: the handle is open, the schema's name a C string, both counters places for an int.
    let code = unsafe {
        let db = connection.handle();
        ffi::sqlite3_wal_checkpoint_v2(db, c"main".as_ptr(), mode, &raw mut frames, &raw mut backfilled)
    };
    match code & 0xff {
        ffi::SQLITE_OK | ffi::SQLITE_BUSY => {
            Ok(CheckpointCounts { busy: code != ffi::SQLITE_OK, frames, backfilled })
        }
        // SAFETY: the handle is open.
        _ => Err(unsafe { failure(connection.handle(), code) }),
    }
}

/// What to do with a lock of the wal-index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShmLock {
    /// Take it beside others.
    Share,
    /// Give back what was shared.
    Release,
    /// Take it alone, as a checkpoint does with a reader's slot.
    Exclude,
    /// Give back what was taken alone.
    Readmit,
}

/// Takes or gives back a lock of the wal-index for this connection, as SQLite itself would; `Ok(false)` if others
/// stand in the way. `lock` is SQLite's number of it (0 to 7).
///
/// Between the two the connection may end its transaction, and begins none: SQLite keeps one mask of locks per
/// connection, and would give back with its own lock what it finds there.
pub(super) fn shm_lock(connection: &Connection, lock: c_int, action: ShmLock) -> Result<bool, c_int> {
    let mut file: *mut ffi::sqlite3_file = null_mut();
    // SAFETY: the file control stores one sqlite3_file pointer where the argument points.
    let code = unsafe {
        let place = (&raw mut file).cast();
        let which = ffi::SQLITE_FCNTL_FILE_POINTER;
        ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), which, place)
    };
    let file = NonNull::new(file).filter(|_| code == ffi::SQLITE_OK).ok_or(ffi::SQLITE_MISUSE)?;
    // SAFETY: the database file of an open connection; pMethods is NULL while it is not open.
    let methods = NonNull::new(unsafe { file.as_ref() }.pMethods.cast_mut()).ok_or(ffi::SQLITE_MISUSE)?;
    // SAFETY: the method table belongs to the open file.
    let shm_lock = unsafe { methods.as_ref() }.xShmLock.ok_or(ffi::SQLITE_MISUSE)?;
    let flags = match action {
        ShmLock::Share => ffi::SQLITE_SHM_LOCK | ffi::SQLITE_SHM_SHARED,
        ShmLock::Release => ffi::SQLITE_SHM_UNLOCK | ffi::SQLITE_SHM_SHARED,
        ShmLock::Exclude => ffi::SQLITE_SHM_LOCK | ffi::SQLITE_SHM_EXCLUSIVE,
        ShmLock::Readmit => ffi::SQLITE_SHM_UNLOCK | ffi::SQLITE_SHM_EXCLUSIVE,
    };
    // SAFETY: one lock of the eight, of a file whose shared memory SQLite has mapped when it was pinned; the
    // connection is used by this thread only.
    match unsafe { shm_lock(file.as_ptr(), lock, 1, flags) } {
        ffi::SQLITE_OK => Ok(true),
        ffi::SQLITE_BUSY => Ok(false),
        code => Err(code),
    }
}

/// One of SQLite's own open files, borrowed from a connection with an open transaction or one that rests: the
/// pager closes its files only when a statement runs outside of a transaction.
pub(super) struct FileHandle<'c> {
    file: NonNull<ffi::sqlite3_file>,
    methods: NonNull<ffi::sqlite3_io_methods>,
    connection: PhantomData<&'c Connection>,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The buffer is full.
    Full,
    /// The file ends before; the rest of the buffer is zeros.
    Short,
}

impl<'c> FileHandle<'c> {
    /// The database file; `None` if it is not open.
    pub(super) fn database(connection: &'c Connection) -> Option<FileHandle<'c>> {
        FileHandle::get(connection, ffi::SQLITE_FCNTL_FILE_POINTER)
    }

    /// The WAL; `None` before SQLite has opened it.
    pub(super) fn wal(connection: &'c Connection) -> Option<FileHandle<'c>> {
        FileHandle::get(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER)
    }

    fn get(connection: &'c Connection, which: c_int) -> Option<FileHandle<'c>> {
        let mut file: *mut ffi::sqlite3_file = null_mut();
        // SAFETY: both file controls store one sqlite3_file pointer where the argument points.
        let code = unsafe {
            let place = (&raw mut file).cast();
            ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), which, place)
        };
        let file = NonNull::new(file).filter(|_| code == ffi::SQLITE_OK)?;
        // SAFETY: SQLite keeps the sqlite3_file as long as the pager; while the file is not open pMethods is NULL.
        let methods = NonNull::new(unsafe { file.as_ref() }.pMethods.cast_mut())?;
        Some(FileHandle { file, methods, connection: PhantomData })
    }

    /// Reads at an offset, with zeros beyond the end of the file. The error is SQLite's result code.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<Read, c_int> {
        assert!(buffer.len() <= READ_BYTES_MAX, "one read of {} bytes", buffer.len());
        let offset = i64::try_from(offset).map_err(|_| ffi::SQLITE_TOOBIG)?;
        let length = c_int::try_from(buffer.len()).expect("bounded above");
        // SAFETY: the method table belongs to the open file (see `get`).
        let read = unsafe { self.methods.as_ref() }.xRead.ok_or(ffi::SQLITE_MISUSE)?;
        // SAFETY: file and table are SQLite's own and open while the transaction is; the buffer is writable for
        // `length` bytes; the connection is used by this thread only (it is not Sync).
        match unsafe { read(self.file.as_ptr(), buffer.as_mut_ptr().cast(), length, offset) } {
            ffi::SQLITE_OK => Ok(Read::Full),
            ffi::SQLITE_IOERR_SHORT_READ => Ok(Read::Short),
            code => Err(code),
        }
    }

    /// The file's length.
    pub(super) fn size_bytes(&self) -> Result<u64, c_int> {
        let mut size = 0;
        // SAFETY: as in `read`.
        let file_size = unsafe { self.methods.as_ref() }.xFileSize.ok_or(ffi::SQLITE_MISUSE)?;
        // SAFETY: as in `read`; size is a place for one i64.
        match unsafe { file_size(self.file.as_ptr(), &raw mut size) } {
            ffi::SQLITE_OK => u64::try_from(size).map_err(|_| ffi::SQLITE_IOERR),
            code => Err(code),
        }
    }

    /// Waits until everything that was written to it is on the disk.
    pub(super) fn sync(&self) -> Result<(), c_int> {
        // SAFETY: as in `read`.
        let sync = unsafe { self.methods.as_ref() }.xSync.ok_or(ffi::SQLITE_MISUSE)?;
        // SAFETY: as in `read`.
        match unsafe { sync(self.file.as_ptr(), ffi::SQLITE_SYNC_NORMAL) } {
            ffi::SQLITE_OK => Ok(()),
            code => Err(code),
        }
    }

    /// The start of the wal-index, if this is the database file of a connection in WAL mode: header, then the
    /// rest, then the header again, so that the caller can see a change in between. Others write to this
    /// memory all the time: each number is whole, their combination may not be.
    pub(super) fn wal_index(&self) -> Result<WalIndexBytes, c_int> {
        let mut region: *mut c_void = null_mut();
        // SAFETY: as in `read`.
        let methods = unsafe { self.methods.as_ref() };
        let (map, barrier) = methods
            .xShmMap
            .zip(methods.xShmBarrier)
            .filter(|_| methods.iVersion >= 2)
            .ok_or(ffi::SQLITE_MISUSE)?;
        // SAFETY: region 0 at SQLite's own region size, not extended: SQLite has mapped it when the pin was
        // taken and keeps it mapped while the connection is open. xShmMap stores one pointer.
        let code = unsafe { map(self.file.as_ptr(), 0, SHM_REGION_BYTES, 0, &raw mut region) };
        let region = match (code, NonNull::new(region.cast::<u32>())) {
            (ffi::SQLITE_OK, Some(region)) => region,
            (ffi::SQLITE_OK, None) => return Err(ffi::SQLITE_PROTOCOL),
            (code, _) => return Err(code),
        };
        let word = |index: usize| {
            assert!(index < INDEX_WORDS);
            // SAFETY: the region is 32 KiB, aligned to a page and mapped; volatile because other processes
            // write to it.
            unsafe { region.add(index).read_volatile() }
        };
        let mut bytes = WalIndexBytes { before: [0; 24], checkpoint: [0; 10], after: [0; 24] };
        bytes.before = std::array::from_fn(word);
        // SAFETY: as in `read`; a memory barrier.
        unsafe { barrier(self.file.as_ptr()) };
        bytes.checkpoint = std::array::from_fn(|i| word(24 + i));
        // SAFETY: as above.
        unsafe { barrier(self.file.as_ptr()) };
        bytes.after = std::array::from_fn(word);
        Ok(bytes)
    }
}

/// The first 136 bytes of the wal-index as native words; the headers twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalIndexBytes {
    /// Both copies of the header.
    pub(super) before: [u32; 24],
    /// What follows: nBackfill, five read marks, lock bytes, nBackfillAttempted, unused.
    pub(super) checkpoint: [u32; 10],
    /// Both copies of the header, read last.
    pub(super) after: [u32; 24],
}

/// A path as SQLite takes it; `None` if it contains a NUL.
pub(super) fn c_path(path: &std::path::Path) -> Option<CString> {
    use std::os::unix::ffi::OsStrExt as _;
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// # Safety
/// `db` is a handle that SQLite gave and that is not closed.
unsafe fn failure(db: *mut ffi::sqlite3, code: c_int) -> Failure {
    // SAFETY: the caller's promise; the message is copied before anything else is called on the handle.
    let (errno, message) =
        unsafe { (ffi::sqlite3_system_errno(db), CStr::from_ptr(ffi::sqlite3_errmsg(db))) };
    Failure { code, errno, message: message.to_string_lossy().into_owned() }
}

/// Bytes of a snapshot (`struct sqlite3_snapshot`).
pub(super) const SNAPSHOT_BYTES: usize = 48;
/// Most bytes of one read: the largest page and its frame header (SQLite never reads more at once, and VFSs
/// are tested with what SQLite does).
pub(super) const READ_BYTES_MAX: usize = 65536 + 24;
/// Bytes of a region of the wal-index (WALINDEX_PGSZ; SQLite's walformat page).
const SHM_REGION_BYTES: c_int = 32768;
/// Words of the wal-index that have a meaning here.
const INDEX_WORDS: usize = 34;
