//! The server: a thread with a runtime of its own, so that blocking tests, async tests and child processes
//! can all talk to it.

use super::fault::{Fault, Rule, Script};
use super::memory::{Memory, Precondition};
use super::operation::{Operation, RequestRecord};
use super::service::Service;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};
use http::{HeaderValue, Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The access key that the server knows.
pub const ACCESS_KEY: &str = "testkey";
/// Its secret.
pub const SECRET_KEY: &str = "testsecret";

/// A running server. Dropping it closes every connection and forgets every object.
pub struct S3Server {
    address: SocketAddr,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the test and the connections share.
#[derive(Clone)]
struct Shared {
    service: Service,
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Vec<RequestRecord>>>,
}

impl S3Server {
    /// Starts on a free port of 127.0.0.1, with these buckets.
    pub fn start(buckets: &[&str]) -> S3Server {
        S3Server::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), buckets)
    }

    /// Starts on this address.
    ///
    /// # Panics
    ///
    /// If the address cannot be bound.
    pub fn start_at(address: SocketAddr, buckets: &[&str]) -> S3Server {
        let listener = TcpListener::bind(address).expect("the test's address can be bound");
        listener.set_nonblocking(true).expect("a fresh socket takes the flag");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Shared {
            service: Service(Arc::new(Mutex::new(Memory::new(buckets)))),
            script: Arc::default(),
            log: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || run(listener, shared, stopped)
        });
        S3Server { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for `--endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule to the script of faults.
    pub fn inject(&self, rule: Rule) {
        lock(&self.shared.script).push(rule);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.shared.script).clear();
    }

    /// Every request so far, in order of arrival.
    pub fn log(&self) -> Vec<RequestRecord> {
        lock(&self.shared.log).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        lock(&self.shared.log).clear();
    }

    /// How many requests of this kind came in.
    pub fn count(&self, operation: Operation) -> usize {
        lock(&self.shared.log).iter().filter(|request| request.operation == operation).count()
    }

    /// How many requests came in.
    pub fn count_all(&self) -> usize {
        lock(&self.shared.log).len()
    }

    /// Makes it a store that takes conditional requests and ignores the conditions.
    pub fn set_ignore_conditions(&self, ignore: bool) {
        self.memory().ignore_conditions = ignore;
    }

    /// Makes it a store that honours the conditions of PutObject and ignores those of CompleteMultipartUpload.
    pub fn set_ignore_conditions_on_complete(&self, ignore: bool) {
        self.memory().ignore_conditions_on_complete = ignore;
    }

    /// DeleteObjects answers 200 and, for this key, the error `code`.
    pub fn set_undeletable(&self, key: &str, code: &str) {
        self.memory().undeletable.insert(key.to_owned(), code.to_owned());
    }

    /// Moves the store's clock (`Date`, `LastModified`) forward.
    pub fn advance_clock(&self, by: Duration) {
        self.memory().clock_ahead += by;
    }

    /// The least size of a part that is not the last; 5 MiB as on S3 unless told.
    pub fn set_part_bytes_min(&self, bytes: usize) {
        self.memory().part_bytes_min = bytes;
    }

    /// Adds an empty bucket.
    pub fn create_bucket(&self, bucket: &str) {
        self.memory().buckets.entry(bucket.to_owned()).or_default();
    }

    /// All keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.memory().buckets.get(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// An object's bytes, behind the protocol's back.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.memory().get(bucket, key).ok().map(|object| object.bytes.clone())
    }

    /// An object's user metadata, behind the protocol's back.
    pub fn metadata(&self, bucket: &str, key: &str) -> Option<HashMap<String, String>> {
        self.memory().get(bucket, key).ok().map(|object| object.metadata.clone())
    }

    /// Puts an object there, behind the protocol's back.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.put_object_with(bucket, key, bytes, HashMap::new());
    }

    /// The same with user metadata.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    pub fn put_object_with(
        &self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
        metadata: HashMap<String, String>,
    ) {
        self.memory()
            .put(bucket, key, bytes.into(), metadata, None, &Precondition::None)
            .expect("the test names a bucket that exists");
    }

    /// Takes an object away, behind the protocol's back.
    pub fn remove_object(&self, bucket: &str, key: &str) {
        // A missing bucket or key is as good as removed.
        let _ = self.memory().delete(bucket, key, &Precondition::None);
    }

    /// The keys of the uploads that were started and not ended.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        self.memory().uploads.values().map(|upload| upload.key.clone()).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.service.memory()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself; then there is nobody to tell.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic in the server's thread has been printed already.
            let _ = thread.join();
        }
    }
}

fn run(listener: TcpListener, shared: Shared, stopped: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
        tokio::select! {
            () = accept(listener, shared) => {}
            _ = stopped => {}
        }
    });
    // Dropping the runtime closes every connection, also those that hang by script.
}

async fn accept(listener: tokio::net::TcpListener, shared: Shared) {
    let mut builder = S3ServiceBuilder::new(shared.service.clone());
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let s3 = builder.build();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Without it only the answers' latency changes.
        let _ = stream.set_nodelay(true);
        let (s3, shared) = (s3.clone(), shared.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let (s3, shared) = (s3.clone(), shared.clone());
                async move { shared.serve(&s3, request).await }
            });
            let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // An error here is a connection that a client or the script closed.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answer = Response<s3s::Body>;

/// The service's error: hyper then closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the script closes this connection")]
struct Dropped;

impl Shared {
    async fn serve(&self, s3: &S3Service, request: Request<Incoming>) -> Result<Answer, Dropped> {
        let record = RequestRecord::of(&request);
        let fault = lock(&self.script).strike(&record);
        lock(&self.log).push(record);
        let act = async || s3.call(request.map(s3s::Body::from)).await.map_err(|_| Dropped);
        let mut answer = match fault {
            None => act().await?,
            Some(Fault::Refuse { status, code, retry_after_s }) => error_answer(status, code, retry_after_s),
            Some(Fault::CommitThenRefuse { status, code }) => {
                act().await?;
                error_answer(status, code, None)
            }
            Some(Fault::CommitThenDrop) => {
                act().await?;
                return Err(Dropped);
            }
            Some(Fault::CommitThenHang) => {
                act().await?;
                std::future::pending().await
            }
            Some(Fault::Drop) => return Err(Dropped),
            Some(Fault::Truncate { bytes }) => truncate(act().await?, bytes).await?,
            Some(Fault::KeepAlive { spaces, pause }) => keep_alive(act().await?, spaces, pause).await?,
            Some(Fault::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                act().await?
            }
            Some(Fault::Answer { status, headers, body }) => own_answer(status, headers, body),
        };
        let now = s3s::dto::Timestamp::from(self.service.memory().now());
        let mut date = Vec::new();
        now.format(s3s::dto::TimestampFormat::HttpDate, &mut date).map_err(|_| Dropped)?;
        answer.headers_mut().insert(DATE, HeaderValue::from_bytes(&date).map_err(|_| Dropped)?);
        Ok(answer)
    }
}

fn own_answer(status: u16, headers: Vec<(&'static str, String)>, body: Bytes) -> Answer {
    let mut answer = Response::new(s3s::Body::from(body));
    *answer.status_mut() = http::StatusCode::from_u16(status).expect("the script names a legal status");
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).expect("the script gives legal headers");
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn error_answer(status: u16, code: &str, retry_after_s: Option<u32>) -> Answer {
    let body = match code {
        "" => String::new(),
        code => format!("<Error><Code>{code}</Code><Message>scripted</Message></Error>"),
    };
    let mut answer = Response::new(s3s::Body::from(body));
    *answer.status_mut() = http::StatusCode::from_u16(status).expect("the script names a legal status");
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Sends the XML declaration, spaces, and then what the answer has besides.
async fn keep_alive(answer: Answer, spaces: u32, pause: Duration) -> Result<Answer, Dropped> {
    let (mut parts, body) = answer.into_parts();
    let whole = http_body_util::BodyExt::collect(body).await.map_err(|_| Dropped)?.to_bytes();
    let text = String::from_utf8_lossy(&whole).into_owned();
    let document = text.split_once("?>").map_or(text.as_str(), |(_, document)| document);
    let last = Bytes::from(document.to_owned());
    parts.headers.remove(CONTENT_LENGTH);
    parts.status = http::StatusCode::OK;
    let first = Bytes::from_static(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let between = (0..spaces).map(|_| Bytes::from_static(b" "));
    let frames = futures::stream::iter(std::iter::once(first).chain(between).chain([last]).enumerate());
    let frames = frames.then(move |(at, bytes)| async move {
        if at > 0 {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, Dropped>(Frame::data(bytes))
    });
    Ok(Response::from_parts(parts, s3s::Body::http_body_unsync(StreamBody::new(frames))))
}

/// Announces the whole length, sends `bytes` of it, then breaks off.
async fn truncate(answer: Answer, bytes: usize) -> Result<Answer, Dropped> {
    let (mut parts, body) = answer.into_parts();
    let whole = http_body_util::BodyExt::collect(body).await.map_err(|_| Dropped)?.to_bytes();
    let kept = whole.slice(..bytes.min(whole.len()));
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let frames = futures::stream::iter([Ok(Frame::data(kept)), Err(Dropped)])
        // The first frame must be on the wire before the break.
        .then(|frame| async {
            tokio::task::yield_now().await;
            frame
        });
    Ok(Response::from_parts(parts, s3s::Body::http_body_unsync(StreamBody::new(frames))))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
