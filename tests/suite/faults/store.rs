//! An object store that refuses, delays, tears and lies by seed, around one that does as it is told. Whatever it does, a real
//! S3 store behind a real network can do: nothing in it breaks an object or invents one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// How often each kind of fault happens, as a share of the requests it can happen to.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Not carried out: 503, or no connection.
    pub refused: f64,
    /// No answer; a put may or may not have been carried out.
    pub timed_out: f64,
    /// Reads and listings that break in the middle.
    pub torn: f64,
    /// Bodies that end too early without a word.
    pub short: f64,
    /// Puts that were carried out and are answered with 412, as the client's own second try is.
    pub lied: f64,
    /// The most turns that others get before a request is carried out, and again before its answer arrives.
    pub late: u32,
}

impl Shares {
    /// Some schedules are calm, some are storms.
    pub fn drawn(random: &mut ChaCha8Rng) -> Self {
        let mut share = || [0.0, 0.02, 0.05, 0.15][random.random_range(0..4)];
        let (refused, timed_out, torn, short, lied) = (share(), share(), share(), share(), share());
        Self { refused, timed_out, torn, short, lied, late: [0, 4, 40, 400][random.random_range(0..4)] }
    }
}

/// What all handles on one store share.
#[derive(Debug)]
pub struct Weather {
    seed: u64,
    shares: Shares,
    stormy: AtomicBool,
    seen: Mutex<HashMap<String, u64>>,
    happened: Mutex<Vec<String>>,
}

impl Weather {
    /// Calm until [`Weather::storm`].
    pub fn new(seed: u64, shares: Shares) -> Arc<Self> {
        let (seen, happened) = (Mutex::default(), Mutex::default());
        Arc::new(Self { seed, shares, stormy: AtomicBool::new(false), seen, happened })
    }

    pub fn storm(&self) {
        self.stormy.store(true, Ordering::Relaxed);
    }

    pub fn calm(&self) {
        self.stormy.store(false, Ordering::Relaxed);
    }

    /// Everything that went wrong so far, in order.
    pub fn happened(&self) -> Vec<String> {
        self.happened.lock().clone()
    }

    fn is_calm(&self) -> bool {
        !self.stormy.load(Ordering::Relaxed)
    }

    /// The draws of one request: the same for the same seed, whatever else happens meanwhile.
    fn draws(&self, request: &str) -> ChaCha8Rng {
        let mut seen = self.seen.lock();
        let count = seen.entry(request.to_owned()).or_default();
        *count += 1;
        ChaCha8Rng::from_seed(Sha256::digest(format!("{}/{request}/{count}", self.seed)).into())
    }

    fn note(&self, request: &str, fault: &str) {
        self.happened.lock().push(format!("{request}: {fault}"));
    }
}

/// One caller's handle on the store; its name is part of the draws.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    weather: Arc<Weather>,
    caller: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refused,
    NoConnection,
    TimedOut,
    /// Carried out, and then no answer.
    AnswerLost,
    /// Carried out, and then said to have met somebody else's.
    Lied,
    Torn,
    Short,
}

/// What a request is, as far as it decides what can go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Put,
    List,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, weather: &Arc<Weather>, caller: &str) -> Self {
        Self { inner, weather: Arc::clone(weather), caller: caller.to_owned() }
    }

    fn drawn(&self, kind: Kind, request: &str) -> (Option<Fault>, u32, u32) {
        if self.weather.is_calm() {
            return (None, 0, 0);
        }
        let Shares { refused, timed_out, torn, short, lied, late } = self.weather.shares;
        let mut random = self.weather.draws(request);
        let roll: f64 = random.random();
        let either = |half: bool, one, other| if half { one } else { other };
        let half: bool = random.random();
        let kinds = [
            (refused, Some(either(half, Fault::Refused, Fault::NoConnection))),
            (timed_out, Some(either(half && kind == Kind::Put, Fault::AnswerLost, Fault::TimedOut))),
            (torn, (kind != Kind::Put).then_some(Fault::Torn)),
            (short, (kind == Kind::Read).then_some(Fault::Short)),
            (lied, (kind == Kind::Put).then_some(Fault::Lied)),
        ];
        let mut reached = 0.0;
        let mut fault = None;
        for (share, possible) in kinds {
            if (reached..reached + share).contains(&roll) {
                fault = possible;
            }
            reached += share;
        }
        if let Some(fault) = fault {
            self.weather.note(request, &format!("{fault:?}"));
        }
        // Most requests are quick, some wait long.
        let mut turns = || {
            let most = if random.random::<f64>() < 0.8 { late / 8 } else { late };
            random.random_range(0..=most)
        };
        (fault, turns(), turns())
    }

    fn request(&self, operation: &str, key: impl fmt::Display) -> String {
        format!("{} {operation} {key}", self.caller)
    }
}

