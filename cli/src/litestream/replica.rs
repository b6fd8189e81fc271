//! A replica: which store, where in it, and how it is reached.

use super::endpoint::{self, Endpoint};
use super::settings::{Found, Keys};
use super::table::{LeftOut, Table, Taken};
use super::value;

/// What a store is, before anything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// A bucket.
    S3(String),
    /// The file system.
    File,
}

/// Where the objects of a database are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Replica {
    pub(super) root: Root,
    /// Below the root; of files: the whole path. May be empty in a bucket.
    pub(super) place: String,
    /// How the store is reached: keys of `[store]`.
    pub(super) store: Keys,
    /// Keys of the database.
    pub(super) keys: Keys,
}

/// Reads a replica; `None`: walsync has no such store in this version, which is told.
pub(super) fn replica(mut table: Table, left_out: &mut Vec<LeftOut>) -> Option<Replica> {
    let line = table.line();
    let key = table.key("type");
    let url = table.text("url", left_out);
    let kind = table.text("type", left_out);
    let scheme = url.as_ref().and_then(|url| url.text.split_once("://")).map(|(scheme, _)| scheme.to_owned());
    let kind = scheme.or(kind.map(|kind| kind.text)).unwrap_or_else(|| "file".to_owned());
    let mut found = Found { keys: Keys::new(), left_out };
    found.duration(&mut table, "sync-interval", "sync.max_interval");
    found.duration(&mut table, "snapshot-interval", "snapshots.interval");
    found.retention(&mut table, "retention");
    for (name, reason) in WITHOUT {
        table.without(name, reason, found.left_out);
    }
    let keys = std::mem::take(&mut found.keys);
    let (root, place) = match kind.as_str() {
        "s3" => {
            let (endpoint, place) = address(url.as_ref(), &mut table, &mut found)?;
            s3(&mut table, &endpoint, &mut found);
            (Root::S3(endpoint.bucket), place)
        }
        "file" => (Root::File, directory(url.as_ref(), &mut table, &mut found)?),
        other => {
            let reason =
                format!("stores of kind `{other}` are not in this version: this database is left out");
            found.left_out.push(LeftOut { line, key, reason });
            return None;
        }
    };
    let store = found.keys;
    table.rest_is_unknown(left_out);
    Some(Replica { root, place, store, keys })
}

/// The directory of a replica in files.
fn directory(url: Option<&Taken>, table: &mut Table, found: &mut Found<'_>) -> Option<String> {
    let of_url = url.map(|url| url.text.split_once("://").map_or("", |(_, path)| path).to_owned());
    let of_path = table.text("path", found.left_out).map(|path| value::path(&path.text));
    let path = of_url.or(of_path).unwrap_or_default();
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        let reason = "a replica without `path` or `url`: this database is left out".to_owned();
        found.left_out.push(LeftOut { line: table.line(), key: table.key("path"), reason });
        return None;
    }
    table.forget_general(&OF_S3);
    for name in OF_S3 {
        table.without(name, "a directory has no such setting", found.left_out);
    }
    Some(path.to_owned())
}

/// Bucket and place of a replica on S3.
fn address(url: Option<&Taken>, table: &mut Table, found: &mut Found<'_>) -> Option<(Endpoint, String)> {
    let path = table.text("path", found.left_out).map(|path| path.text);
    let bucket = table.text("bucket", found.left_out).map(|bucket| bucket.text);
    let (mut endpoint, of_url) = match url {
        None => (Endpoint::default(), None),
        Some(url) => {
            let rest = url.text.split_once("://").map_or("", |(_, rest)| rest);
            let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
            let (host, place) = address.split_once('/').unwrap_or((address, ""));
            let mut endpoint = endpoint::of_host(host);
            of_query(query, &mut endpoint, url, found);
            (endpoint, Some(place.to_owned()))
        }
    };
    if let Some(bucket) = bucket {
        endpoint.bucket = bucket;
    }
    let (line, key) = (table.line(), table.key("bucket"));
    let mut left_out = |reason: &str| {
        found.left_out.push(LeftOut { line, key: key.clone(), reason: reason.to_owned() });
    };
    if endpoint.bucket.is_empty() {
        left_out("a replica on S3 without a bucket: this database is left out");
        return None;
    }
    if endpoint.bucket.starts_with("arn:") {
        left_out("access points are not in this version: this database is left out");
        return None;
    }
    let place = path.or(of_url).unwrap_or_default();
    Some((endpoint, place.trim_matches('/').to_owned()))
}

