use super::*;

fn changes(old: &str, new: &str) -> Vec<(Option<String>, &'static str, String, String)> {
    let config = |text| load(text, &Flags::default(), &surroundings(&[])).config.unwrap();
    let changes = config(old).changes(&config(new));
    changes.into_iter().map(|c| (c.path, c.key, c.old.to_string(), c.new.to_string())).collect()
}

#[test]
fn changes_are_told_with_old_and_new_values() {
    assert_eq!(changes("", ""), []);
    assert_eq!(
        changes(
            "[sync]\nmax_interval = \"1s\"\n",
            "# moved\n\n[sync]\nmax_interval = \"1m\"\nmax_changes = 3\n"
        ),
        [
            (None, "sync.max_interval", "\"1s\"".to_owned(), "\"1m\"".to_owned()),
            (None, "sync.max_changes", "0".to_owned(), "3".to_owned()),
        ]
    );
    assert_eq!(
        changes("", "[state]\ndir = \"/s\"\n"),
        [(None, "state.dir", "null".to_owned(), "\"/s\"".to_owned())]
    );
}

#[test]
fn changes_of_an_entry_are_told_with_its_path() {
    let entry = |rest: &str| format!("[[databases]]\npath = \"/d/a.db\"\n{rest}");
    let told = |old: &str, new: &str| changes(&entry(old), &entry(new));
    let interval = |old: &str, new: &str| {
        [(Some("/d/a.db".to_owned()), "snapshots.interval", old.to_owned(), new.to_owned())]
    };
    assert_eq!(told("", "snapshot_interval = \"1h\"\n"), interval("\"24h\"", "\"1h\""));
    assert_eq!(told("snapshot_interval = \"1h\"\n", ""), interval("\"1h\"", "\"24h\""));
    assert_eq!(told("", "snapshot_interval = \"24h\"\n"), [], "the same as in general");
}

#[test]
fn changes_of_secrets_are_told_without_them() {
    let secret = |text: &str| format!("[store]\naccess_key_id = \"id\"\nsecret_access_key = \"{text}\"\n");
    let told = changes(&secret("old secret"), &secret("new secret"));
    assert_eq!(told, [(None, "store.secret_access_key", "\"***\"".to_owned(), "\"***\"".to_owned())]);
}
