//! S3's operations over [`super::buckets`]: what `object_store`, and a child process with any S3 client, may ask for.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use hyper::http::Extensions;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::State;
use super::buckets::{Expected, Stored};
use super::connection::cut;
use super::faults::Fault;

/// The pieces in which a body is sent, so that a client sees a stream.
const PIECE: usize = 64 << 10;

pub(super) struct Protocol {
    pub(super) state: Arc<State>,
}

#[async_trait]
impl S3 for Protocol {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let stored = self.state.buckets.get(&input.bucket, &input.key)?;
        check_read(&stored, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let size = stored.bytes.len() as u64;
        let (range, content_range) = match input.range {
            Some(range) => {
                let range = range.check(size)?;
                let named = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                (range, Some(named))
            }
            None => (0..size, None),
        };
        let bytes = stored.bytes.slice(range.start as usize..range.end as usize);
        let torn = request.extensions.get::<Fault>() == Some(&Fault::TornBody);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(bytes.len() as i64),
            content_range,
            e_tag: Some(stored.etag()),
            last_modified: Some(Timestamp::from(stored.modified)),
            body: Some(body(bytes, torn)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let stored = self.state.buckets.get(&input.bucket, &input.key)?;
        check_read(&stored, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(stored.bytes.len() as i64),
            e_tag: Some(stored.etag()),
            last_modified: Some(Timestamp::from(stored.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let bytes = collect(input.body).await?;
        let expected = Expected { if_match: input.if_match, if_none_match: input.if_none_match };
        let stored = self.state.buckets.put(&input.bucket, &input.key, bytes, &expected)?;
        lose(&request.extensions)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(stored.etag()), ..PutObjectOutput::default() }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.state.buckets.delete(&request.input.bucket, &request.input.key)?;
        lose(&request.extensions)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut deleted = Vec::new();
        for object in request.input.delete.objects {
            self.state.buckets.delete(&request.input.bucket, &object.key)?;
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        lose(&request.extensions)?;
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let after = match &input.continuation_token {
            Some(token) => hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
            None => Some(input.start_after.clone().unwrap_or_default()),
        };
        let after = after.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?;
        let most = input.max_keys.map_or(Ok(usize::MAX), usize::try_from);
        let most = most.map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative"))?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let page = self.state.buckets.list(&input.bucket, &prefix, input.delimiter.as_deref(), &after, most)?;
        let contents: Vec<Object> = page.objects.into_iter().map(describe).collect();
        let folders = page.folders.into_iter().map(|folder| CommonPrefix { prefix: Some(folder) });
        let folders: Vec<CommonPrefix> = folders.collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            delimiter: input.delimiter,
            max_keys: Some(input.max_keys.unwrap_or(1000)),
            key_count: Some((contents.len() + folders.len()) as i32),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(hex::encode),
            contents: Some(contents),
            common_prefixes: Some(folders),
            start_after: input.start_after,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.state.buckets.exists(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.state.buckets.create(&request.input.bucket);
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let named = |name| Bucket { name: Some(name), ..Bucket::default() };
        let buckets = self.state.buckets.names().into_iter().map(named).collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let id = self.state.buckets.begin_upload(&request.input.bucket)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(request.input.bucket),
            key: Some(request.input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let bytes = collect(input.body).await?;
        let etag = self.state.buckets.put_part(&input.upload_id, input.part_number, bytes)?;
        lose(&request.extensions)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(etag), ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Vec<_> = parts.into_iter().map(|part| (part.part_number.unwrap_or_default(), part.e_tag)).collect();
        let expected = Expected { if_match: input.if_match, if_none_match: input.if_none_match };
        let place = (input.bucket.as_str(), input.key.as_str());
        let stored = self.state.buckets.complete_upload(place, &input.upload_id, &parts, &expected)?;
        lose(&request.extensions)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(stored.etag()),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.state.buckets.abort_upload(&request.input.upload_id)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// 412 or 304 where the conditions of a GET or HEAD say so.
fn check_read(stored: &Stored, matches: Option<&ETagCondition>, differs: Option<&ETagCondition>) -> S3Result<()> {
    let same = |condition: &ETagCondition| {
        condition.is_any() || condition.as_etag().is_some_and(|etag| etag.weak_cmp(&stored.etag()))
    };
    if matches.is_some_and(|condition| !same(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if differs.is_some_and(same) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// The work is done; the fault, if the call has one, takes the answer away.
fn lose(extensions: &Extensions) -> S3Result<()> {
    match extensions.get::<Fault>() {
        Some(Fault::LostAnswer) => Err(cut()),
        Some(Fault::WrongAnswer) => Err(s3_error!(InternalError, "after the work was done")),
        _ => Ok(()),
    }
}

fn body(bytes: Bytes, torn: bool) -> StreamingBlob {
    let sent = if torn { bytes.slice(..bytes.len() / 2) } else { bytes };
    let mut pieces = Vec::new();
    let mut left = sent;
    while !left.is_empty() {
        pieces.push(Ok(left.split_to(left.len().min(PIECE))));
    }
    // The pause lets what was sent so far leave, so that the client sees the head and half a body.
    let end = stream::once(async move {
        tokio::task::yield_now().await;
        torn.then(|| Err(io::Error::from(io::ErrorKind::ConnectionAborted)))
    });
    StreamingBlob::wrap(stream::iter(pieces).chain(end.filter_map(std::future::ready)))
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let whole = body.try_fold(BytesMut::new(), |mut whole, piece| async move {
        whole.extend_from_slice(&piece);
        Ok(whole)
    });
    whole.await.map(BytesMut::freeze).map_err(|_| s3_error!(IncompleteBody))
}

fn describe((key, stored): (String, Stored)) -> Object {
    Object {
        key: Some(key),
        size: Some(stored.bytes.len() as i64),
        e_tag: Some(stored.etag()),
        last_modified: Some(Timestamp::from(stored.modified)),
        ..Object::default()
    }
}
