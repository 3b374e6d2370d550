//! Who may come in, and with what fault: signatures against the one known key, denied buckets, the log, the draw.

use std::sync::Arc;

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use super::faults::Fault;
use super::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, State};

pub(super) struct Gate {
    pub(super) state: Arc<State>,
}

pub(super) struct OneKey;

#[async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY_ID {
            return Ok(SecretKey::from(SECRET_ACCESS_KEY));
        }
        Err(s3_error!(InvalidAccessKeyId, "The access key ID you provided does not exist in our records"))
    }
}

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        let op = context.s3_op().name().to_owned();
        let bucket = context.s3_path().get_bucket_name().unwrap_or_default().to_owned();
        let key = context.s3_path().get_object_key().unwrap_or_default().to_owned();
        self.state.calls.call(&op, &key);
        if self.state.plan.is_denied(&bucket) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        match self.state.plan.next(&op, &key) {
            Some(Fault::InternalError) => Err(s3_error!(InternalError, "by script or seed")),
            Some(Fault::SlowDown) => Err(s3_error!(SlowDown, "by script or seed")),
            Some(Fault::Busy) => Err(s3_error!(ConditionalRequestConflict, "by script")),
            Some(Fault::Late(wait)) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Some(later) => {
                context.extensions_mut().insert(later);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
