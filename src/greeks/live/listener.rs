//! One client that listens: what it has been sent, and what to send next when the newest day was republished. Runs as a task of
//! its own, started by [`super::Live`]; ends when the client goes away, is too slow, or the server stops.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::LiveOptions;
use super::event;
use super::question::Question;
use super::view::View;
use super::watch::{self, State, Watcher};
use crate::greeks::record::GREEKS;
use crate::http::context::Context;
use crate::http::problem::Problem;
use crate::lake::cache::Freshness;
use crate::lake::manifest::Condition;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind};

/// Days before the newest one whose minutes are still sent to a client that resumes.
const DAYS_BACK: usize = 2;
/// Calendar days that are looked through for them.
const LOOKED_THROUGH_DAYS: i64 = 14;
/// Looks at a day that is being republished, a moment apart.
const ATTEMPTS: u32 = 5;
const MOMENT: Duration = Duration::from_millis(200);

/// Why a stream ends.
enum End {
    /// Nobody is there to be told.
    Gone,
    Bye(String),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a live stream broke off");
        End::Bye(Problem::from(error).detail().to_owned())
    }
}

/// How far a client is.
struct Sent {
    date: TradingDate,
    /// Minutes after this one are new to the client.
    after: i64,
    /// Minutes of this day from here on were sent, or are held already by a client that resumed.
    since: i64,
    /// What the client was last brought up to date with.
    view: Option<Arc<View>>,
    closed: Option<(u32, Condition)>,
}

pub struct Listener {
    context: Context,
    instrument: Arc<Instrument>,
    question: Question,
    resumes: Option<DateTime<Utc>>,
    watcher: Arc<Watcher>,
    events: mpsc::Sender<Event>,
    patience: Duration,
    sent: Option<Sent>,
    stalled: bool,
}

impl Listener {
    pub fn new(
        context: Context,
        instrument: Arc<Instrument>,
        question: Question,
        resumes: Option<DateTime<Utc>>,
        watcher: Arc<Watcher>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let patience = Duration::ZERO;
        Self { context, instrument, question, resumes, watcher, events, patience, sent: None, stalled: false }
    }

    /// Sends until the end.
    pub async fn run(mut self, options: LiveOptions, closing: CancellationToken) {
        self.patience = options.patience;
        let events = self.events.clone();
        let symbol = self.instrument.symbol.clone();
        let end = tokio::select! {
            end = self.listen() => end,
            () = closing.cancelled() => End::Bye("the server is stopping; come back with the last id".to_owned()),
            () = tokio::time::sleep(options.longest) => {
                End::Bye("a stream ends after a while, so that keys are looked at again; come back with the last id".to_owned())
            }
        };
        if let End::Bye(why) = end {
            // A client that takes nothing any more need not be told.
            let _ = events.try_send(event::bye(&symbol, &why));
        }
    }

    async fn listen(&mut self) -> End {
        let mut states = self.watcher.states();
        loop {
            let state = states.borrow_and_update().clone();
            if let Err(end) = self.follow(state).await {
                return end;
            }
            tokio::select! {
                changed = states.changed() => {
                    if changed.is_err() {
                        return Error::internal("the watcher of a symbol stopped").into();
                    }
                }
                () = self.events.closed() => return End::Gone,
            }
        }
    }

    async fn follow(&mut self, state: State) -> Result<(), End> {
        match (&state.trouble, self.stalled) {
            (Some(trouble), false) => {
                self.stalled = true;
                self.send(event::stalled(&self.instrument.symbol, trouble)).await?;
            }
            (None, true) => {
                self.stalled = false;
                self.send(event::recovered(&self.instrument.symbol)).await?;
            }
            _ => {}
        }
        let Some(view) = state.view else { return Ok(()) };
        if self.sent.is_none() {
            self.begin(&view).await?;
        }
        match self.sent.as_ref().map(|sent| sent.date) {
            Some(date) if date < view.date => self.cross(date, &view).await,
            Some(date) if date == view.date => self.day(&view).await,
            // The client has been told of a later day than is stored: it waits for that one.
            _ => Ok(()),
        }
    }

    /// Where a client starts: at the last minute, or after the one it has.
    async fn begin(&mut self, view: &Arc<View>) -> Result<(), End> {
        let Some(after) = self.resumes.take() else {
            self.sent = Some(Self::at_the_last_minute(view));
            return Ok(());
        };
        self.send(event::resumed(&self.instrument.symbol, after)).await?;
        self.sent = Some(Sent {
            date: self.instrument.trading_date_of(after),
            after: after.timestamp_micros(),
            since: i64::MIN,
            view: None,
            closed: None,
        });
        Ok(())
    }

    fn at_the_last_minute(view: &View) -> Sent {
        let last = view.last_minute().unwrap_or(i64::MIN + 1);
        Sent { date: view.date, after: last - 1, since: last, view: None, closed: None }
    }

