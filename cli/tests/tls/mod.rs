//! A host that only those trust who trust the authority in `ca.pem` (see the README beside it).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// Serves TLS, refuses every request, and tells its first line.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Receiver<String>,
}

impl TlsServer {
    /// On a free port of 127.0.0.1, with `server.pem`.
    pub(crate) fn start() -> TlsServer {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from_pem_file(tls_file("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, requests) = channel();
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut reader = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
                let mut line = String::new();
                // Who does not trust the certificate says nothing.
                if reader.read_line(&mut line).is_err() || told.send(line).is_err() {
                    continue;
                }
                let body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
                let answer = format!(
                    "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let stream = reader.get_mut();
                // A client that has gone is no matter.
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        TlsServer { address, requests }
    }
}

/// One of the files beside this one.
pub(crate) fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}
