//! JSON: an object a line, or one array of objects.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Columns, Named, Role};
use super::{Cells, Place, TakeRow, unreadable};
use crate::bars::capture::Refusal;
use crate::bars::reading::VolumeKind;
use crate::{Error, Result};

const TOLD_EVERY: u64 = 1 << 14;

/// An object's members, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a bar in it")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

pub fn read(
    mut input: BufReader<impl Read>,
    named: &Named,
    volume: VolumeKind,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn TakeRow,
) -> Result<()> {
    let mut objects = Objects { named, volume, columns: None, names: Vec::new(), row: 0 };
    let is_list = input.fill_buf().map_err(|error| unreadable(&error))?.trim_ascii_start().first() == Some(&b'[');
    if is_list {
        let mut text = Vec::new();
        input.read_to_end(&mut text).map_err(|error| unreadable(&error))?;
        progress(text.len() as u64);
        let list: Vec<&RawValue> = serde_json::from_slice(&text).map_err(|error| {
            Error::invalid(format!("the array of bars is not JSON ({error}); nothing of it was taken"))
        })?;
        return list.into_iter().try_for_each(|object| objects.take(object.get().as_bytes(), None, taker));
    }
    let (mut line, mut at, mut bytes) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let length = input.read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
        if length == 0 {
            return Ok(());
        }
        at += 1;
        bytes += length as u64;
        let object = line.trim_ascii();
        if !object.is_empty() {
            objects.take(object, Some(at), taker)?;
        }
        if at.is_multiple_of(TOLD_EVERY) {
            progress(bytes);
        }
    }
}

struct Objects<'a> {
    named: &'a Named,
    volume: VolumeKind,
    /// Found by the names of the first object.
    columns: Option<Columns>,
    names: Vec<String>,
    row: u64,
}

impl Objects<'_> {
    fn take(&mut self, object: &[u8], line: Option<u64>, taker: &mut dyn TakeRow) -> Result<()> {
        self.row += 1;
        let place = Place { what: "object", number: self.row, line: line.unwrap_or(0) };
        let refuse = |taker: &mut dyn TakeRow, code, reason: String| {
            taker.torn(place, Refusal::new(code, None, reason), object);
            Ok(())
        };
        let members: Members<'_> = match serde_json::from_slice(object) {
            Ok(members) => members,
            Err(error) if error.is_data() => {
                return refuse(taker, "wrong_type", format!("a bar is an object with named members: {error}"));
            }
            Err(error) => return refuse(taker, "not_json", format!("not JSON: {error}")),
        };
        let columns = match &self.columns {
            Some(columns) => columns,
            None => {
                let names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_ref()).collect();
                let found = Columns::find(&names, self.named, self.volume)?;
                taker.columns(found.has());
                self.names = names.into_iter().map(str::to_owned).collect();
                self.columns.insert(found)
            }
        };
        let mut texts: [Option<Cow<'_, str>>; Role::COUNT] = [const { None }; Role::COUNT];
        for (text, at) in texts.iter_mut().zip(columns.places()) {
            let Some(name) = at.map(|at| self.names[at].as_str()) else { continue };
            let mut found = members.0.iter().filter(|(known, _)| known == name);
            let value = found.next();
            if found.next().is_some() {
                return refuse(taker, "wrong_type", format!("'{name}' is there twice"));
            }
            match value.map(|(_, value)| text_of(value.get())) {
                Some(Some(read)) => *text = read,
                Some(None) => return refuse(taker, "wrong_type", format!("'{name}' is neither a number nor a text")),
                None => {}
            }
        }
        let mut cells: Cells<'_> = [None; Role::COUNT];
        cells.iter_mut().zip(&texts).for_each(|(cell, text)| *cell = text.as_deref());
        taker.row(place, &cells, &|| object.to_vec())
    }
}

/// The inside of a string, a number as it stands there, or nothing for null; `None` for anything else.
fn text_of(json: &str) -> Option<Option<Cow<'_, str>>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok().map(|Name(text)| Some(text)),
        b'n' => Some(None),
        b'{' | b'[' | b't' | b'f' => None,
        _ => Some(Some(Cow::Borrowed(json))),
    }
}
