//! The tests from outside, as one program: the built binary, whole lakes on disk and on S3, and the project's own rules.

mod capture;
mod chains;
mod cli;
mod compact;
mod http;
mod ingest;
mod kill;
mod lake;
mod layout_doc;
mod mistakes;
mod pitlake_binary;
mod quality;
mod s3_server;
mod server;
mod store_conformance;
mod tidy;
mod versions;
