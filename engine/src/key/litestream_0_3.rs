//! The folder in which Litestream 0.3 keeps a replica. Its format is another one (copies of the log's segments, not
//! LTX), which nothing here reads: it is only told from an empty place, and from a store without a database.

/// The folder below a place that holds all of it, ending in `/`.
pub const GENERATIONS_FOLDER: &str = "generations/";

/// Whether a name below a place is one that Litestream 0.3 gives its files:
/// `generations/<16 hexadecimal digits>/snapshots/...` or `.../wal/...` (source: the replica layout that Litestream 0.3
/// documents; version 0.5 leaves such folders alone and writes beside them).
pub fn is_of_litestream_0_3(name: &str) -> bool {
    let Some((generation, rest)) =
        name.strip_prefix(GENERATIONS_FOLDER).and_then(|name| name.split_once('/'))
    else {
        return false;
    };
    let is_generation = generation.len() == 16 && generation.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_generation && (rest.starts_with("snapshots/") || rest.starts_with("wal/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_generations_are_told_from_everything_else() {
        for name in [
            "generations/0123456789abcdef/snapshots/00000000.snapshot.lz4",
            "generations/fedcba9876543210/wal/00000000_00000000.wal.lz4",
            "generations/fedcba9876543210/wal/00000000/00000000.wal.lz4",
        ] {
            assert!(is_of_litestream_0_3(name), "{name}");
        }
        for name in [
            "",
            "generations",
            "generations/",
            "generations/ltx/0/0000000000000001-0000000000000001.ltx",
            "generations/0123456789abcdef",
            "generations/0123456789abcdef/ltx/0/0000000000000001-0000000000000001.ltx",
            "generations/0123456789abcdeg/wal/x",
            "generations/0123456789abcde/wal/x",
            "x/generations/0123456789abcdef/wal/x",
            "ltx/0/0000000000000001-0000000000000001.ltx",
        ] {
            assert!(!is_of_litestream_0_3(name), "{name}");
        }
    }
}
