//! What the rows of one database are found by.

/// The key of the database at `path`, without symbolic links, that is replicated to a place of a store: what one store
/// confirmed says nothing about another.
pub fn state_key(path: &str, store: &str, place: &str) -> String {
    format!("{path}\n{store}\n{place}")
}

/// The path in a key; a key without a place is a path.
pub(super) fn path_of(key: &str) -> &str {
    key.rsplitn(3, '\n').nth(2).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::{path_of, state_key};

    #[test]
    fn path_comes_out_of_the_key_as_it_went_in() {
        for path in ["/data/app.db", "/odd\nname\n.db"] {
            assert_eq!(path_of(&state_key(path, "s3://bucket/prefix", "prod/app")), path);
        }
        assert_eq!(path_of("/data/app.db"), "/data/app.db");
    }
}
