//! What Prometheus reads at `/metrics`. The HTTP layers push into it; the cache and the engine, which must not know of
//! HTTP, are read at scrape time through [`Metrics::watch`].
//! No label may hold what a client can choose freely: a route is its template, never a path.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The text format that `encode` of prometheus-client writes.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds. A small answer takes 0.7 ms, a whole day 80 ms: both ends need resolution.
const LATENCY_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 3.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

type Latencies<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every number that the server counts.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_start: Latencies<RouteLabels>,
    request_whole: Latencies<RouteLabels>,
    broken_answers: Counter,
    in_flight: Gauge,
    answer_bytes: Family<RouteLabels, Counter>,
    refused_overload: Counter,
    connections: Gauge,
}

fn latency() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

impl Default for Metrics {
    fn default() -> Self {
        let new = Self {
            registry: Mutex::new(Registry::with_prefix("pitlake")),
            requests: Family::default(),
            request_start: Family::new_with_constructor(latency),
            request_whole: Family::new_with_constructor(latency),
            broken_answers: Counter::default(),
            in_flight: Gauge::default(),
            answer_bytes: Family::default(),
            refused_overload: Counter::default(),
            connections: Gauge::default(),
        };
        new.register();
        new
    }
}

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    fn register(&self) {
        let mut r = self.registry.lock();
        let seconds = || Unit::Seconds;
        r.register("http_requests", "Answers by route template and status", self.requests.clone());
        let help = "From the request to the first byte of the answer";
        r.register_with_unit("http_answer_start", help, seconds(), self.request_start.clone());
        let help = "From the request to the last byte of the answer, the client's reading included";
        r.register_with_unit("http_answer_whole", help, seconds(), self.request_whole.clone());
        r.register("http_broken_answers", "Answers that ended before they were whole", self.broken_answers.clone());
        r.register("http_in_flight", "Requests whose answer is not finished", self.in_flight.clone());
        let help = "Body bytes sent, after compression";
        r.register_with_unit("http_answer", help, Unit::Bytes, self.answer_bytes.clone());
        r.register(
            "http_overload_refusals",
            "Requests refused because too many were under way",
            self.refused_overload.clone(),
        );
        r.register("http_connections", "Open connections", self.connections.clone());
    }

    /// Adds a number that is read when Prometheus asks. `read` must be cheap and must not block.
    pub fn watch(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Watched,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.registry.lock().register_collector(Box::new(Watch { name, help, kind, read: Box::new(read) }));
    }

    pub fn request_began(&self) {
        self.in_flight.inc();
    }

    /// The head of an answer is ready.
    pub fn request_answered(&self, method: &'static str, route: &str, status: StatusCode, after: Duration) {
        let labels = RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.request_start.get_or_create(&RouteLabels { route: labels.route }).observe(after.as_secs_f64());
    }

    /// The answer was sent whole, or broke.
    pub fn request_ended(&self, route: &str, bytes: u64, after: Duration, whole: bool) {
        self.in_flight.dec();
        let labels = RouteLabels { route: route.to_owned() };
        self.answer_bytes.get_or_create(&labels).inc_by(bytes);
        self.request_whole.get_or_create(&labels).observe(after.as_secs_f64());
        if !whole {
            self.broken_answers.inc();
        }
    }

    /// A request that ended with no answer at all: the client went away before there was one.
    pub fn request_abandoned(&self) {
        self.in_flight.dec();
        self.broken_answers.inc();
    }

    pub fn overload_refused(&self) {
        self.refused_overload.inc();
    }

    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    /// `Internal` when a watched number cannot be written, which no input reaches.
    pub fn encode(&self) -> crate::Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock())
            .map_err(|cause| crate::Error::internal("the metrics cannot be written").caused_by(cause))?;
        Ok(text)
    }

    /// The answer of `/metrics`.
    pub fn answer(&self) -> Response {
        match self.encode() {
            Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], text).into_response(),
            Err(error) => super::problem::Problem::from(error).into_response(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Whether a watched number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    Counter,
    Gauge,
}

struct Watch {
    name: &'static str,
    help: &'static str,
    kind: Watched,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.name)
    }
}

impl Collector for Watch {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let value = (self.read)();
        match self.kind {
            Watched::Counter => {
                let counter = ConstCounter::new(value);
                counter.encode(encoder.encode_descriptor(self.name, self.help, None, counter.metric_type())?)
            }
            Watched::Gauge => {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(encoder.encode_descriptor(self.name, self.help, None, gauge.metric_type())?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines are written out by hand, as the OpenMetrics text format has them.
    #[test]
    fn numbers_appear_under_their_names() {
        let metrics = Metrics::new();
        let route = "/api/v1/greeks/{symbol}/{date}";
        metrics.request_began();
        metrics.request_began();
        metrics.request_answered("GET", route, StatusCode::OK, Duration::from_micros(1500));
        metrics.request_ended(route, 4096, Duration::from_micros(2500), true);
        metrics.request_abandoned();
        metrics.watch("engine_instances", "DuckDB instances", Watched::Gauge, || 2);
        metrics.watch("captures_written", "Captures", Watched::Counter, || 7);
        let text = metrics.encode().unwrap();
        for line in [
            "pitlake_http_requests_total{method=\"GET\",route=\"/api/v1/greeks/{symbol}/{date}\",status=\"200\"} 1",
            "pitlake_http_answer_start_seconds_bucket{le=\"0.001\",route=\"/api/v1/greeks/{symbol}/{date}\"} 0",
            "pitlake_http_answer_start_seconds_bucket{le=\"0.002\",route=\"/api/v1/greeks/{symbol}/{date}\"} 1",
            "pitlake_http_answer_whole_seconds_count{route=\"/api/v1/greeks/{symbol}/{date}\"} 1",
            "pitlake_http_answer_bytes_total{route=\"/api/v1/greeks/{symbol}/{date}\"} 4096",
            "pitlake_http_in_flight 0",
            "pitlake_http_broken_answers_total 1",
            "pitlake_engine_instances 2",
            "pitlake_captures_written_total 7",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
