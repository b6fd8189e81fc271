use super::*;
use std::fs;

/// A tree of empty files, with folders for names that end in a slash.
fn tree(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') { fs::create_dir_all(path).unwrap() } else { fs::write(path, "").unwrap() }
    }
    dir
}

fn discovery(dir: &Path, text: &str) -> Discovery {
    let with = surroundings_in(dir, &[]);
    let loaded = load(text, &Flags::default(), &with);
    let shown = format!("{:?}", loaded.problems);
    discover(&loaded.config.expect(&shown).entries, &[])
}

/// `path -> place` of what is found, paths relative to `dir`.
fn found(dir: &Path, text: &str) -> Vec<String> {
    let databases = discovery(dir, text).databases;
    let relative = |path: &Path| path.strip_prefix(dir).unwrap_or(path).display().to_string();
    databases.iter().map(|spec| format!("{} -> {}", relative(&spec.path), spec.place)).collect()
}

fn entry(path: &str, rest: &str) -> String {
    format!("[[databases]]\npath = \"{path}\"\n{rest}\n")
}

#[test]
fn default_name_is_the_file_name_without_extension() {
    let dir = tree(&[]);
    for (path, place) in [
        ("app.db", "app"),
        ("app.sqlite", "app"),
        ("app.sqlite3", "app"),
        ("app.db.db", "app.db"),
        ("app.dat", "app.dat"),
        ("sub/app", "app"),
        (".db", ".db"),
    ] {
        assert_eq!(found(dir.path(), &entry(path, "")), [format!("{path} -> {place}")]);
    }
    assert_eq!(
        found(dir.path(), &entry("app.db", "prefix = \"/a/b/\"\nname = \"x/y\"")),
        ["app.db -> a/b/x/y"]
    );
}

#[test]
fn wildcard_in_the_file_part_names_by_file() {
    let dir =
        tree(&["a.db", "b.db", "c.sqlite", "b.db-wal", "b.db-shm", "b.db-journal", "d.db/", ".hidden.db"]);
    assert_eq!(found(dir.path(), &entry("*.db", "prefix = \"t\"")), ["a.db -> t/a", "b.db -> t/b"]);
    let all = found(dir.path(), &entry("*", ""));
    assert_eq!(all, ["a.db -> a", "b.db -> b", "c.sqlite -> c"]);
}

#[test]
fn wildcard_in_a_folder_part_names_by_path_from_there() {
    let dir =
        tree(&["data/t1/app.db", "data/t2/app.db", "data/t2/deep/app.db", "data/app.db", "data/.x/app.db"]);
    assert_eq!(
        found(dir.path(), &entry("data/*/app.db", "")),
        ["data/t1/app.db -> t1/app", "data/t2/app.db -> t2/app"]
    );
    assert_eq!(
        found(dir.path(), &entry("data/**/*.db", "prefix = \"p\"")),
        [
            "data/app.db -> p/app",
            "data/t1/app.db -> p/t1/app",
            "data/t2/app.db -> p/t2/app",
            "data/t2/deep/app.db -> p/t2/deep/app",
        ]
    );
    assert_eq!(found(dir.path(), &entry("data/t[12]/{app,x}.db", "")).len(), 2);
    assert_eq!(found(dir.path(), &entry("nowhere/*/app.db", "")), [""; 0]);
}

