//! The XML documents of the protocol, as far as they are used.

use super::request::{Effect, unknown};
use engine::store::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Any request may be answered with this.
#[derive(Debug, Default, Deserialize)]
#[serde(rename = "Error")]
pub(super) struct ErrorDocument {
    #[serde(rename = "Code", default)]
    pub(super) code: String,
    #[serde(rename = "Message", default)]
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListBucketResult {
    #[serde(default)]
    pub(super) contents: Vec<ListedObject>,
    #[serde(default)]
    pub(super) common_prefixes: Vec<CommonPrefix>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    pub(super) next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedObject {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InitiateMultipartUploadResult {
    pub(super) upload_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CompleteMultipartUploadResult {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "CompleteMultipartUpload")]
pub(super) struct CompleteMultipartUpload<'a> {
    #[serde(rename = "Part")]
    pub(super) parts: &'a [CompletedPart],
}

#[derive(Debug, Serialize)]
pub(super) struct CompletedPart {
    #[serde(rename = "PartNumber")]
    pub(super) number: usize,
    /// As the store gave it, with quotes.
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    #[serde(rename = "ChecksumSHA256")]
    pub(super) sha256: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "Delete")]
pub(super) struct Delete {
    #[serde(rename = "Object")]
    pub(super) objects: Vec<NamedObject>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedObject {
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteResult {
    #[serde(rename = "Deleted", default)]
    pub(super) deleted: Vec<DeletedObject>,
    #[serde(rename = "Error", default)]
    pub(super) errors: Vec<DeleteError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeletedObject {
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteError {
    pub(super) key: String,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMultipartUploadsResult {
    #[serde(default)]
    pub(super) upload: Vec<ListedUpload>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    pub(super) next_key_marker: Option<String>,
    pub(super) next_upload_id_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedUpload {
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) initiated: String,
}

/// Reads the document of a successful answer. Nonsense leaves a write's outcome unknown.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], effect: Effect) -> Result<T, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| unknown(effect, "the answer is not UTF-8"))?;
    quick_xml::de::from_str(text).map_err(|error| unknown(effect, format!("unexpected answer: {error}")))
}

/// Writes a request's document.
pub(super) fn write<T: Serialize>(document: &T) -> String {
    quick_xml::se::to_string(document).expect("plain structs of texts and numbers can be written")
}