async fn others_go_first(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn failed(fault: Fault, what: &str) -> Error {
    let http = |kind, text: &str| Box::new(HttpError::new(kind, std::io::Error::other(text.to_owned())));
    let source: Box<dyn std::error::Error + Send + Sync> = match fault {
        // As the S3 client prints a status.
        Fault::Refused => {
            "Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code></Error>".into()
        }
        Fault::NoConnection => http(HttpErrorKind::Connect, "connection refused by seed"),
        Fault::Lied => {
            return Error::Precondition { path: what.to_owned(), source: "somebody else's, it says".into() };
        }
        Fault::TimedOut | Fault::AnswerLost => http(HttpErrorKind::Timeout, "no answer in time, by seed"),
        Fault::Torn | Fault::Short => http(HttpErrorKind::Interrupted, "broken off by seed"),
    };
    Error::Generic { store: "faulty", source }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through the weather of seed {}", self.inner, self.weather.seed)
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let request = self.request("put", location);
        let (fault, before, after) = self.drawn(Kind::Put, &request);
        others_go_first(before).await;
        match fault {
            Some(fault @ (Fault::Refused | Fault::NoConnection | Fault::TimedOut)) => {
                Err(failed(fault, location.as_ref()))
            }
            Some(fault) => {
                // Carried out or not, as the object stands: the caller is told the same.
                let done = self.inner.put_opts(location, payload, opts).await;
                others_go_first(after).await;
                done.and_then(|_| Err(failed(fault, location.as_ref())))
            }
            None => {
                let done = self.inner.put_opts(location, payload, opts).await;
                others_go_first(after).await;
                done
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "put_multipart".into(), implementer: "FaultyStore".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let request = self.request(if options.head { "head" } else { "get" }, location);
        let (fault, before, after) = self.drawn(Kind::Read, &request);
        let head = options.head;
        others_go_first(before).await;
        if let Some(fault @ (Fault::Refused | Fault::NoConnection | Fault::TimedOut)) = fault {
            return Err(failed(fault, location.as_ref()));
        }
        let found = self.inner.get_opts(location, options).await;
        others_go_first(after).await;
        match fault {
            Some(fault) if head => found.and_then(|_| Err(failed(fault, location.as_ref()))),
            Some(fault) => broken(found?, fault).await,
            None => found,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let request = self.request("list", prefix.map_or("", |prefix| prefix.as_ref()));
        let (fault, before, after) = self.drawn(Kind::List, &request);
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        let listed = async move {
            others_go_first(before).await;
            let mut found: Vec<_> = inner.list(prefix.as_ref()).collect().await;
            others_go_first(after).await;
            if let Some(fault) = fault {
                found.truncate(if fault == Fault::Torn { found.len() / 2 } else { 0 });
                found.push(Err(failed(fault, "a listing")));
            }
            stream::iter(found)
        };
        listed.flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let request = self.request("list", prefix.map_or("", |prefix| prefix.as_ref()));
        let (fault, before, _) = self.drawn(Kind::List, &request);
        others_go_first(before).await;
        match fault {
            Some(fault) => Err(failed(fault, "a listing")),
            None => self.inner.list_with_delimiter(prefix).await,
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// The answer with a body that breaks off, with or without an error.
async fn broken(found: GetResult, fault: Fault) -> Result<GetResult> {
    let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
    let extensions = found.extensions.clone();
    let whole = found.bytes().await?;
    let mut pieces: Vec<Result<Bytes>> =
        vec![Ok(whole.slice(..whole.len() / 3)), Ok(whole.slice(whole.len() / 3..whole.len() / 2))];
    if fault == Fault::Torn {
        pieces.push(Err(failed(fault, meta.location.as_ref())));
    }
    let payload = GetResultPayload::Stream(stream::iter(pieces).boxed());
    Ok(GetResult { payload, meta, range, attributes, extensions })
}
