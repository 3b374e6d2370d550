//! A question about one symbol as every route of a dataset reads it: parameters, the answer's form, the instrument, the key's
//! right to it, checked in this order everywhere. Called first thing by the rooms' handlers.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, HeaderValue};
use axum::response::Response;

use super::auth::Access;
use super::context::Context;
use super::format::{Encoding, Format};
use super::keys::Scope;
use super::params::Params;
use super::problem::Problem;
use super::span::{CONDITION, REVISION};
use crate::lake::head::Head;
use crate::market::Instrument;

/// What was asked, by somebody who may ask it.
#[derive(Debug)]
pub struct Asked {
    pub params: Params,
    pub wanted: Wanted,
    pub instrument: Arc<Instrument>,
}

impl Asked {
    /// Reads a question about `symbol` of `dataset`, which is what the key must be for. `allowed` are the parameters that the
    /// route takes, `format` among them.
    ///
    /// # Errors
    /// In this order: 400 for a parameter or a form of answer that there is not, 400 or 404 for the symbol, 403 for the key.
    pub fn of(
        context: &Context,
        access: &Access,
        (dataset, symbol): (&str, &str),
        (query, allowed): (Option<&str>, &[&str]),
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let params = Params::parse(query, allowed)?;
        let wanted = Wanted::of(&params, headers)?;
        let instrument = context.instrument(symbol)?;
        access.require(Scope::Read, dataset, &instrument.symbol)?;
        Ok(Self { params, wanted, instrument })
    }
}

/// How the caller wants the answer.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub format: Format,
    pub encoding: Encoding,
}

impl Wanted {
    /// # Errors
    /// 400 when `format` or `Accept` names no format that there is.
    pub fn of(params: &Params, headers: &HeaderMap) -> Result<Self, Problem> {
        let format = Format::wanted(params, headers)?;
        // Parquet is compressed inside already.
        let encoding = if format == Format::Parquet { Encoding::Identity } else { Encoding::wanted(headers) };
        Ok(Self { format, encoding })
    }

    /// What every format says about the partition, and a file name for those who save the answer.
    pub fn put_head(self, response: &mut Response, head: &Head, name: &str) {
        let headers = response.headers_mut();
        headers.insert(CONDITION, HeaderValue::from_static(head.condition.as_str()));
        headers.insert(REVISION, HeaderValue::from(head.revision));
        self.put_name(response, name);
    }

    /// A file name for those who save the answer.
    pub fn put_name(self, response: &mut Response, name: &str) {
        if !matches!(self.format, Format::Json)
            && let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.{}\"", self.format.name()))
        {
            response.headers_mut().insert(CONTENT_DISPOSITION, value);
        }
    }
}
