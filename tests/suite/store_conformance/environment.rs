//! What a process finds in its environment: variables are global to it, so each of these runs in one of its own.

use std::process::Command;

use bytes::Bytes;
use pitlake::ErrorKind;
use pitlake::lake::store::{PutWhen, Store, StoreOptions};

use crate::s3_server::S3Server;

/// Runs one of the ignored tests below in a process of its own, with this environment only.
fn in_a_child(test: &str, env: &[(String, String)]) -> String {
    let this = std::env::current_exe().expect("the test program");
    let name = format!("store_conformance::environment::{test}");
    let mut command = Command::new(this);
    command.args(["--exact", &name, "--ignored", "--nocapture"]).env_clear().env("HOME", "/nonexistent");
    let output = command.envs(env.iter().cloned()).output().expect("a child");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    printed
}

#[test]
fn the_standard_variables_reach_the_store() {
    let s3 = S3Server::start(&["lake"]);
    in_a_child("child_writes_by_environment", &s3.env());
    assert_eq!(s3.objects("lake"), [("from/child".to_owned(), Bytes::from_static(b"by environment"))]);
}

#[tokio::test]
#[ignore = "run by the_standard_variables_reach_the_store, in a process of its own"]
async fn child_writes_by_environment() {
    let store = Store::open("s3://lake/from", &StoreOptions::default()).await.expect("opens");
    store.put("child", Bytes::from_static(b"by environment"), PutWhen::Absent).await.expect("a put");
}

#[test]
fn without_credentials_the_variables_are_named() {
    let off = [("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())];
    let printed = in_a_child("child_without_credentials", &off);
    assert!(printed.contains("opening s3://lake: no AWS credentials"), "{printed}");
}

#[test]
fn a_metadata_service_that_never_answers_is_given_up() {
    // Connections are taken by the kernel and answered by nobody.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let printed = in_a_child("child_without_credentials", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), url)]);
    assert!(printed.contains("no source answered within 0.2 s"), "{printed}");
}

#[tokio::test]
#[ignore = "run by the tests above, in a process of its own"]
async fn child_without_credentials() {
    let options = StoreOptions { credentials_timeout_ms: Some(200), ..StoreOptions::default() };
    let error = Store::open("s3://lake", &options).await.expect_err("no credentials anywhere");
    assert_eq!(error.kind(), ErrorKind::Denied);
    for word in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        assert!(error.detail().contains(word), "{word} is not in: {error}");
    }
    println!("{error}");
}