#[test]
fn links_to_files_are_followed_and_loops_of_folders_are_not() {
    let dir = tree(&["data/a.db", "elsewhere/x.db"]);
    std::os::unix::fs::symlink(dir.path().join("data"), dir.path().join("data/loop")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere/x.db"), dir.path().join("data/b.db")).unwrap();
    assert_eq!(found(dir.path(), &entry("data/**/*.db", "")), ["data/a.db -> a", "data/b.db -> b"]);
}

#[test]
fn named_file_is_listed_whether_it_exists_or_not() {
    let dir = tree(&[]);
    assert_eq!(found(dir.path(), &entry("later.db", "")), ["later.db -> later"]);
}

#[test]
fn more_specific_entry_wins_wholly() {
    let dir = tree(&["data/app.db", "data/big.db", "data/sub/x.db"]);
    let text = entry("data/app.db", "prefix = \"named\"")
        + &entry("data/*.db", "prefix = \"file\"\nmax_interval = \"9s\"")
        + &entry("data/b*.db", "prefix = \"longer\"")
        + &entry("data/**/*.db", "prefix = \"deep\"");
    let all = found(dir.path(), &text);
    assert_eq!(all, ["data/app.db -> named/app", "data/big.db -> longer/big", "data/sub/x.db -> deep/sub/x"]);
    let big = &discovery(dir.path(), &text).databases[1];
    assert_eq!(big.settings.sync.max_interval.as_secs(), 1);
}

#[test]
fn two_databases_on_one_place_are_an_error_at_start() {
    let dir = tree(&["a/app.db", "b/app.db"]);
    let text = entry("a/app.db", "") + &entry("b/app.db", "");
    let with = surroundings_in(dir.path(), &[]);
    let config = load(&text, &Flags::default(), &with).config.unwrap();
    let failure = config.databases().unwrap_err();
    assert_eq!(failure.kind(), crate::exit::Kind::Usage);
    assert!(failure.headline().contains("one place `app`"), "{failure}");
    assert_eq!(failure.causes().len(), 1);
}

#[test]
fn second_path_of_a_file_is_an_error_where_it_is_named_and_left_out_where_it_is_found() {
    let dir = tree(&["data/app.db", "links/README"]);
    std::os::unix::fs::symlink(dir.path().join("data/app.db"), dir.path().join("links/a.db")).unwrap();
    fs::hard_link(dir.path().join("data/app.db"), dir.path().join("links/hard.db")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("data"), dir.path().join("folder")).unwrap();
    let with = surroundings_in(dir.path(), &[]);
    for second in ["links/a.db", "links/hard.db", "links/../folder/app.db"] {
        let text = entry("data/app.db", "") + &entry(second, "name = \"other\"");
        let config = load(&text, &Flags::default(), &with).config.unwrap();
        let failure = config.databases().unwrap_err();
        assert_eq!(failure.kind(), crate::exit::Kind::Usage, "{second}");
        let both = failure.causes()[0].clone();
        assert!(both.contains("data/app.db and ") && both.ends_with("are the same file"), "{both}");
    }
    // One that is not there yet.
    let text = entry("data/new.db", "") + &entry("folder/new.db", "name = \"other\"");
    assert!(load(&text, &Flags::default(), &with).config.unwrap().databases().is_err());

    let out = discovery(dir.path(), &entry("**/*.db", ""));
    assert_eq!(out.databases.len(), 1, "{:?}", out.databases);
    assert!(out.refused.iter().all(|refused| refused.reason.contains("same file as")), "{:?}", out.refused);
    assert_eq!((out.refused.len(), out.twice.len()), (2, 0));
}

#[test]
fn later_file_for_a_taken_place_does_not_push_out_the_first() {
    let dir = tree(&["b/app.db"]);
    let text = entry("[ab]/app.db", "").replace("[ab]/app.db", "{a,b}/app*");
    let with = surroundings_in(dir.path(), &[]);
    let config = load(&text, &Flags::default(), &with).config.unwrap();
    let first = discover(&config.entries, &[]).databases;
    assert_eq!(first.len(), 1);
    fs::write(dir.path().join("b/app"), "").unwrap();
    let second = discover(&config.entries, &first);
    assert_eq!(second.databases.len(), 1);
    assert!(second.databases[0].path.ends_with("b/app.db"), "{:?}", second.databases[0].path);
    assert!(second.collisions[0].second.path.ends_with("b/app"));
}

#[test]
fn file_whose_name_would_look_like_a_level_is_left_out_and_said() {
    let dir = tree(&["0001.db", "ltx.db", "0010.db"]);
    let out = discovery(dir.path(), &entry("*.db", ""));
    assert_eq!(out.databases.len(), 1);
    assert_eq!(out.refused.len(), 2);
    assert!(out.refused[0].reason.contains("reserved"), "{:?}", out.refused);
}

#[test]
fn patterns_match_exactly_the_files_that_they_find() {
    let dir = tree(&["d/a.db", "d/a.db-wal", "d/s/b.db", "d/.h/c.db"]);
    for text in ["d/*", "d/**/*.db", "d/*/*.db", "d/a.db"] {
        let pattern = Pattern::parse(text, dir.path()).unwrap();
        let files = pattern.files(&mut |path, error| panic!("{path:?}: {error}"));
        for name in ["d/a.db", "d/a.db-wal", "d/s/b.db", "d/.h/c.db"] {
            let path = dir.path().join(name);
            assert_eq!(pattern.matches(&path), files.contains(&path), "{text} {name}");
        }
        assert_eq!(pattern.root(), dir.path().join("d"));
    }
}

#[test]
fn wildcard_characters_of_the_working_directory_are_literal() {
    let dir = tree(&["[x]*/a.db"]);
    assert_eq!(found(&dir.path().join("[x]*"), &entry("*.db", "")), ["a.db -> a"]);
}

#[test]
fn argument_that_exists_is_literal_also_with_wildcard_characters() {
    let dir = tree(&["a[1].db", "a1.db"]);
    let entry = DatabaseEntry::of_argument(Path::new("a[1].db"), dir.path(), &Values::defaults()).unwrap();
    assert!(!entry.pattern.has_wildcard());
    let pattern = DatabaseEntry::of_argument(Path::new("a?.db"), dir.path(), &Values::defaults()).unwrap();
    assert_eq!(discover(&[pattern], &[]).databases[0].place.as_str(), "a1");
}

#[test]
fn file_that_is_gone_is_expected_where_its_wildcard_found_it() {
    let dir = tree(&["data/"]);
    let text = [
        entry("data/*.db", "prefix = \"p\""),
        entry("data/main.db", "name = \"special\""),
        entry("tenants/*/app.db", ""),
        entry("any/*", ""),
    ];
    let with = surroundings_in(dir.path(), &[]);
    let config = load(&text.concat(), &Flags::default(), &with).config.unwrap();
    let expected = |given: &str| -> Vec<String> {
        let shown = |spec: &DatabaseSpec| {
            format!("{} -> {}", spec.path.strip_prefix(dir.path()).unwrap().display(), spec.place)
        };
        expected(&config.entries, given, dir.path()).iter().map(shown).collect()
    };
    assert_eq!(expected("p/one"), ["data/one.db -> p/one"]);
    assert_eq!(expected("one"), ["data/one.db -> p/one"]);
    assert_eq!(expected("./data/one.db"), ["data/one.db -> p/one"]);
    assert_eq!(expected("t1/app"), ["tenants/t1/app.db -> t1/app"]);
    assert_eq!(expected("tenants/t1/app.db"), ["tenants/t1/app.db -> t1/app"]);
    assert!(expected("p/main").is_empty(), "another entry counts for that file");
    // By its name alone the entry `any/*` stands for one.db, one.sqlite or one: not told apart above.
    assert_eq!(expected("any/one"), ["any/one -> one"]);
    assert!(expected("../one").is_empty() && expected("").is_empty());
}

#[test]
fn a_known_database_keeps_its_place_while_its_file_is_missing() {
    let dir = tree(&["one/app.db", "two/"]);
    let text = entry("one/*.db", "") + &entry("two/*.db", "");
    let with = surroundings_in(dir.path(), &[]);
    let entries = load(&text, &Flags::default(), &with).config.unwrap().entries;
    let known = discover(&entries, &[]).databases;
    fs::remove_file(dir.path().join("one/app.db")).unwrap();
    fs::write(dir.path().join("two/app.db"), "").unwrap();
    let later = discover(&entries, &known);
    assert_eq!(later.databases.len(), 1);
    assert_eq!(later.databases[0].path, dir.path().join("one/app.db"));
    assert_eq!(later.collisions.len(), 1, "the new file is refused");
    assert_eq!(discover(&entries, &[]).databases[0].path, dir.path().join("two/app.db"));
}

#[test]
fn a_known_database_that_no_entry_stands_for_is_none_any_more() {
    let dir = tree(&["a.db", "b.sqlite"]);
    let with = surroundings_in(dir.path(), &[]);
    let entries = |text: &str| load(text, &Flags::default(), &with).config.unwrap().entries;
    let known = discover(&entries(&entry("*", "")), &[]).databases;
    assert_eq!(known.len(), 2);
    let left = discover(&entries(&entry("*.sqlite", "")), &known).databases;
    assert_eq!(left.iter().map(|spec| spec.place.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_known_database_takes_the_settings_of_the_entry_that_counts_now() {
    let dir = tree(&["a.db"]);
    let with = surroundings_in(dir.path(), &[]);
    let entries = |text: &str| load(text, &Flags::default(), &with).config.unwrap().entries;
    let known = discover(&entries(&entry("*.db", "")), &[]).databases;
    fs::remove_file(dir.path().join("a.db")).unwrap();
    let text = entry("*.db", "max_changes = 7") + &entry("*", "max_changes = 8");
    let spec = &discover(&entries(&text), &known).databases[0];
    assert_eq!(spec.settings.sync.max_changes, Some(7));
}
