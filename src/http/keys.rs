//! API keys as data: what a key allows, how a list of them is written down, which record a presented key is. Pure;
//! `key_store` reads and changes the list in the lake, `auth` judges requests by it. A key itself is never kept.
//!
//! A key is a random UUID (version 4, 122 random bits). The list holds its SHA-256. A slow password hash would add
//! nothing: nobody can try 2^122 keys, while every request has to be checked.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::market::Symbol;
use crate::{Error, Result};

/// The version of the list's JSON form that this program reads and writes.
const FORMAT_VERSION: u32 = 1;

/// What a key may do. None implies another: a key that administers and reads has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask questions and fetch files.
    Read,
    /// Send captures.
    Capture,
    /// Change what a person may change through the API.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Capture, Scope::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Capture => "capture",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| Error::invalid(format!("'{text}' is not a scope: give read, capture or admin")))
    }
}

/// The SHA-256 of a key, as 64 lower-case hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key's canonical text (lower case, with hyphens).
    pub fn of(key: Uuid) -> Self {
        let mut text = Uuid::encode_buffer();
        Self(Sha256::digest(key.hyphenated().encode_lower(&mut text).as_bytes()).into())
    }

    /// Equality in a time that does not depend on where the two differ.
    pub fn same_as(&self, other: &KeyHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({}…)", hex::encode(&self.0[..4]))
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> String {
        hex::encode(hash.0)
    }
}

impl TryFrom<String> for KeyHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| "a sha256 is 64 hexadecimal digits".to_owned())?;
        Ok(Self(bytes))
    }
}

/// What the maker of a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// For whom or what the key is, for people to read.
    pub name: String,
    /// At least one.
    pub scopes: BTreeSet<Scope>,
    /// `None` allows every dataset.
    pub datasets: Option<BTreeSet<String>>,
    /// `None` allows every symbol.
    pub symbols: Option<BTreeSet<Symbol>>,
}

/// One key as the list holds it.
///
/// A field that this program does not know is refused: it may restrict the key, and ignoring it would open more than
/// somebody meant to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Short public name: `k` and the first digits of the hash. Says nothing about the key.
    pub id: String,
    pub name: String,
    pub sha256: KeyHash,
    pub scopes: BTreeSet<Scope>,
    /// Absent allows every dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets: Option<BTreeSet<String>>,
    /// Absent allows every symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbols: Option<BTreeSet<Symbol>>,
    pub created_at: DateTime<Utc>,
    /// From then on the key opens nothing. A revoked key stays in the list, so that nobody can tell a lake that once had
    /// a key from one that never did by deleting it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The whole of the lake's key list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    version: u32,
    keys: Vec<KeyRecord>,
}

impl Default for KeyList {
    fn default() -> Self {
        Self { version: FORMAT_VERSION, keys: Vec::new() }
    }
}

impl KeyList {
    pub fn records(&self) -> &[KeyRecord] {
        &self.keys
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// `Corrupt` for anything but a list of this version that makes sense; never an empty list instead.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let mend = "mend it by hand or restore an earlier version of the object; until then every request is refused";
        let list: KeyList = serde_json::from_slice(bytes)
            .map_err(|cause| Error::corrupt(format!("the key list is malformed ({cause}): {mend}")).caused_by(cause))?;
        list.check().map_err(|fault| Error::corrupt(format!("the key list is malformed ({fault}): {mend}")))?;
        Ok(list)
    }

