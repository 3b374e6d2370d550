//! The tests from outside, as one program: the built binary, whole lakes on disk and on S3, and the project's own rules.

mod compact;
mod http;
mod ingest;
mod lake;
mod pitlake_binary;
mod s3_server;
mod server;
mod store_conformance;