/// Options behind the question mark of a URL.
fn of_query(query: &str, endpoint: &mut Endpoint, url: &Taken, found: &mut Found<'_>) {
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, text) = option.split_once('=').unwrap_or((option, ""));
        match name {
            _ if text.is_empty() => {}
            "endpoint" => {
                endpoint.url = Some(endpoint::with_scheme(&text.replace("%3A", ":").replace("%2F", "/")))
            }
            "region" => endpoint.region = Some(text.to_owned()),
            "forcePathStyle" => found.set("store.path_style", url, text),
            "storageClass" | "storage-class" => found.set("store.storage_class", url, text),
            "partSize" | "part-size" => found.set("store.part_size", url, &format!("{text}B")),
            "signPayload" | "sign-payload" | "requireContentMD5" | "require-content-md5" => {}
            _ => found.left_out.push(url.left_out(format!("`{name}` behind the `?` has no equivalent"))),
        }
    }
}

/// How a bucket is reached.
fn s3(table: &mut Table, endpoint: &Endpoint, found: &mut Found<'_>) {
    let (key, line) = (table.key("url"), table.line());
    let of_url = |text: &str| Taken { line, key: key.clone(), text: text.to_owned() };
    match table.text("endpoint", found.left_out) {
        Some(taken) => found.set("store.endpoint", &taken, &endpoint::with_scheme(&taken.text)),
        None => {
            if let Some(url) = &endpoint.url {
                found.set("store.endpoint", &of_url(url), url);
            }
        }
    }
    match table.text("region", found.left_out) {
        Some(taken) => found.set("store.region", &taken, &taken.text),
        None => {
            if let Some(region) = &endpoint.region {
                found.set("store.region", &of_url(region), region);
            }
        }
    }
    found.text(table, "access-key-id", "store.access_key_id");
    found.text(table, "secret-access-key", "store.secret_access_key");
    found.text(table, "storage-class", "store.storage_class");
    if let Some(taken) = table.text("force-path-style", found.left_out) {
        match value::flag(&taken.text) {
            Some(flag) => found.set("store.path_style", &taken, if flag { "true" } else { "false" }),
            None => found.set("store.path_style", &taken, &taken.text),
        }
    }
    if let Some(taken) = table.text("part-size", found.left_out) {
        match value::size(&taken.text) {
            Some(size) => found.set("store.part_size", &taken, &size.to_string()),
            None => found.set("store.part_size", &taken, &taken.text),
        }
    }
    if let Some(taken) = table.text("sse-kms-key-id", found.left_out) {
        found.set("store.kms_key_id", &taken, &taken.text);
        found.keys.insert("store.sse", toml::Value::String("kms".to_owned()));
    }
    if let Some(taken) = table.text("skip-verify", found.left_out)
        && value::flag(&taken.text) != Some(false)
    {
        let reason = "walsync checks certificates: give the authority's with `store.ca_file`";
        found.left_out.push(taken.left_out(reason));
    }
    for name in ["sse-customer-algorithm", "sse-customer-key", "sse-customer-key-path"] {
        let reason = "write the 32 bytes of the key (`base64 -d`) into a file, and: sse = \"customer\", sse_key_file = FILE";
        table.without(name, reason, found.left_out);
    }
    for name in ["sign-payload", "require-content-md5"] {
        // Every request is signed and has a checksum.
        drop(table.node(name));
    }
    table.without("concurrency", "`limits.requests_in_flight` bounds all requests at once", found.left_out);
}

/// Settings that only S3 has.
const OF_S3: [&str; 16] = [
    "access-key-id",
    "secret-access-key",
    "sse-customer-algorithm",
    "sse-customer-key",
    "sse-customer-key-path",
    "sse-kms-key-id",
    "sign-payload",
    "require-content-md5",
    "bucket",
    "region",
    "endpoint",
    "force-path-style",
    "skip-verify",
    "storage-class",
    "part-size",
    "concurrency",
];

/// Keys that a file may set at its top, for all replicas.
pub(super) const GENERAL: [&str; 20] = [
    "sync-interval",
    "validation-interval",
    "max-sync-ltx-files",
    "auto-recover",
    "access-key-id",
    "secret-access-key",
    "region",
    "bucket",
    "endpoint",
    "force-path-style",
    "sign-payload",
    "require-content-md5",
    "skip-verify",
    "storage-class",
    "part-size",
    "concurrency",
    "sse-customer-algorithm",
    "sse-customer-key",
    "sse-customer-key-path",
    "sse-kms-key-id",
];

/// Keys of a replica for which walsync has nothing, or something else.
const WITHOUT: [(&str, &str); 9] = [
    ("validation-interval", "`walsync verify` does it; from the daemon it is not in this version"),
    ("retention-check-interval", "walsync looks when something can be due"),
    ("max-sync-ltx-files", "a sync of walsync's is one object"),
    ("auto-recover", "walsync compares pages where continuity is in doubt, and sends what differs"),
    ("name", "a database has one replica"),
    ("host", "stores by SFTP are not in this version"),
    ("user", "stores by SFTP are not in this version"),
    ("key-path", "stores by SFTP are not in this version"),
    (
        "age",
        "encryption is not in this version (nor in Litestream 0.5): what walsync writes is NOT encrypted by it",
    ),
];