    /// The JSON form, indented: a person may have to read it.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::internal("the key list cannot be written as JSON").caused_by(cause))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != FORMAT_VERSION {
            return Err(format!("its version is {}, this program knows {FORMAT_VERSION}", self.version));
        }
        let mut ids = BTreeSet::new();
        for record in &self.keys {
            if !ids.insert(&record.id) {
                return Err(format!("two keys have the id {}", record.id));
            }
            if record.scopes.is_empty() {
                return Err(format!("key {} has no scope", record.id));
            }
            let nothing = record.datasets.as_ref().is_some_and(BTreeSet::is_empty)
                || record.symbols.as_ref().is_some_and(BTreeSet::is_empty);
            if nothing {
                return Err(format!("key {} has an empty limit; leave the field out to allow all", record.id));
            }
        }
        let mut hashes: Vec<[u8; 32]> = self.keys.iter().map(|record| record.sha256.0).collect();
        hashes.sort_unstable();
        if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two records have the same sha256".to_owned());
        }
        Ok(())
    }

    /// Adds a new key and gives its record. The key itself comes from outside, as randomness does.
    ///
    /// # Errors
    /// `Invalid` for a grant that allows nothing or has no usable name; `Conflict` for a key that is already there.
    pub fn add(&mut self, key: Uuid, grant: KeyGrant, now: DateTime<Utc>) -> Result<KeyRecord> {
        let sha256 = KeyHash::of(key);
        if self.keys.iter().any(|record| record.sha256.same_as(&sha256)) {
            return Err(Error::new(crate::ErrorKind::Conflict, "this key is in the list already; make another"));
        }
        check_grant(&grant)?;
        let digits = String::from(sha256);
        // Eight digits tell some thousands of keys apart; where they do not, a longer id does.
        let id = (8..=digits.len())
            .map(|length| format!("k{}", &digits[..length]))
            .find(|id| self.keys.iter().all(|record| record.id != *id))
            .ok_or_else(|| Error::internal("no free key id"))?;
        let KeyGrant { name, scopes, datasets, symbols } = grant;
        let record = KeyRecord { id, name, sha256, scopes, datasets, symbols, created_at: now, revoked_at: None };
        self.keys.push(record.clone());
        Ok(record)
    }

    /// Revokes the key with this id. Revoking twice keeps the first time.
    ///
    /// # Errors
    /// `NotFound` for an id that the list does not have.
    pub fn revoke(&mut self, id: &str, now: DateTime<Utc>) -> Result<KeyRecord> {
        let record =
            self.keys.iter_mut().find(|record| record.id == id).ok_or_else(|| {
                Error::not_found(format!("no key has the id '{id}'; `pitlake keys list` shows the ids"))
            })?;
        record.revoked_at.get_or_insert(now);
        Ok(record.clone())
    }

    /// The record of a presented key, revoked or not. Looks at every record whichever fits, in constant time each.
    pub fn find(&self, key: Uuid) -> Option<&KeyRecord> {
        let presented = KeyHash::of(key);
        let mut found = None;
        for record in &self.keys {
            if record.sha256.same_as(&presented) {
                found = Some(record);
            }
        }
        found
    }
}

fn check_grant(grant: &KeyGrant) -> Result<()> {
    if grant.scopes.is_empty() {
        return Err(Error::invalid("a key without a scope opens nothing: give --scope read, capture or admin"));
    }
    let length = grant.name.chars().count();
    if !(1..=100).contains(&length) || grant.name.chars().any(char::is_control) {
        return Err(Error::invalid("a key's name has 1 to 100 characters and no line breaks: say for whom the key is"));
    }
    if grant.datasets.as_ref().is_some_and(BTreeSet::is_empty) || grant.symbols.as_ref().is_some_and(BTreeSet::is_empty)
    {
        return Err(Error::invalid("a key limited to nothing opens nothing: leave the limit out to allow all"));
    }
    let strange = grant.datasets.iter().flatten().find(|name| !is_dataset_name(name));
    if let Some(name) = strange {
        return Err(Error::invalid(format!("'{name}' cannot be a dataset: names are lower case, as greeks_by_day")));
    }
    Ok(())
}

