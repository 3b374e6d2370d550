//! A real S3 protocol server on loopback, in memory, for the tests: signatures checked, conditional puts atomic, every
//! call counted, faults by seed. `let s3 = S3Server::start(&["lake"])` takes a free port and stops when it is dropped.
//!
//! Nothing in it follows the machine's clock: objects are dated by a counter, faults are drawn from a seed.

mod buckets;
mod calls;
mod connection;
mod faults;
mod gate;
mod protocol;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pitlake::lake::store::{Store, StoreOptions};
use tokio::sync::oneshot;

use buckets::Buckets;
pub use calls::Call;
use calls::Calls;
use faults::Plan;
pub use faults::{Fault, Faults};

/// The one access key that the server knows.
pub const ACCESS_KEY_ID: &str = "AKIAPITLAKETEST00001";
pub const SECRET_ACCESS_KEY: &str = "a secret for the loopback only";
pub const REGION: &str = "us-east-1";

/// What the connections, the gate and the protocol share.
#[derive(Default)]
struct State {
    buckets: Buckets,
    calls: Calls,
    plan: Plan,
}

/// A running server; dropping it stops it and forgets its objects.
pub struct S3Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server with these empty buckets, in a thread of its own.
    pub fn start(buckets: &[&str]) -> Self {
        let state = Arc::new(State::default());
        for bucket in buckets {
            state.buckets.create(bucket);
        }
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(connection::serve(listener, shared, stopped));
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The environment that makes a child process use this server and nothing else of AWS.
    pub fn env(&self) -> Vec<(String, String)> {
        let endpoint = self.endpoint();
        let pairs = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_SESSION_TOKEN", ""),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ENDPOINT_URL_S3", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("NO_PROXY", "127.0.0.1"),
        ];
        pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// The same for a store in this process.
    pub fn options(&self) -> StoreOptions {
        let options = StoreOptions {
            endpoint: Some(self.endpoint()),
            region: Some(REGION.into()),
            path_style: Some(true),
            ..StoreOptions::default()
        };
        options.with_credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    }

    /// The lake at `s3://bucket/prefix` on this server.
    pub async fn store(&self, root: &str) -> Store {
        Store::open(root, &self.options()).await.expect("a store on the test server")
    }

    /// Every call whose signature was good since the start or the last reset, in order, faulty ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.all()
    }

    /// How many calls of the operation, named as S3 does (`GetObject`, `ListObjectsV2`).
    pub fn count(&self, op: &str) -> usize {
        self.calls().iter().filter(|call| call.op == op).count()
    }

    /// How many HTTP requests came, those with a bad signature included.
    pub fn requests(&self) -> usize {
        self.state.calls.requests()
    }

    /// Forgets the calls and requests so far.
    pub fn reset(&self) {
        self.state.calls.reset();
    }

    /// Every request waits this long first.
    pub fn set_latency(&self, latency: Duration) {
        self.state.plan.set_latency(latency);
    }

    /// Draws faults from a seed from now on; `None` ends it.
    pub fn set_faults(&self, faults: Option<Faults>) {
        self.state.plan.set_faults(faults);
    }

    /// The next `times` calls of `op` whose key contains `key` meet the fault.
    pub fn fail_next(&self, op: &str, key: &str, fault: Fault, times: usize) {
        self.state.plan.script(op, key, fault, times);
    }

    /// The access key may do nothing in this bucket any more.
    pub fn deny(&self, bucket: &str) {
        self.state.plan.deny(bucket);
    }

    /// No listing answers more than this many keys at once.
    pub fn set_page_size(&self, keys: usize) {
        self.state.buckets.set_page_size(keys);
    }

    /// What the bucket holds, by key, without a call.
    pub fn objects(&self, bucket: &str) -> Vec<(String, Bytes)> {
        self.state.buckets.objects(bucket)
    }

    /// Puts an object without a call and without a condition: somebody else's write, or damage.
    pub fn plant(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.state.buckets.plant(bucket, key, bytes.into());
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended already; then nobody listens.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
