//! What travels in headers beside an object's bytes.

use crate::store::options::{CustomerKey, Encryption, StoreOptions};
use crate::store::time::{format_rfc3339, parse_http_date, parse_rfc3339};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::store::{Attributes, Condition, ETag, Sha256};
use engine::types::Timestamp;
use http::header::{DATE, ETAG, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest as _, Md5};

/// The header's timestamp of an LTX file; Litestream reads and writes the same.
const TIMESTAMP: HeaderName = HeaderName::from_static("x-amz-meta-litestream-timestamp");
/// SHA-256 of the object, in hex.
const SHA256: HeaderName = HeaderName::from_static("x-amz-meta-walsync-sha256");

/// Headers for the attributes of a new object.
pub(super) fn attribute_headers(attributes: &Attributes, headers: &mut HeaderMap) {
    if let Some(timestamp) = attributes.timestamp {
        headers.insert(TIMESTAMP, text_value(&format_rfc3339(timestamp)));
    }
    if let Some(sha256) = attributes.sha256 {
        headers.insert(SHA256, text_value(&sha256.to_string()));
    }
}

/// The attributes in an answer; what cannot be read is not there.
pub(super) fn read_attributes(headers: &HeaderMap) -> Attributes {
    Attributes {
        timestamp: text(headers, &TIMESTAMP).and_then(parse_rfc3339),
        sha256: text(headers, &SHA256).and_then(Sha256::parse),
    }
}

/// Headers for a condition.
pub(super) fn condition_headers(condition: &Condition, headers: &mut HeaderMap) {
    match condition {
        Condition::IfAbsent => headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
        Condition::IfMatch(etag) => headers.insert(IF_MATCH, text_value(&format!("\"{}\"", etag.as_str()))),
    };
}

/// An ETag without its quotes.
pub(super) fn etag_of(text: &str) -> ETag {
    ETag::new(text.trim().trim_start_matches("W/").trim_matches('"'))
}

/// The answer's ETag.
pub(super) fn read_etag(headers: &HeaderMap) -> Option<ETag> {
    text(headers, &ETAG).map(etag_of)
}

/// The store's clock in an answer.
pub(super) fn read_date(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, &DATE).and_then(parse_http_date)
}

/// When the store took the object, to the second.
pub(super) fn read_modified(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, &LAST_MODIFIED).and_then(parse_http_date)
}

/// A header that has to be text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Headers that the configuration adds to requests.
#[derive(Clone, Debug, Default)]
pub(super) struct StorageHeaders {
    /// To requests that begin an object.
    pub(super) on_create: HeaderMap,
    /// To every request that carries an object's bytes, either way.
    pub(super) on_bytes: HeaderMap,
}

impl StorageHeaders {
    /// Reads the options; an error is a storage class that is no header.
    pub(super) fn of(options: &StoreOptions) -> Result<StorageHeaders, &'static str> {
        let mut all = StorageHeaders::default();
        if let Some(class) = &options.storage_class {
            let class = HeaderValue::from_str(class).map_err(|_| "storage_class")?;
            all.on_create.insert("x-amz-storage-class", class);
        }
        match &options.encryption {
            Encryption::BucketDefault => {}
            Encryption::Aes256 => {
                all.on_create.insert("x-amz-server-side-encryption", HeaderValue::from_static("AES256"));
            }
            Encryption::Kms { key_id } => {
                all.on_create.insert("x-amz-server-side-encryption", HeaderValue::from_static("aws:kms"));
                if let Some(key_id) = key_id {
                    let key_id = HeaderValue::from_str(key_id).map_err(|_| "kms_key_id")?;
                    all.on_create.insert("x-amz-server-side-encryption-aws-kms-key-id", key_id);
                }
            }
            Encryption::Customer { key: CustomerKey(key) } => {
                let (encoded, md5) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(Md5::digest(key)));
                let mut secret = text_value(&encoded);
                secret.set_sensitive(true);
                let name = |rest: &str| format!("x-amz-server-side-encryption-customer-{rest}");
                for (rest, value) in [
                    ("algorithm", HeaderValue::from_static("AES256")),
                    ("key", secret),
                    ("key-md5", text_value(&md5)),
                ] {
                    let name: HeaderName = name(rest).parse().expect("a fixed lower-case name");
                    all.on_bytes.insert(name, value);
                }
            }
        }
        Ok(all)
    }
}

/// A header value from text that is made here, or was a header value before.
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_went() {
        let attributes = Attributes {
            timestamp: Some(Timestamp::from_millis(1_700_000_000_123)),
            sha256: Some(Sha256::of(b"bytes")),
        };
        let mut headers = HeaderMap::new();
        attribute_headers(&attributes, &mut headers);
        assert_eq!(headers[TIMESTAMP], "2023-11-14T22:13:20.123Z");
        assert_eq!(read_attributes(&headers), attributes);
        headers.insert(TIMESTAMP, HeaderValue::from_static("soon"));
        assert_eq!(read_attributes(&headers).timestamp, None);
    }

    #[test]
    fn etags_lose_their_quotes_and_conditions_give_them_back() {
        assert_eq!(etag_of("\"abc-2\""), ETag::new("abc-2"));
        assert_eq!(etag_of("W/\"abc\""), ETag::new("abc"));
        let mut headers = HeaderMap::new();
        condition_headers(&Condition::IfMatch(ETag::new("abc")), &mut headers);
        assert_eq!(headers[IF_MATCH], "\"abc\"");
        condition_headers(&Condition::IfAbsent, &mut headers);
        assert_eq!(headers[IF_NONE_MATCH], "*");
    }

    #[test]
    fn encryption_and_storage_class_become_headers() {
        let key = CustomerKey([7; 32]);
        let options = StoreOptions {
            storage_class: Some("STANDARD_IA".to_owned()),
            encryption: Encryption::Customer { key },
            ..StoreOptions::default()
        };
        let headers = StorageHeaders::of(&options).unwrap();
        assert_eq!(headers.on_create["x-amz-storage-class"], "STANDARD_IA");
        let encoded = BASE64_STANDARD.encode([7; 32]);
        assert_eq!(headers.on_bytes["x-amz-server-side-encryption-customer-key"], encoded);
        assert!(headers.on_bytes["x-amz-server-side-encryption-customer-key"].is_sensitive());

        let kms = Encryption::Kms { key_id: Some("alias/x".to_owned()) };
        let headers =
            StorageHeaders::of(&StoreOptions { encryption: kms, ..StoreOptions::default() }).unwrap();
        assert_eq!(headers.on_create["x-amz-server-side-encryption"], "aws:kms");
        assert_eq!(headers.on_create["x-amz-server-side-encryption-aws-kms-key-id"], "alias/x");

        let broken = StoreOptions { storage_class: Some("a\nb".to_owned()), ..StoreOptions::default() };
        assert_eq!(StorageHeaders::of(&broken).err(), Some("storage_class"));
    }
}
