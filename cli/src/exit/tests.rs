use super::*;
use engine::store::{Fatal, StoreError};
use engine::types::Txid;

#[test]
fn exit_codes_are_the_documented_ones_and_grow_with_gravity() {
    let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 70]);
    assert!(Kind::ALL.is_sorted());
    assert_eq!(exit_code_of_signal(15), 143);
}

#[test]
fn worst_of_several_is_their_maximum() {
    assert_eq!([Kind::Usage, Kind::Fenced, Kind::No].into_iter().max(), Some(Kind::Fenced));
}

#[test]
fn store_errors_are_unavailable_unless_the_answer_is_no() {
    let denied = StoreError::Fatal { kind: Fatal::Denied, message: "access denied".into() };
    assert_eq!(Kind::of_store_error(&denied), Kind::Unavailable);
    assert_eq!(Kind::of_store_error(&StoreError::Retryable("refused".into())), Kind::Unavailable);
    assert_eq!(Kind::of_store_error(&StoreError::Missing), Kind::No);
}

fn sample() -> Failure {
    let denied = StoreError::Fatal { kind: Fatal::Denied, message: "access\ndenied".into() };
    Failure::of_store("cannot read the object", &denied)
        .database("prod/app")
        .object("prod/app/0000/0000000000000001-0000000000000001.ltx")
        .txid(Txid::new(26).unwrap())
        .hint("walsync config show")
}

#[test]
fn error_text_is_one_line_then_causes_then_the_hint() {
    insta::assert_snapshot!(sample(), @"
    error: cannot read the object (db prod/app, object prod/app/0000/0000000000000001-0000000000000001.ltx, txid 000000000000001a)
      caused by: access was refused: wrong credentials, none, or without the right
      caused by: access denied
    hint: walsync config show
    ");
}

#[test]
fn error_json_is_one_line_with_every_documented_field() {
    let line = sample().to_json();
    assert!(!line.contains('\n'));
    insta::assert_snapshot!(line, @r#"{"error":"cannot read the object: access was refused: wrong credentials, none, or without the right: access denied","kind":"unavailable","database":"prod/app","object":"prod/app/0000/0000000000000001-0000000000000001.ltx","txid":"000000000000001a","hint":"walsync config show","exit_code":3}"#);
    let bare = Failure::usage("nothing to watch").to_json();
    insta::assert_snapshot!(bare, @r#"{"error":"nothing to watch","kind":"usage","database":null,"object":null,"txid":null,"hint":"walsync --help","exit_code":2}"#);
}
