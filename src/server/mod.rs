//! Puts the rooms' routers together and runs them: the only place that knows every room. Called by `serve` and `demo`; the
//! server that takes captures in is [`capture`].

pub mod capture;
pub mod rooms;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::engine::{Engine, EngineOptions, EngineStats};
use crate::greeks::live::{Live, LiveOptions};
use crate::http::context::Context;
use crate::http::key_store::KeyStore;
use crate::http::listen::{Listening, serve};
use crate::http::metrics::{Metrics, Watched};
use crate::http::observe::{Observer, observed};
use crate::http::request_id::RequestIds;
use crate::http::{admission, auth, catalog, etag, files, openapi, problem};
use crate::lake::cache::{Cache, CacheOptions, CacheStats};
use crate::lake::head::Partitions;
use crate::lake::indexes::Indexes;
use crate::lake::instruments;
use crate::lake::row_groups::RowGroups;
use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::{Error, Result};

pub use rooms::DATASETS;

/// How the server is run; nothing here changes a result.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub cache_folder: PathBuf,
    /// Partitions kept on local disk.
    pub cache_bytes: u64,
    /// Decoded row groups kept in memory.
    pub memory_bytes: u64,
    /// DuckDB's memory, hot tables included.
    pub engine_bytes: u64,
    pub cores: usize,
    /// Requests answered at once; more are told 503 at once.
    pub max_requests: usize,
    /// Streams of new minutes.
    pub live: LiveOptions,
}

/// A server ready to run.
pub struct Server {
    router: Router,
    live: Live,
    in_process: Router,
    metrics: Arc<Metrics>,
    metrics_router: Router,
}

impl Server {
    /// Opens cache and engine over `store` and puts the routes together.
    ///
    /// # Errors
    /// `Invalid` for a wrong `_config/instruments.toml`, `Unavailable` when the store, the cache folder or DuckDB cannot be
    /// used.
    pub async fn new(store: Store, clock: SharedClock, options: ServerOptions) -> Result<Self> {
        store.check().await?;
        let instruments = instruments::load(&store).await?;
        let cache = CacheOptions::new(options.cache_folder, options.cache_bytes);
        let cache = Cache::open(store.clone(), cache, Arc::clone(&clock)).await?;
        let mut engine = EngineOptions::new(cache.folder(), options.cores);
        engine.memory_limit_bytes = options.engine_bytes;
        engine.hot_table_bytes = options.engine_bytes / 4;
        let engine = Engine::open(engine)?;
        let metrics = Arc::new(Metrics::new());
        let row_groups = RowGroups::new(options.memory_bytes);
        let context = Context {
            store: store.clone(),
            instruments,
            clock: Arc::clone(&clock),
            indexes: Indexes::new(cache.clone()),
            partitions: Partitions::new(store.clone(), cache.clone(), row_groups),
            cache,
            engine,
            metrics: Arc::clone(&metrics),
        };
        let live = Live::new(options.live);
        watch(&context, &live);
        let keys = Arc::new(KeyStore::new(store, Arc::clone(&clock)));
        let places = admission::Places::new(options.max_requests, Arc::clone(&metrics));
        let (rooms, document) = OpenApiRouter::with_openapi(openapi::frame().merge_from(ServerDocument::openapi()))
            .merge(catalog::router(&DATASETS))
            .merge(files::router(&DATASETS))
            .merge(crate::greeks::routes::router(live.clone()))
            .merge(crate::bars::routes::router())
            .split_for_parts();
        let in_process = rooms
            .clone()
            .fallback(problem::no_such_route)
            .method_not_allowed_fallback(problem::no_such_method)
            .layer(Extension(auth::Access::this_machine()))
            .with_state(context.clone());
        let api = rooms
            .layer(from_fn_with_state(places, admission::limited))
            .layer(from_fn_with_state(keys, auth::admit))
            .with_state(context.clone());
        let shown = Arc::clone(&metrics);
        let metrics_route = Router::new().route("/metrics", get(move || async move { shown.answer() }));
        let open = Router::new().route("/health", get(health)).with_state(context);
        let router = Router::new()
            .merge(api)
            .merge(open)
            .merge(metrics_route.clone().layer(from_fn(auth::this_machine_only)))
            .merge(openapi::routes(&document)?)
            .fallback(problem::no_such_route)
            .method_not_allowed_fallback(problem::no_such_method)
            .layer(from_fn(admission::sane_only))
            .layer(map_response(etag::vary));
        let observer = Arc::new(Observer { metrics: Arc::clone(&metrics), ids: RequestIds::new(clock.now()) });
        Ok(Self { router: observed(router, observer), in_process, live, metrics, metrics_router: metrics_route })
    }

    /// The routes, for tests without a port.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The rooms' routes without keys, for a command that has the lake itself in hand. Must never get a port.
    pub fn in_process(&self) -> Router {
        self.in_process.clone()
    }

