//! The capture server: the rooms' capture routes behind keys, the spool they write to, and the sealing that empties it into the
//! lake. Called by `capture listen`. It answers no question about the lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::TimeDelta;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::greeks::compact::Greeks;
use crate::greeks::routes::capture::{self, Intake};
use crate::http::key_store::KeyStore;
use crate::http::listen::{Listening, serve};
use crate::http::metrics::{Metrics, Watched};
use crate::http::observe::{Observer, observed};
use crate::http::request_id::RequestIds;
use crate::http::{admission, auth, openapi, problem};
use crate::lake::compact::{CompactOptions, Compactor, Follower, Selection};
use crate::lake::instruments;
use crate::lake::spool::{Sealed, Spool, SpoolOptions, Tally};
use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::{Error, Result};

/// While the store is away, keys are judged by the last list that was read for so long: what a revoked key sends meanwhile
/// can be left out later, what nobody took is gone.
const KEYS_TRUSTED: TimeDelta = TimeDelta::hours(24);
/// How long stopping waits for the store to take what is left; the next start takes it up.
const LAST_SEAL: Duration = Duration::from_secs(10);
/// After a seal that failed the next try comes soon, then less and less often.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// How the capture server is run; nothing here changes a result.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    pub spool: SpoolOptions,
    /// How often what was posted becomes captures.
    pub seal_every: Duration,
    /// Requests answered at once; more are told 503 at once.
    pub max_requests: usize,
    /// Whether this process compacts what it sealed, at once after each seal.
    pub compact: Option<CompactOptions>,
}

/// A capture server ready to run.
pub struct CaptureServer {
    router: Router,
    metrics: Arc<Metrics>,
    spool: Spool,
    seal_every: Duration,
    follower: Option<Follower>,
}

#[derive(Clone)]
struct Alive {
    spool: Spool,
    store: Store,
    clock: SharedClock,
}

impl CaptureServer {
    /// Takes the spool, recovers what is in it, and puts the routes together.
    ///
    /// # Errors
    /// `Conflict` when another process has the spool, `Unavailable` when spool or store cannot be used, `Invalid` for a
    /// wrong `_config/instruments.toml`.
    pub async fn new(store: Store, clock: SharedClock, options: CaptureOptions) -> Result<Self> {
        let instruments = instruments::load(&store).await?;
        let (spool_options, spool_store, spool_clock) = (options.spool, store.clone(), Arc::clone(&clock));
        let spool = tokio::task::spawn_blocking(move || Spool::open(spool_options, spool_store, spool_clock))
            .await
            .map_err(|error| Error::internal("the spool could not be opened").caused_by(error))??;
        let metrics = Arc::new(Metrics::new());
        watch(&metrics, &spool, &clock);
        let follower = options.compact.map(|options| {
            let (store, instruments, clock) = (store.clone(), Arc::clone(&instruments), Arc::clone(&clock));
            Follower::new(Compactor::new(Arc::new(Greeks), store, instruments, clock, options), Selection::default())
        });
        let keys = Arc::new(KeyStore::new(store.clone(), Arc::clone(&clock)).trusted_without_store(KEYS_TRUSTED));
        let places = admission::Places::new(options.max_requests, Arc::clone(&metrics));
        let intake = Intake { spool: spool.clone(), instruments, clock: Arc::clone(&clock) };
        let (rooms, document) = OpenApiRouter::with_openapi(openapi::frame().merge_from(CaptureDocument::openapi()))
            .merge(capture::router())
            .split_for_parts();
        let rooms = rooms
            .layer(from_fn_with_state(places, admission::limited))
            .layer(from_fn_with_state(keys, auth::admit))
            .with_state(intake);
        let shown = Arc::clone(&metrics);
        let metrics_route = Router::new().route("/metrics", get(move || async move { shown.answer() }));
        let alive = Alive { spool: spool.clone(), store, clock: Arc::clone(&clock) };
        let router = Router::new()
            .merge(rooms)
            .merge(Router::new().route("/health", get(health)).with_state(alive))
            .merge(metrics_route.layer(from_fn(auth::this_machine_only)))
            .merge(openapi::routes(&document)?)
            .fallback(problem::no_such_route)
            .method_not_allowed_fallback(problem::no_such_method)
            .layer(from_fn(admission::sane_only));
        let observer = Arc::new(Observer { metrics: Arc::clone(&metrics), ids: RequestIds::new(clock.now()) });
        Ok(Self { router: observed(router, observer), metrics, spool, seal_every: options.seal_every, follower })
    }

    /// Serves until `shutdown`; then requests under way finish, and what is left is put into the lake if the store takes it
    /// within seconds.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let stop = CancellationToken::new();
        let sealed = self.spool.follow();
        let failed = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&failed);
        let help = "Partitions that could not be compacted";
        self.metrics.watch("capture_failed_compactions", help, Watched::Counter, move || shown.load(Ordering::Relaxed));
        let sealing = tokio::spawn(seal_regularly(self.spool.clone(), self.seal_every, stop.clone()));
        let serving = async {
            let served = serve(listener, self.router, shutdown, Listening::new(self.metrics)).await;
            stop.cancel();
            served
        };
        let compacting = async {
            if let Some(follower) = self.follower {
                compact_what_is_sealed(follower, sealed, self.seal_every, &failed, &stop).await;
            }
        };
        let (served, ()) = tokio::join!(serving, compacting);
        let last = async {
            // It ends by itself, and a panic in it is no reason to leave the rest unsealed.
            let _ = sealing.await;
            self.spool.seal(true).await
        };
        match tokio::time::timeout(LAST_SEAL, last).await {
            Ok(Ok(())) => tracing::info!("all that was posted is in the lake"),
            Ok(Err(error)) => tracing::warn!(%error, "what is left waits in the spool for the next start"),
            Err(_) => tracing::warn!("the store is slow; what is left waits in the spool for the next start"),
        }
        served
    }
}