    /// From an earlier day to `newest`: first what is left of the days between.
    async fn cross(&mut self, from: TradingDate, newest: &Arc<View>) -> Result<(), End> {
        let symbol = self.instrument.symbol.clone();
        let Some(between) = self.days_between(from, newest.date).await? else {
            let after = self.sent.as_ref().and_then(|sent| DateTime::from_timestamp_micros(sent.after));
            self.sent = Some(Self::at_the_last_minute(newest));
            self.send(event::reset(&symbol, after.unwrap_or_default(), newest.last_minute())).await?;
            return self.day(newest).await;
        };
        for (date, stored) in between {
            self.enter(date);
            if !stored {
                self.send(event::missing(&symbol, date)).await?;
                continue;
            }
            let view = self.stored(date).await?;
            self.day(&view).await?;
        }
        self.enter(newest.date);
        self.day(newest).await
    }

    /// All of `date` is new to the client, unless it is there already.
    fn enter(&mut self, date: TradingDate) {
        if let Some(sent) = self.sent.as_mut().filter(|sent| sent.date < date) {
            *sent = Sent { date, after: sent.after, since: i64::MIN, view: None, closed: None };
        }
    }

    /// Dates from `from` on, `until` excluded, that have a session or are stored; `None` when that is too much to send.
    async fn days_between(
        &self,
        from: TradingDate,
        until: TradingDate,
    ) -> Result<Option<Vec<(TradingDate, bool)>>, End> {
        if (until.naive() - from.naive()).num_days() > LOOKED_THROUGH_DAYS {
            return Ok(None);
        }
        let mut days = Vec::new();
        let mut date = from;
        let mut index = None;
        while date < until {
            if index.as_ref().is_none_or(|(year, _)| *year != date.year()) {
                let symbol = &self.instrument.symbol;
                let read = self.context.indexes.year(GREEKS, symbol, date.year(), Freshness::Open).await?;
                index = Some((date.year(), read));
            }
            let stored = matches!(&index, Some((_, Some(index))) if index.day(date).is_some());
            if stored || self.instrument.session(date).is_some() {
                days.push((date, stored));
            }
            date = date.next_day();
        }
        let stored = days.iter().filter(|(_, stored)| *stored).count();
        Ok((stored <= DAYS_BACK).then_some(days))
    }

    async fn stored(&self, date: TradingDate) -> Result<Arc<View>, End> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let freshness = self.context.freshness(&self.instrument, date);
            match watch::open(&self.context, &self.instrument, date, freshness).await {
                Ok(pair) => return Ok(Arc::new(watch::view(&self.context, date, pair).await?)),
                Err(error) if error.kind() == ErrorKind::Unavailable && attempt < ATTEMPTS => {
                    tokio::time::sleep(MOMENT).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Brings the client up to date with one day: corrections first, then new minutes, then that it closed.
    async fn day(&mut self, view: &Arc<View>) -> Result<(), End> {
        let Some(sent) = self.sent.take() else { return Ok(()) };
        let Sent { date, after, since, view: before, closed } = sent;
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, view)) {
            for minute in self.changed(&before, view, since, after).await? {
                let (was, is) = (self.rows(&before, minute).await?, self.rows(view, minute).await?);
                if was != is {
                    let grain = self.question.grain;
                    self.send(event::correction(&self.instrument, view, grain, minute, &is)).await?;
                }
            }
        }
        let mut after = after;
        for minute in view.minutes_in(after.saturating_add(1)..) {
            let rows = self.rows(view, minute).await?;
            self.send(event::minute(&self.instrument, view, self.question.grain, minute, &rows)).await?;
            after = minute;
        }
        let mark = view.is_final().then(|| (view.head().revision, view.head().condition));
        if mark.is_some() && mark != closed {
            self.send(event::closed(&self.instrument, view)).await?;
        }
        self.sent = Some(Sent { date, after, since, view: Some(Arc::clone(view)), closed: mark.or(closed) });
        Ok(())
    }

    /// Minutes in `since..=after` that may read otherwise in `view` than they did `before`.
    async fn changed(&self, before: &View, view: &View, since: i64, after: i64) -> Result<Vec<i64>, End> {
        let both = before.minutes_in(since..=after).into_iter().chain(view.minutes_in(since..=after));
        let both: BTreeSet<i64> = both.collect();
        if self.question.from_sums() {
            return Ok(both.into_iter().filter(|minute| before.sums(*minute) != view.sums(*minute)).collect());
        }
        let groups = self.context.partitions.row_groups();
        let (was, is) = (before.fingerprints(groups).await?, view.fingerprints(groups).await?);
        let differs = |minute: &i64| was.get(minute) != is.get(minute) || before.sums(*minute) != view.sums(*minute);
        Ok(both.into_iter().filter(differs).collect())
    }

    async fn rows(&self, view: &View, minute: i64) -> Result<String, End> {
        let rows = self.question.rows(view, minute, self.context.partitions.row_groups()).await;
        Ok(rows.inspect_err(|error| {
            if error.kind() == ErrorKind::Corrupt {
                self.context.cache.distrust(view.pair.day.file());
            }
        })?)
    }

    /// Hands an event to the socket; waits while the client reads, but not for ever.
    async fn send(&self, event: Event) -> Result<(), End> {
        match self.events.send_timeout(event, self.patience).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::Gone),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                tracing::info!(symbol = %self.instrument.symbol, "a listener that does not read was let go");
                Err(End::Gone)
            }
        }
    }
}
