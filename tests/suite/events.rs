//! A client of server-sent events, written from the specification of `text/event-stream`: it reads while the test waits.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::HeaderMap;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// One event. A comment is an event of the name `:`, a hint for reconnection one of the name `retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

impl Event {
    /// Members of `data` as texts.
    pub fn text(&self, member: &str) -> &str {
        self.data[member].as_str().unwrap_or_else(|| panic!("no text {member} in {self:?}"))
    }
}

/// An open stream.
pub struct Stream {
    pub headers: HeaderMap,
    events: Receiver<Event>,
}

impl Stream {
    #[track_caller]
    pub fn open(url: &str, last_event_id: Option<&str>) -> Self {
        let client = Client::builder().no_proxy().timeout(None).build().expect("a client");
        let mut request = client.get(url).header("Accept", "text/event-stream").header("Accept-Encoding", "gzip, zstd");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().expect("an answer");
        assert_eq!(response.status(), 200, "{url}");
        let headers = response.headers().clone();
        let (send, events) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(response).lines();
            while let Some(event) = read(&mut lines) {
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        Self { headers, events }
    }

    /// The next event that is neither a comment nor a hint.
    #[track_caller]
    pub fn next(&self) -> Event {
        loop {
            let event = self.any();
            if event.name != ":" && event.name != "retry" {
                return event;
            }
        }
    }

    #[track_caller]
    pub fn any(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event in time")
    }

    /// Reads on until the stream ends.
    #[track_caller]
    pub fn rest(&self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) => events.push(event),
                Err(RecvTimeoutError::Disconnected) => return events,
                Err(RecvTimeoutError::Timeout) => panic!("the stream does not end"),
            }
        }
    }
}

/// Fields up to an empty line; `None` at the end of the stream.
fn read(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<Event> {
    let mut event = Event { name: String::new(), id: None, data: Value::Null };
    let mut data: Vec<String> = Vec::new();
    loop {
        let line = lines.next()?.ok()?;
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => break,
            "" => event.name = ":".to_owned(),
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" => data.push(value.to_owned()),
            "retry" => {
                event.name = "retry".to_owned();
                data.push(value.to_owned());
            }
            other => panic!("{other:?} is no field of an event"),
        }
    }
    assert!(data.len() <= 1, "data is one line");
    if let Some(data) = data.first() {
        event.data = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
    }
    Some(event)
}
