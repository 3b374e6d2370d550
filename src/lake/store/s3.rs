//! Opens an S3 bucket: client, retries, time limits, credentials. Only [`super::Store::open`] calls it; it sends nothing
//! to the bucket.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider, S3ConditionalPut};
use object_store::prefix::PrefixStore;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider};

use super::credentials::Chain;
use super::explain::Place;
use super::options::{Settings, StoreOptions};
use super::signed_url::UrlSigner;
use crate::{Error, Result};

/// Where AWS itself answers when nobody named a region.
const DEFAULT_REGION: &str = "us-east-1";

pub(super) struct Opened {
    pub objects: Arc<dyn ObjectStore>,
    pub signer: UrlSigner,
    pub place: Place,
}

/// # Errors
/// `Invalid` for options that cannot work, `Denied` when the chain has no credentials.
pub(super) async fn open(bucket: &str, prefix: &str, options: &StoreOptions) -> Result<Opened> {
    let settings = options.settle(|name| std::env::var(name).ok())?;
    let region = match &settings.region {
        Some(region) => region.clone(),
        None => profile_region().await.unwrap_or_else(|| DEFAULT_REGION.into()),
    };
    let place = Place::bucket(bucket, prefix, settings.endpoint.as_deref(), &region);
    let (credentials, chain) = credentials(&settings, &region).await;
    credentials.get_credential().await.map_err(|error| place.explain("opening", "", error))?;

    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&region)
        .with_credentials(credentials)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_retry(retry(&settings))
        .with_client_options(client(&settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(if settings.path_style { endpoint.clone() } else { host_of(endpoint, bucket) });
    }
    let built = builder.build().map_err(|error| {
        Error::invalid(format!("the S3 client for {} cannot be made: {error}", place.root())).caused_by(error)
    })?;
    let signer: Arc<dyn Signer> = Arc::new(built.clone());
    let signer = UrlSigner { signer, chain };
    let objects: Arc<dyn ObjectStore> =
        if prefix.is_empty() { Arc::new(built) } else { Arc::new(PrefixStore::new(built, prefix)) };
    Ok(Opened { objects, signer, place })
}

/// What signs requests, and the chain when it is one: it knows when its credentials end.
async fn credentials(settings: &Settings, region: &str) -> (AwsCredentialProvider, Option<Arc<Chain>>) {
    if let Some(given) = &settings.credentials {
        let given = StaticCredentialProvider::new(AwsCredential {
            key_id: given.access_key_id.clone(),
            secret_key: given.secret_access_key.clone(),
            token: given.session_token.clone(),
        });
        return (Arc::new(given), None);
    }
    let chain = Arc::new(Chain::new(region, settings.credentials_timeout).await);
    (Arc::clone(&chain) as AwsCredentialProvider, Some(chain))
}

async fn profile_region() -> Option<String> {
    use aws_config::meta::region::ProvideRegion;
    let provider = aws_config::profile::region::ProfileFileRegionProvider::new();
    provider.region().await.map(|region| region.to_string())
}

fn retry(settings: &Settings) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: settings.retries,
        retry_timeout: settings.retry_time_limit,
    }
}

/// No limit on a whole request: a large partition over a slow line is no fault. The read limit catches what stands still.
fn client(settings: &Settings) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_connect_timeout(settings.connect_timeout)
        .with_read_timeout(settings.read_timeout)
        .with_timeout_disabled()
}

/// `https://host` and `bucket` → `https://bucket.host`, which is what `object_store` wants for virtual-hosted requests.
fn host_of(endpoint: &str, bucket: &str) -> String {
    endpoint.split_once("://").map_or_else(|| endpoint.into(), |(scheme, host)| format!("{scheme}://{bucket}.{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_goes_before_the_host() {
        assert_eq!(host_of("https://storage.example.com", "prices"), "https://prices.storage.example.com");
    }
}
