//! Credentials from AWS's default chain (variables, profile, single sign-on, container, instance), in the form that
//! `object_store` takes. [`super::s3`] makes one per lake; it asks the chain again shortly before what it has runs out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chrono::{DateTime, Utc};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long before their end credentials are replaced: longer than any one request with its retries.
const MARGIN: Duration = Duration::from_secs(300);
/// A failed lookup is not repeated sooner, so that a lake without credentials does not wait for the chain at every call.
const PAUSE: Duration = Duration::from_secs(5);

/// There are no credentials, or the chain could not get them.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "no AWS credentials ({why}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine \
     a role"
)]
pub(super) struct NoCredentials {
    why: String,
}

/// The chain with its last answer.
pub(super) struct Chain {
    source: SharedCredentialsProvider,
    longest_wait: Duration,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    good: Option<Good>,
    failure: Option<(Instant, NoCredentials)>,
}

struct Good {
    credential: Arc<AwsCredential>,
    /// `None` for credentials that never end.
    until: Option<Instant>,
    /// The same as the issuer wrote it.
    ends_at: Option<DateTime<Utc>>,
}

impl Chain {
    /// AWS's default chain, asked for at most `longest_wait` at a time.
    pub(super) async fn new(region: &str, longest_wait: Duration) -> Self {
        let chain = DefaultCredentialsChain::builder().region(Region::new(region.to_owned())).build().await;
        Self::over(SharedCredentialsProvider::new(chain), longest_wait)
    }

    fn over(source: SharedCredentialsProvider, longest_wait: Duration) -> Self {
        Self { source, longest_wait, last: Mutex::default() }
    }

    /// What is good at `now`, from the last answer or a new one.
    async fn at(&self, now: Instant) -> Result<Arc<AwsCredential>, NoCredentials> {
        let mut last = self.last.lock().await;
        if let Some(good) = &last.good
            && good.until.is_none_or(|until| until > now + MARGIN)
        {
            return Ok(Arc::clone(&good.credential));
        }
        let failure = match &last.failure {
            Some((when, failure)) if now < *when + PAUSE => failure.clone(),
            _ => match self.ask(now).await {
                Ok(good) => {
                    let credential = Arc::clone(&good.credential);
                    *last = Last { good: Some(good), failure: None };
                    return Ok(credential);
                }
                Err(failure) => {
                    last.failure = Some((now + self.longest_wait, failure.clone()));
                    failure
                }
            },
        };
        match &last.good {
            Some(good) if good.until.is_some_and(|until| until > now) => {
                tracing::warn!(%failure, "credentials could not be renewed; the old ones are still good");
                Ok(Arc::clone(&good.credential))
            }
            _ => Err(failure),
        }
    }

    async fn ask(&self, now: Instant) -> Result<Good, NoCredentials> {
        let found = match timeout(self.longest_wait, self.source.provide_credentials()).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                return Err(NoCredentials { why });
            }
            Err(_) => {
                let why = format!("no source answered within {:.1} s", self.longest_wait.as_secs_f64());
                return Err(NoCredentials { why });
            }
        };
        let credential = AwsCredential {
            key_id: found.access_key_id().into(),
            secret_key: found.secret_access_key().into(),
            token: found.session_token().map(str::to_owned),
        };
        let (until, ends_at) = (found.expiry().map(|end| now + left_until(end)), found.expiry().map(DateTime::from));
        Ok(Good { credential: Arc::new(credential), until, ends_at })
    }

    /// When the credentials that requests are signed with now will end; `None` for those that do not. Renewed between this
    /// and the signing they end later, never sooner.
    pub(super) async fn end(&self) -> object_store::Result<Option<DateTime<Utc>>> {
        self.get_credential().await?;
        Ok(self.last.lock().await.good.as_ref().and_then(|good| good.ends_at))
    }
}

/// How long the issuer lets the credentials live from now on. The end is a wall-clock instant of the issuer's choosing,
/// so this is the one place of the store where the machine's clock matters; nothing of the lake depends on it.
fn left_until(end: SystemTime) -> Duration {
    end.elapsed().err().map_or(Duration::ZERO, |ahead| ahead.duration())
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.at(Instant::now()).await;
        found.map_err(|failure| object_store::Error::Unauthenticated { path: String::new(), source: Box::new(failure) })
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the default credentials chain")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;

    use super::*;

    /// Counts how often it was asked; answers by the script, then repeats the last line.
    #[derive(Debug, Clone)]
    struct Script {
        asked: Arc<AtomicUsize>,
        lines: Vec<Line>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Line {
        LivesSeconds(u64),
        Forever,
        Fails,
        Hangs,
    }

    impl ProvideCredentials for Script {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let turn = self.asked.fetch_add(1, Ordering::SeqCst);
            let line = self.lines[turn.min(self.lines.len() - 1)];
            let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
            let made = move |end| Credentials::new(format!("KEY{turn}"), "secret", None, end, "script");
            future::ProvideCredentials::new(async move {
                match line {
                    Line::LivesSeconds(seconds) => Ok(made(Some(now + Duration::from_secs(seconds)))),
                    Line::Forever => Ok(made(None)),
                    Line::Fails => Err(CredentialsError::not_loaded("the script says no")),
                    Line::Hangs => std::future::pending().await,
                }
            })
        }
    }

    fn chain(lines: &[Line], longest_wait: Duration) -> (Chain, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let script = Script { asked: Arc::clone(&asked), lines: lines.to_vec() };
        (Chain::over(SharedCredentialsProvider::new(script), longest_wait), asked)
    }

    const PATIENT: Duration = Duration::from_secs(5);

    /// Which key is used that many seconds after `began`.
    async fn key(chain: &Chain, began: Instant, seconds: u64) -> String {
        chain
            .at(began + Duration::from_secs(seconds))
            .await
            .map_or_else(|_| "none".into(), |found| found.key_id.clone())
    }

    #[tokio::test]
    async fn good_credentials_are_asked_for_once_until_near_their_end() {
        let (chain, asked) = chain(&[Line::LivesSeconds(3600), Line::Forever], PATIENT);
        let began = Instant::now();
        for (seconds, expected, times) in [(0, "KEY0", 1), (3200, "KEY0", 1), (3350, "KEY1", 2), (1_000_000, "KEY1", 2)]
        {
            assert_eq!(key(&chain, began, seconds).await, expected, "after {seconds} s");
            assert_eq!(asked.load(Ordering::SeqCst), times, "after {seconds} s");
        }
    }

    #[tokio::test]
    async fn a_failed_renewal_leaves_the_old_ones_until_they_end() {
        let (chain, _) = chain(&[Line::LivesSeconds(3600), Line::Fails], PATIENT);
        let began = Instant::now();
        for (seconds, expected) in [(0, "KEY0"), (3400, "KEY0"), (3590, "KEY0"), (3700, "none")] {
            assert_eq!(key(&chain, began, seconds).await, expected, "after {seconds} s");
        }
    }

    #[tokio::test]
    async fn a_chain_that_hangs_is_given_up_and_not_asked_again_at_once() {
        let (chain, asked) = chain(&[Line::Hangs], Duration::from_millis(10));
        let began = Instant::now();
        let error = chain.at(began).await.expect_err("nothing answers");
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
        chain.at(began + Duration::from_secs(4)).await.expect_err("not asked again yet");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        chain.at(began + Duration::from_secs(6)).await.expect_err("asked again, in vain");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
