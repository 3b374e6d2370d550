//! What a store says when it cannot work: the kind, the operation, the key, what to check; and how often it asked before.

use bytes::Bytes;
use futures::TryStreamExt;
use pitlake::ErrorKind;
use pitlake::lake::store::{PutWhen, Store, StoreOptions};

use super::{KEY, kind};
use crate::s3_server::{Faults, S3Server};

/// Each way to ask fails with this kind and says all these words, and the client did not ask more than `most` times.
async fn all_fail(s3: &S3Server, store: &Store, expected: ErrorKind, words: &[&str], most: usize) {
    let says = |doing: &str, error: pitlake::Error| {
        assert_eq!(error.kind(), expected, "{error}");
        for word in words.iter().chain(&[doing]) {
            assert!(error.detail().contains(word), "{word:?} is not in: {error}");
        }
        assert!(s3.requests() <= most, "{doing}: {} requests", s3.requests());
        s3.reset();
    };
    s3.reset();
    says("reaching s3://", store.check().await.expect_err("check"));
    says(&format!("reading {KEY} in s3://"), store.get(KEY).await.expect_err("get"));
    says(&format!("reading {KEY} in s3://"), store.get_if_changed(KEY, "\"x\"").await.expect_err("conditional get"));
    says(&format!("writing {KEY} in s3://"), store.put(KEY, Bytes::new(), PutWhen::Absent).await.expect_err("put"));
    says("listing greeks in s3://", store.list("greeks").try_collect::<Vec<_>>().await.expect_err("list"));
    says("listing greeks in s3://", store.list_folders("greeks").await.expect_err("folders"));
}

#[tokio::test]
async fn a_missing_bucket_is_said_to_be_missing_at_once() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lakee/x").await;
    let words = ["the bucket lakee does not exist", "check its name", "AWS_ENDPOINT_URL"];
    all_fail(&s3, &store, ErrorKind::Unavailable, &words, 1).await;
    let error = store.head(KEY).await.expect_err("an answer to HEAD has no body, so it is asked again");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "a missing bucket is no missing day: {error}");
    assert!(error.detail().contains("the bucket lakee does not exist"), "{error}");
}

#[tokio::test]
async fn wrong_keys_are_told_apart_and_not_tried_again() {
    let s3 = S3Server::start(&["lake"]);
    let options = s3.options().with_credentials("AKIAUNKNOWN000000001", "x");
    let store = Store::open("s3://lake", &options).await.expect("opens");
    let words = ["does not know the access key", "AWS_ACCESS_KEY_ID"];
    all_fail(&s3, &store, ErrorKind::Denied, &words, 1).await;
    let options = s3.options().with_credentials(crate::s3_server::ACCESS_KEY_ID, "another secret");
    let store = Store::open("s3://lake", &options).await.expect("opens");
    let words = ["secret key does not belong to the access key", "AWS_SECRET_ACCESS_KEY"];
    all_fail(&s3, &store, ErrorKind::Denied, &words, 1).await;
    assert!(s3.calls().is_empty(), "nobody came past the gate");
    let store = s3.store("s3://lake").await;
    s3.deny("lake");
    let words = ["access is denied", "may read, list and write bucket lake"];
    all_fail(&s3, &store, ErrorKind::Denied, &words, 1).await;
}

#[tokio::test]
async fn a_sick_store_is_asked_as_often_as_was_said_and_no_more() {
    let s3 = S3Server::start(&["lake"]);
    let options = StoreOptions { retries: Some(2), ..s3.options() };
    let store = Store::open("s3://lake", &options).await.expect("opens");
    s3.set_faults(Some(Faults { seed: 7, refused: 1.0, ..Faults::default() }));
    let error = store.get(KEY).await.expect_err("it is sick");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().contains("after 2 retries") && error.detail().contains("try again later"), "{error}");
    assert_eq!(s3.count("GetObject"), 3);
    s3.set_faults(None);
    assert_eq!(kind(store.get(KEY).await), ErrorKind::NotFound, "well again");
}

#[tokio::test]
async fn nothing_listening_is_said_with_the_endpoint() {
    let s3 = S3Server::start(&["lake"]);
    let options = StoreOptions { retries: Some(1), ..s3.options() };
    let endpoint = s3.endpoint();
    drop(s3);
    let store = Store::open("s3://lake", &options).await.expect("opens");
    let error = store.check().await.expect_err("nothing listens there any more");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    for word in ["nothing listens at", "connection refused", &endpoint, "AWS_ENDPOINT_URL", "s3://lake"] {
        assert!(error.detail().contains(word), "{word:?} is not in: {error}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_said_so() {
    // RFC 6761: no name under .invalid is ever resolved.
    let options = StoreOptions {
        endpoint: Some("http://store.invalid:9000".into()),
        retries: Some(0),
        ..StoreOptions::default().with_credentials("AKIAX", "x")
    };
    let error = Store::open("s3://lake", &options).await.expect("opens").check().await.expect_err("no such name");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().contains("the name in http://store.invalid:9000 cannot be resolved"), "{error}");
}

#[tokio::test]
async fn a_bucket_elsewhere_asks_for_the_region() {
    // What AWS answers without saying where: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Some(format!("http://{}", listener.local_addr().expect("an address")));
    let serving = tokio::spawn(web_server(listener, "301 Moved Permanently"));
    let options = StoreOptions { endpoint, region: Some("eu-west-3".into()), ..StoreOptions::default() };
    let store = Store::open("s3://lake", &options.with_credentials("AKIAX", "x")).await.expect("opens");
    let error = store.get(KEY).await.expect_err("elsewhere");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    for word in ["bucket lake is not in region eu-west-3", "AWS_REGION"] {
        assert!(error.detail().contains(word), "{word:?} is not in: {error}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_server_that_is_no_s3_never_passes_for_an_empty_lake() {
    for status in ["200 OK", "404 Not Found"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(web_server(listener, status));
        let options = StoreOptions { endpoint: Some(endpoint.clone()), retries: Some(0), ..StoreOptions::default() };
        let options = options.with_credentials("AKIAX", "x");
        let store = Store::open("s3://lake", &options).await.expect("opens");
        let errors = [
            store.get(KEY).await.map(drop).expect_err("no object"),
            store.head(KEY).await.map(drop).expect_err("no object"),
            store.list_folders("").await.map(drop).expect_err("no listing"),
            store.list("").try_collect::<Vec<_>>().await.map(drop).expect_err("no listing"),
            store.check().await.expect_err("no lake"),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{status}: {error}");
            assert!(error.detail().contains(&endpoint) && error.detail().contains("AWS_ENDPOINT_URL"), "{error}");
        }
        serving.abort();
    }
}

/// Answers the same page to anything, one request a connection.
async fn web_server(listener: tokio::net::TcpListener, status: &str) {
    let body = "<html><body>Welcome</body></html>";
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let page = format!("{head}content-type: text/html\r\n\r\n");
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = vec![0; 4096];
        let count = tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await.unwrap_or_default();
        let body = if asked[..count].starts_with(b"HEAD") { "" } else { body };
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, format!("{page}{body}").as_bytes()).await;
    }
}
