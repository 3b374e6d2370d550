//! The tests from outside, as one program: the built binary, whole lakes on disk and on S3, and the project's own rules.

mod bars;
mod capture;
mod chains;
mod cli;
mod compact;
mod ddl;
mod events;
mod evolution;
mod faults;
mod http;
mod ingest;
mod kill;
mod lake;
mod layout_doc;
mod mistakes;
mod pitlake_binary;
mod prove;
mod pull;
mod quality;
mod received;
mod s3_server;
mod server;
mod status;
mod store_conformance;
mod tidy;
mod versions;