fn is_dataset_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn key() -> Uuid {
        "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap()
    }

    /// `printf %s 67e55044-10b1-426f-9247-bb680e5fe0c8 | sha256sum`
    const KEY_SHA256: &str = "002031b96bd3225661940cdee05b257cfad10484960fc931ea458378fc68aaec";

    fn grant(name: &str) -> KeyGrant {
        KeyGrant { name: name.to_owned(), scopes: BTreeSet::from([Scope::Read]), datasets: None, symbols: None }
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_text() {
        assert_eq!(String::from(KeyHash::of(key())), KEY_SHA256);
        let shouted: Uuid = "67E5504410B1426F9247BB680E5FE0C8".parse().unwrap();
        assert_eq!(String::from(KeyHash::of(shouted)), KEY_SHA256);
    }

    #[test]
    fn a_list_survives_its_json_and_never_holds_the_key() {
        let mut list = KeyList::default();
        let mut wanted = grant("desk");
        wanted.symbols = Some(BTreeSet::from(["SPY".parse().unwrap()]));
        let record = list.add(key(), wanted, at("2025-01-15T14:32:00Z")).unwrap();
        assert_eq!(record.id, format!("k{}", &KEY_SHA256[..8]));
        let json = list.to_json().unwrap();
        assert!(!String::from_utf8(json.clone()).unwrap().contains("67e55044"));
        assert_eq!(KeyList::from_json(&json).unwrap(), list);
        assert_eq!(list.find(key()).unwrap().id, record.id);
        assert_eq!(list.find("77e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap()), None);
    }

    #[test]
    fn revoking_keeps_the_record_and_the_first_time() {
        let mut list = KeyList::default();
        let id = list.add(key(), grant("desk"), at("2025-01-15T14:32:00Z")).unwrap().id;
        list.revoke(&id, at("2025-01-16T10:00:00Z")).unwrap();
        let again = list.revoke(&id, at("2025-01-17T10:00:00Z")).unwrap();
        assert_eq!(again.revoked_at, Some(at("2025-01-16T10:00:00Z")));
        assert_eq!(list.records().len(), 1);
        assert_eq!(list.revoke("knone", at("2025-01-17T10:00:00Z")).unwrap_err().kind(), crate::ErrorKind::NotFound);
    }

    #[test]
    fn a_malformed_list_is_an_error_never_an_empty_list() {
        let record = |extra: &str| {
            format!(
                r#"{{"id":"k1","name":"a","sha256":"{KEY_SHA256}","scopes":["read"],"created_at":"2025-01-15T14:32:00Z"{extra}}}"#
            )
        };
        let list = |records: &str| format!(r#"{{"version":1,"keys":[{records}]}}"#);
        assert!(KeyList::from_json(list(&record("")).as_bytes()).is_ok());
        let twice = format!("{},{}", record(""), record(""));
        for bad in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            r#"{"version":2,"keys":[]}"#.to_owned(),
            list(&record(r#","expires_at":"2025-02-01T00:00:00Z""#)),
            list(&record(r#","symbols":[]"#)),
            list(&record(r#","symbols":["../x"]"#)),
            list(&record("").replace("read", "root")),
            list(&record("").replace(r#"["read"]"#, "[]")),
            list(&record("").replace(KEY_SHA256, &KEY_SHA256[1..])),
            list(&twice),
            list(&twice.replacen("\"k1\"", "\"k2\"", 1)),
        ] {
            let error = KeyList::from_json(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{bad}");
        }
    }

    #[test]
    fn a_grant_allows_something_and_has_a_name() {
        let mut list = KeyList::default();
        let mut none = grant("desk");
        none.scopes.clear();
        let mut empty = grant("desk");
        empty.datasets = Some(BTreeSet::new());
        let mut path = grant("desk");
        path.datasets = Some(BTreeSet::from(["../raw".to_owned()]));
        for bad in [none, empty, path, grant(""), grant("a\nb")] {
            assert_eq!(list.add(key(), bad, at("2025-01-15T14:32:00Z")).unwrap_err().kind(), crate::ErrorKind::Invalid);
        }
        assert!(list.records().is_empty());
    }
}
