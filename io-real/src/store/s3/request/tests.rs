use super::*;
use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// What it means when a machine's metadata service is at this address.
async fn asked(endpoint: &str, had: bool) -> StoreError {
    crate::store::install_crypto_provider();
    let second = Duration::from_secs(1);
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: second };
    let store = AmazonS3Builder::new()
        .with_bucket_name("unused")
        .with_region("us-east-1")
        .with_metadata_endpoint(endpoint)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(retry)
        .build()
        .unwrap();
    let error = store.credentials().get_credential().await.unwrap_err();
    no_credentials(&error, had)
}

/// Answers every request with this status.
fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn who_gives_credentials_may_be_away_for_a_moment() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("http://{free}");
    for endpoint in [away, answering("503 Service Unavailable"), answering("429 Too Many Requests")] {
        let error = asked(&endpoint, true).await;
        assert!(
            matches!(&error, StoreError::Retryable(why) if why.starts_with("no credentials")),
            "{error:?}"
        );
        // Most machines are none of AWS's, and nobody is there to be asked.
        let error = asked(&endpoint, false).await;
        assert!(matches!(error, StoreError::Fatal { kind: Fatal::Denied, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn who_refuses_credentials_is_for_a_person() {
    let error = asked(&answering("403 Forbidden"), true).await;
    assert!(matches!(error, StoreError::Fatal { kind: Fatal::Denied, .. }), "{error:?}");
}
