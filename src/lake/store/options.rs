//! How to reach an S3-compatible store: the `[s3]` section of `pitlake.toml`, completed from the standard AWS variables.
//! `cli` reads the section, [`super::Store::open`] takes it. A local lake needs none of it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::{Error, Result};

/// Settings of the S3 client. What is not set here comes from the AWS variable named beside it, then from the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreOptions {
    /// URL of an S3-compatible server (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`); without one, AWS itself.
    pub endpoint: Option<String>,
    /// `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's region, else `us-east-1`.
    pub region: Option<String>,
    /// `https://host/bucket/key` rather than `https://bucket.host/key`; by default when there is an endpoint.
    pub path_style: Option<bool>,
    /// Whether an `http://` endpoint is taken (`AWS_ALLOW_HTTP`); by default yes, for whoever writes `http://` means it.
    pub allow_http: Option<bool>,
    /// Longest wait for a connection; 2000.
    pub connect_timeout_ms: Option<u64>,
    /// Longest wait for the next piece of an answer, the sending of a body included; 30000.
    pub read_timeout_ms: Option<u64>,
    /// How often a request that failed for a passing reason is sent again; 6.
    pub retries: Option<usize>,
    /// No retry begins later than this after the first try; 10000.
    pub retry_time_limit_ms: Option<u64>,
    /// Longest wait for the credentials chain; 5000.
    pub credentials_timeout_ms: Option<u64>,
    /// Takes the place of the credentials chain. Not read from a file: secrets do not belong there.
    #[serde(skip)]
    pub credentials: Option<StaticCredentials>,
}

/// An access key given by the caller instead of found in the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// [`StoreOptions`] with every gap filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub endpoint: Option<String>,
    /// `None`: ask the profile.
    pub region: Option<String>,
    pub path_style: bool,
    pub allow_http: bool,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub retries: usize,
    pub retry_time_limit: Duration,
    pub credentials_timeout: Duration,
    pub credentials: Option<StaticCredentials>,
}

impl StoreOptions {
    /// The same options with a fixed access key.
    #[must_use]
    pub fn with_credentials(mut self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.credentials = Some(StaticCredentials {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        });
        self
    }

    /// Fills the gaps; `variable` looks up an environment variable.
    ///
    /// # Errors
    /// `Invalid` for an endpoint that is not an http or https URL, or is http where that is forbidden.
    pub(super) fn settle(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Settings> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let endpoint = self.endpoint.clone();
        let endpoint = endpoint.or_else(|| variable("AWS_ENDPOINT_URL_S3")).or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.map(|url| url.trim_end_matches('/').to_owned());
        let allowed = match (self.allow_http, variable("AWS_ALLOW_HTTP")) {
            (Some(allowed), _) => allowed,
            (None, Some(value)) => matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"),
            (None, None) => true,
        };
        if let Some(url) = &endpoint {
            let plain = url.starts_with("http://");
            if !plain && !url.starts_with("https://") || url::Url::parse(url).is_err() {
                return Err(Error::invalid(format!(
                    "the S3 endpoint {url:?} is not a URL such as https://storage.example.com or http://127.0.0.1:9000; \
                     check `endpoint` under [s3] in pitlake.toml or AWS_ENDPOINT_URL"
                )));
            }
            if plain && !allowed {
                return Err(Error::invalid(format!(
                    "the S3 endpoint {url} is not encrypted and plain http is switched off; use https:// or set \
                     AWS_ALLOW_HTTP=true"
                )));
            }
        }
        let ms = |given: Option<u64>, default: u64| Duration::from_millis(given.unwrap_or(default));
        Ok(Settings {
            region: self.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION")),
            path_style: self.path_style.unwrap_or(endpoint.is_some()),
            allow_http: endpoint.as_deref().is_some_and(|url| url.starts_with("http://")),
            endpoint,
            connect_timeout: ms(self.connect_timeout_ms, 2_000),
            read_timeout: ms(self.read_timeout_ms, 30_000),
            retries: self.retries.unwrap_or(6),
            retry_time_limit: ms(self.retry_time_limit_ms, 10_000),
            credentials_timeout: ms(self.credentials_timeout_ms, 5_000),
            credentials: self.credentials.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(options: &StoreOptions, variables: &[(&str, &str)]) -> Result<Settings> {
        options.settle(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_section_is_read_and_a_misspelt_name_is_refused() {
        let text = "endpoint = 'http://127.0.0.1:9000'\nregion = 'eu-west-1'\npath_style = false\nretries = 2";
        let options: StoreOptions = toml::from_str(text).expect("a good section");
        assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!((options.path_style, options.retries), (Some(false), Some(2)));
        assert!(toml::from_str::<StoreOptions>("endpiont = 'x'").is_err());
        assert!(toml::from_str::<StoreOptions>("[credentials]\naccess_key_id = 'x'").is_err());
    }

    #[test]
    fn the_section_goes_before_the_variables_and_s3_before_the_general_one() {
        let variables =
            [("AWS_ENDPOINT_URL", "https://any"), ("AWS_ENDPOINT_URL_S3", "https://s3"), ("AWS_REGION", "eu-north-1")];
        let found = settle(&StoreOptions::default(), &variables).expect("variables");
        assert_eq!((found.endpoint.as_deref(), found.region.as_deref()), (Some("https://s3"), Some("eu-north-1")));
        let options = StoreOptions { endpoint: Some("https://mine/".into()), ..StoreOptions::default() };
        assert_eq!(settle(&options, &variables).expect("both").endpoint.as_deref(), Some("https://mine"));
        let older = [("AWS_ENDPOINT_URL", "https://any"), ("AWS_DEFAULT_REGION", "ap-south-1"), ("AWS_REGION", "")];
        let found = settle(&StoreOptions::default(), &older).expect("older names");
        assert_eq!((found.endpoint.as_deref(), found.region.as_deref()), (Some("https://any"), Some("ap-south-1")));
    }

    #[test]
    fn path_style_follows_the_endpoint_unless_said() {
        assert!(!settle(&StoreOptions::default(), &[]).expect("AWS").path_style);
        assert!(settle(&StoreOptions::default(), &[("AWS_ENDPOINT_URL", "https://any")]).expect("other").path_style);
        let said = StoreOptions { path_style: Some(true), ..StoreOptions::default() };
        assert!(settle(&said, &[]).expect("said").path_style);
    }

    #[test]
    fn plain_http_needs_an_http_endpoint_that_nobody_forbade() {
        let plain = StoreOptions { endpoint: Some("http://127.0.0.1:9000".into()), ..StoreOptions::default() };
        assert!(settle(&plain, &[]).expect("given").allow_http);
        assert!(!settle(&StoreOptions::default(), &[]).expect("AWS").allow_http);
        let error = settle(&plain, &[("AWS_ALLOW_HTTP", "false")]).expect_err("forbidden");
        assert!(error.detail().contains("AWS_ALLOW_HTTP"), "{error}");
        for bad in ["127.0.0.1:9000", "ftp://x", "http://"] {
            let options = StoreOptions { endpoint: Some(bad.into()), ..StoreOptions::default() };
            assert!(settle(&options, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let options = StoreOptions::default().with_credentials("AKIDEXAMPLE", "hush");
        let printed = format!("{options:?}");
        assert!(printed.contains("AKIDEXAMPLE") && !printed.contains("hush"), "{printed}");
    }
}