/// Seals what an earlier run left, then every so often; a seal that failed is tried again sooner.
async fn seal_regularly(spool: Spool, every: Duration, stop: CancellationToken) {
    let mut retry = None;
    let mut next = tokio::time::Instant::now();
    loop {
        let due = retry.map_or(next, |pause| next.min(tokio::time::Instant::now() + pause));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(due) => {}
        }
        let is_time = tokio::time::Instant::now() >= next;
        // Never broken off: its work on the disk would go on while the last seal begins.
        let sealed = spool.seal(is_time).await;
        if is_time {
            next = tokio::time::Instant::now() + every;
        }
        retry = match sealed {
            Ok(()) => None,
            Err(error) => {
                let pause = retry.map_or(FIRST_RETRY, |pause: Duration| (pause * 2).min(LAST_RETRY));
                let backlog = spool.backlog();
                tracing::warn!(%error, segments = backlog.segments, bytes = backlog.bytes, retry_secs = pause.as_secs(), "not all that waits was sealed; it stays in the spool");
                Some(pause)
            }
        };
    }
}

/// A round after each seal, so that what was posted can be read a moment after it became a capture; and one every so often
/// without any, since sessions close and others bring captures too. Killed anywhere it leaves nothing half done.
async fn compact_what_is_sealed(
    mut follower: Follower,
    mut sealed: broadcast::Receiver<Arc<Vec<Sealed>>>,
    every: Duration,
    failed: &AtomicU64,
    stop: &CancellationToken,
) {
    loop {
        let outcomes = tokio::select! {
            () = stop.cancelled() => return,
            outcomes = follower.round() => outcomes,
        };
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "not compacted; it is tried again");
        }
        if follower.has_backlog() && outcomes.iter().all(Result::is_ok) {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            heard = sealed.recv() => match heard {
                Ok(captures) => captures.iter().for_each(|sealed| follower.heard_of(&sealed.home.symbol, sealed.home.date)),
                // What is recent is looked at all the same, and older days with the next sweep.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// The routes that stand outside the rooms' routers.
#[derive(OpenApi)]
#[openapi(paths(health, super::metrics))]
struct CaptureDocument;

/// Alive, whether the lake can be reached, and what waits in the spool: 200 either way when alive.
#[utoipa::path(
    get, path = "/health", tag = "server", security(()),
    responses((status = 200, description = "status, version, whether the lake is reachable, and the spool's segments, bytes, documents and the age of the oldest"))
)]
async fn health(State(alive): State<Alive>) -> Response {
    let lake = super::reachable(&alive.store).await;
    let backlog = alive.spool.backlog();
    let now = alive.clock.now();
    let oldest = backlog.oldest.map(|oldest| (now - oldest).num_seconds().max(0));
    let spool = json!({
        "segments": backlog.segments, "bytes": backlog.bytes, "documents": backlog.documents,
        "oldest_seconds": oldest, "store_error": backlog.store_error,
        "disk_error": backlog.disk_error, "spoiled": backlog.spoiled,
    });
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "lake": lake, "spool": spool})).into_response()
}

fn watch(metrics: &Metrics, spool: &Spool, clock: &SharedClock) {
    let tally = |name, help, read: fn(&Tally) -> u64| {
        let spool = spool.clone();
        metrics.watch(name, help, Watched::Counter, move || read(spool.tally()));
    };
    tally("capture_posts", "Posts written down", |tally| Tally::read(&tally.posts));
    tally("capture_posts_turned_away", "Posts told to come again", |tally| Tally::read(&tally.turned_away));
    tally("capture_documents", "Documents taken", |tally| Tally::read(&tally.documents));
    tally("capture_rows", "Rows newly written down", |tally| Tally::read(&tally.rows));
    tally("capture_duplicate_rows", "Rows that were there already", |tally| Tally::read(&tally.duplicate_rows));
    tally("capture_refused", "Documents refused", |tally| Tally::read(&tally.refused));
    tally("capture_syncs", "Syncs of the spool", |tally| Tally::read(&tally.syncs));
    tally("capture_failed_writes", "Writes that the disk refused", |tally| Tally::read(&tally.failed_writes));
    tally("capture_captures", "Captures put into the lake", |tally| Tally::read(&tally.captures));
    tally("capture_failed_seals", "Seals that the store refused", |tally| Tally::read(&tally.failed_seals));
    let waiting = spool.clone();
    metrics.watch("capture_spool_segments", "Segments that wait", Watched::Gauge, move || waiting.backlog().segments);
    let waiting = spool.clone();
    metrics.watch("capture_spool_bytes", "Bytes that wait", Watched::Gauge, move || waiting.backlog().bytes);
    let (waiting, clock) = (spool.clone(), Arc::clone(clock));
    metrics.watch("capture_spool_oldest_seconds", "Age of what waits longest", Watched::Gauge, move || {
        let oldest = waiting.backlog().oldest.map(|oldest| (clock.now() - oldest).num_seconds());
        oldest.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()
    });
}