    /// Serves on `listener` until `shutdown`; `metrics_listener` answers `/metrics` to anybody who reaches it.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn run(
        self,
        listener: TcpListener,
        metrics_listener: Option<TcpListener>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let stop = tokio_util::sync::CancellationToken::new();
        if let Some(metrics_listener) = metrics_listener {
            let (router, stop) = (self.metrics_router, stop.clone());
            let listening = Listening::new(Arc::clone(&self.metrics));
            tokio::spawn(async move {
                if let Err(error) = serve(metrics_listener, router, stop.cancelled_owned(), listening).await {
                    tracing::error!(%error, "the metrics listener stopped");
                }
            });
        }
        let live = self.live;
        let shutdown = async move {
            shutdown.await;
            // Streams without an end would hold the shutdown up for all of its grace.
            live.close();
        };
        let done = serve(listener, self.router, shutdown, Listening::new(self.metrics)).await;
        stop.cancel();
        done
    }
}

/// The routes that stand outside the rooms' routers.
#[derive(OpenApi)]
#[openapi(paths(health, metrics))]
struct ServerDocument;

/// Prometheus metrics, for clients on the server's machine or on the listener of `--metrics-listen`.
#[utoipa::path(
    get, path = "/metrics", tag = "server", security(()),
    responses((status = 200, description = "Text in Prometheus' exposition format", content_type = "text/plain"))
)]
#[expect(dead_code, reason = "documents the route; what answers it is a closure over the metrics alone")]
async fn metrics() {}

/// Alive, and whether the lake can be reached: 200 either way when alive, so that an unreachable store does not make an
/// orchestrator kill a process that serves its cache; `lake` says which.
#[utoipa::path(
    get, path = "/health", tag = "server", security(()),
    responses((status = 200, description = "status, version, and whether the lake is reachable"))
)]
async fn health(State(context): State<Context>) -> Response {
    let lake = reachable(&context.store).await;
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "lake": lake})).into_response()
}

/// Whether the lake answers within three seconds, and if not, why.
async fn reachable(store: &Store) -> serde_json::Value {
    let checked = tokio::time::timeout(std::time::Duration::from_secs(3), store.check()).await;
    match checked {
        Ok(Ok(())) => json!({"reachable": true}),
        Ok(Err(error)) => json!({"reachable": false, "detail": error.detail()}),
        Err(_) => json!({"reachable": false, "detail": "the store did not answer within 3 seconds"}),
    }
}

/// Numbers of the cache, the decoded row groups and the engine, read when Prometheus asks.
fn watch(context: &Context, live: &Live) {
    let listening = live.clone();
    let help = "Clients that listen for new minutes";
    context.metrics.watch("live_listeners", help, Watched::Gauge, move || listening.listeners());
    let watching = live.clone();
    let help = "Symbols that are watched for them";
    context.metrics.watch("live_watched_symbols", help, Watched::Gauge, move || watching.watchers());
    let cache = |name, help, kind, read: fn(&CacheStats) -> u64| {
        let cache = context.cache.clone();
        context.metrics.watch(name, help, kind, move || read(&cache.stats()));
    };
    cache("cache_hits", "Objects served without asking the store", Watched::Counter, |stats| stats.hits);
    cache("cache_asked", "Requests to the store, conditional ones included", Watched::Counter, |stats| stats.asked);
    cache("cache_unchanged", "Of these, answered with: unchanged", Watched::Counter, |stats| stats.unchanged);
    cache("cache_filled", "Of these, objects brought in", Watched::Counter, |stats| stats.filled);
    cache("cache_failed", "Of these, not answered", Watched::Counter, |stats| stats.failed);
    cache("cache_evicted", "Objects let go to stay within the bounds", Watched::Counter, |stats| stats.evicted);
    cache("cache_damaged", "Files found damaged on disk", Watched::Counter, |stats| stats.damaged);
    cache("cache_file_bytes", "Bytes of partitions held", Watched::Gauge, |stats| stats.file_bytes);
    let row_groups = context.partitions.row_groups().clone();
    let help = "Bytes of decoded row groups in memory";
    context.metrics.watch("row_group_bytes", help, Watched::Gauge, move || row_groups.bytes());
    let engine = |name, help, read: fn(&EngineStats) -> u64| {
        let engine = context.engine.clone();
        context.metrics.watch(name, help, Watched::Gauge, move || read(&engine.stats()));
    };
    engine("engine_waiting", "Questions that wait for DuckDB", |stats| {
        (stats.small_waiting + stats.large_waiting) as u64
    });
    engine("engine_at_work", "Questions that DuckDB answers", |stats| {
        (stats.small_at_work + stats.large_at_work) as u64
    });
    engine("engine_hot_table_bytes", "Estimated bytes of hot tables", |stats| stats.hot_table_bytes);
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// A listener on `address`.
///
/// # Errors
/// `Unavailable` when the port is taken or may not be used; the detail names it.
pub async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!(
            "cannot listen on {address} ({error}); give another with --listen, port 0 takes a free one"
        ))
        .caused_by(error)
    })
}
