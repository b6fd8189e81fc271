//! What glibc's allocator is told at the start: the memory of a daemon is what it uses, not what its threads once used.

/// Called once, before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn configure() {
    // By default each thread may get an arena of its own (eight per core), and what it frees stays there. A large buffer
    // that was freed raises the size from which on they are given back at once; a fixed one keeps it.
    for (parameter, value) in [(libc::M_ARENA_MAX, ARENAS_MAX), (libc::M_MMAP_THRESHOLD, MMAP_BYTES_MIN)] {
        // SAFETY: changes settings of the allocator, which takes any value; it says no to one that it cannot take.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators are as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn configure() {}

/// Two cores can allocate at the same time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MAX: std::ffi::c_int = 2;
/// Bodies of objects, and the buffers of downloads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_BYTES_MIN: std::ffi::c_int = 512 << 10;
