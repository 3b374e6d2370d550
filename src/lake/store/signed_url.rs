//! Signs URLs for single objects of a bucket, and knows when each ends. [`super::Store::signed_url`] calls it; it sends
//! nothing to the bucket.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use object_store::path::Path;
use object_store::signer::Signer;

use super::credentials::Chain;

/// S3 refuses a URL that is signed for longer.
pub const LONGEST_SIGNED: Duration = Duration::from_secs(7 * 24 * 3600);

/// A URL that opens one object to whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrl {
    pub url: String,
    /// The store answers until then at least, and not much longer.
    pub expires_at: DateTime<Utc>,
}

/// The bucket's signer with the credentials it signs by.
pub(super) struct UrlSigner {
    pub(super) signer: Arc<dyn Signer>,
    /// `None` for credentials that were given and have no known end.
    pub(super) chain: Option<Arc<Chain>>,
}

impl UrlSigner {
    /// `path` counts from the bucket; `now` must not be later than the call.
    pub(super) async fn sign(
        &self,
        path: &Path,
        asked: Duration,
        now: DateTime<Utc>,
    ) -> object_store::Result<SignedUrl> {
        let credentials_end = match &self.chain {
            Some(chain) => chain.end().await?,
            None => None,
        };
        let lasting = lasting(asked, now, credentials_end);
        let url = self.signer.signed_url(hyper::Method::GET, path, lasting).await?;
        // The signature counts whole seconds from the second it was made in.
        let signed_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        Ok(SignedUrl { url: url.to_string(), expires_at: signed_at + lasting })
    }
}

/// How long to sign for: what was asked, the store's limit or what the credentials have left, whichever ends first.
fn lasting(asked: Duration, now: DateTime<Utc>, credentials_end: Option<DateTime<Utc>>) -> Duration {
    let left = credentials_end.map_or(Duration::MAX, |end| (end - now).to_std().unwrap_or_default());
    // Whole seconds, and one at least: a signature over nothing would be refused in words that say nothing.
    Duration::from_secs(asked.min(LONGEST_SIGNED).min(left).as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_end_counts() {
        let now: DateTime<Utc> = "2025-01-15T14:32:00.5Z".parse().unwrap();
        let ends = |text: &str| Some(text.parse().unwrap());
        let secs = |asked, end| lasting(Duration::from_secs(asked), now, end).as_secs();
        assert_eq!(secs(3600, None), 3600);
        assert_eq!(secs(3600, ends("2025-01-15T16:00:00Z")), 3600);
        assert_eq!(secs(3600, ends("2025-01-15T14:42:00Z")), 599);
        assert_eq!(secs(3600, ends("2025-01-15T14:00:00Z")), 1, "ended already: the store will say so");
        assert_eq!(secs(10_000_000, None), 604_800);
    }
}
