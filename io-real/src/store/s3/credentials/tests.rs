//! Which source of credentials wins.

use super::*;
use crate::store::options::Secret;

fn environment(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn key_id(chosen: &Chosen) -> &str {
    match &chosen.source {
        Source::Static(credential) => &credential.key_id,
        other => panic!("{other:?}"),
    }
}

fn with_keys() -> StoreOptions {
    StoreOptions {
        access_key_id: Some("FROM_OPTIONS".to_owned()),
        secret_access_key: Some(Secret::new("s")),
        ..StoreOptions::default()
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "FROM_ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];

#[test]
fn keys_in_options_win_over_keys_in_the_environment() {
    assert_eq!(key_id(&Chosen::by(&with_keys(), &environment(&KEYS)).unwrap()), "FROM_OPTIONS");
    assert_eq!(key_id(&Chosen::by(&StoreOptions::default(), &environment(&KEYS)).unwrap()), "FROM_ENV");
}

#[test]
fn a_named_profile_wins_over_keys_in_the_environment_unless_the_environment_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    std::fs::write(&file, "[work]\naws_access_key_id=AW\naws_secret_access_key=s\n").unwrap();
    let path = file.to_str().unwrap();
    let pairs = [KEYS[0], KEYS[1], ("AWS_SHARED_CREDENTIALS_FILE", path), ("AWS_PROFILE", "work")];

    let named = StoreOptions { profile: Some("work".to_owned()), ..StoreOptions::default() };
    let chosen = Chosen::by(&named, &environment(&pairs)).unwrap();
    assert!(matches!(chosen.source, Source::Profile(_)));
    let chosen = Chosen::by(&StoreOptions::default(), &environment(&pairs)).unwrap();
    assert_eq!(key_id(&chosen), "FROM_ENV");
    let chosen = Chosen::by(&StoreOptions::default(), &environment(&pairs[2..])).unwrap();
    assert!(matches!(chosen.source, Source::Profile(_)));
}

#[test]
fn a_profile_that_is_not_there_is_an_error_and_the_default_one_is_not() {
    let missing = Chosen::by(&StoreOptions::default(), &environment(&[("AWS_PROFILE", "nobody")]));
    assert!(matches!(missing.err(), Some(OpenError::Credentials(text)) if text.contains("nobody")));
    let chosen = Chosen::by(&StoreOptions::default(), &environment(&[])).unwrap();
    assert!(matches!(chosen.source, Source::Ambient));
}

#[test]
fn half_a_pair_of_keys_is_an_error() {
    let half = StoreOptions { secret_access_key: None, ..with_keys() };
    let error = Chosen::by(&half, &environment(&[])).err();
    assert!(matches!(error, Some(OpenError::Option { key: "secret_access_key", .. })));
    assert!(Chosen::by(&StoreOptions::default(), &environment(&KEYS[..1])).is_err());
}

#[test]
fn the_region_is_the_options_the_environments_the_profiles_or_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    std::fs::write(&file, "[default]\nregion=from-profile\n").unwrap();
    let profile = ("AWS_CONFIG_FILE", file.to_str().unwrap());
    let region = |options: &StoreOptions, pairs: &[(&str, &str)]| {
        Chosen::by(options, &environment(pairs)).unwrap().region
    };
    let asked = StoreOptions { region: Some("asked".to_owned()), ..with_keys() };
    assert_eq!(region(&asked, &[("AWS_REGION", "env"), profile]), "asked");
    assert_eq!(region(&with_keys(), &[("AWS_REGION", "env"), profile]), "env");
    assert_eq!(region(&with_keys(), &[profile]), "from-profile");
    assert_eq!(region(&with_keys(), &[]), "us-east-1");
}
