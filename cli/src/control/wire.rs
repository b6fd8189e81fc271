//! Lines of JSON on a stream, bounded in size and time.

use super::message::PROTOCOL;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Why a line is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The stream.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nothing came, or was taken, for this long.
    #[error("nothing within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// Longer than is allowed, or cut off.
    #[error("a line of more than {0} bytes, or without an end")]
    Endless(u64),
    /// Not JSON of this kind.
    #[error("not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// Another protocol.
    #[error("protocol {0} is not understood, this is protocol {PROTOCOL}")]
    Protocol(u32),
}

/// Reads a document; `None` at the end of the stream.
pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncBufRead + Unpin),
    bytes_max: u64,
    patience: Duration,
) -> Result<Option<T>, LineError> {
    let mut line = Vec::new();
    let mut bounded = stream.take(bytes_max);
    let read = tokio::time::timeout(patience, bounded.read_until(b'\n', &mut line));
    read.await.map_err(|_| LineError::Late(patience))??;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => parse(&line).map(Some),
        Some(_) => Err(LineError::Endless(bytes_max)),
    }
}

/// Reads the version first: what another version says may mean anything.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    #[derive(Deserialize)]
    struct Version {
        protocol: u32,
    }
    let Version { protocol } = serde_json::from_slice(line)?;
    if protocol != PROTOCOL {
        return Err(LineError::Protocol(protocol));
    }
    Ok(serde_json::from_slice(line)?)
}

/// Writes a document.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    document: &impl Serialize,
    patience: Duration,
) -> Result<(), LineError> {
    let line = line_of(document)?;
    let written = tokio::time::timeout(patience, async {
        stream.write_all(&line).await?;
        stream.flush().await
    });
    Ok(written.await.map_err(|_| LineError::Late(patience))??)
}

/// A document as its line.
pub(super) fn line_of(document: &impl Serialize) -> Result<Vec<u8>, LineError> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        protocol: u32,
        #[serde(flatten)]
        document: &'a T,
    }
    let mut line = serde_json::to_vec(&Line { protocol: PROTOCOL, document })?;
    line.push(b'\n');
    Ok(line)
}
