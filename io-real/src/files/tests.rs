use super::RealFiles;
use crate::port::{Files as _, LockError};
use std::fs;

fn files() -> RealFiles {
    RealFiles::new("test-host")
}

#[test]
fn missing_file_has_no_identity() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(files().identity(&dir.path().join("nothing")).unwrap(), None);
    fs::write(dir.path().join("file"), "x").unwrap();
    assert_eq!(files().identity(&dir.path().join("file/below-a-file")).unwrap(), None);
}

#[test]
fn copy_over_keeps_the_file_and_rename_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&a, "first").unwrap();
    fs::write(&b, "second!").unwrap();
    let before = files().identity(&a).unwrap().unwrap();
    fs::copy(&b, &a).unwrap();
    let copied = files().identity(&a).unwrap().unwrap();
    assert!(before.same_file(&copied) && before.size_bytes != copied.size_bytes);
    fs::rename(&b, &a).unwrap();
    assert!(!before.same_file(&files().identity(&a).unwrap().unwrap()));
}

#[test]
fn file_keeps_its_id_through_writes_and_renames() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let id = |path| files().identity(path).unwrap().unwrap().id();
    fs::write(&a, "first").unwrap();
    let first = id(&a);
    fs::write(&a, "longer").unwrap();
    fs::write(&b, "second").unwrap();
    assert_eq!(id(&a), first);
    assert_ne!(id(&b), first);
    fs::rename(&a, &b).unwrap();
    assert_eq!(id(&b), first);
}

#[test]
fn directory_is_not_regular() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!files().identity(dir.path()).unwrap().unwrap().regular);
}

#[test]
fn second_lock_names_the_holder_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let first = files().lock(&path).unwrap();
    let Err(LockError::Held { holder }) = files().lock(&path) else { panic!("locked twice") };
    assert_eq!(holder, format!("pid {} on test-host", std::process::id()));
    drop(first);
    files().lock(&path).unwrap();
}

#[test]
fn garbage_in_a_lock_file_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let _held = files().lock(&path).unwrap();
    fs::write(&path, [b"\x1b[31m\xff".as_slice(), &[b'x'; 5000]].concat()).unwrap();
    let Err(LockError::Held { holder }) = files().lock(&path) else { panic!("locked twice") };
    assert!(holder.len() < 400 && !holder.contains('\x1b'), "{holder}");
}

#[test]
fn lock_file_that_is_a_link_is_refused_and_what_it_names_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, lock) = (dir.path().join("victim"), dir.path().join(".app.db-walsync.lock"));
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    assert!(RealFiles::new("host").lock(&lock).is_err());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
