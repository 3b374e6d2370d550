//! One watcher per symbol: looks at its newest day again and again and tells all listeners when it was republished. Started by
//! [`super::Live`], stopped when the last of its listeners drops it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::LiveOptions;
use super::view::View;
use crate::greeks::pair::{self, Pair};
use crate::greeks::record::GREEKS;
use crate::http::context::Context;
use crate::http::problem::Problem;
use crate::http::stored::no_day_at_all;
use crate::lake::cache::Freshness;
use crate::lake::manifest::Condition;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// Looks that may fail one after the other before listeners are told: one may meet a publication half way.
const FAILURES_FORGIVEN: u32 = 3;
/// Between looks that nothing was learnt from yet.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What is known of the newest day.
#[derive(Clone, Default)]
pub struct State {
    /// The newest day that is stored, as last seen.
    pub view: Option<Arc<View>>,
    /// Why it may be out of date: the lake cannot be read.
    pub trouble: Option<Arc<Problem>>,
    /// Set by the first look that found something out, or by the last that is forgiven.
    pub looked: bool,
}

pub struct Watcher {
    states: watch::Receiver<State>,
    instrument: Arc<Instrument>,
    _stop: DropGuard,
}

impl Watcher {
    pub fn start(context: Context, instrument: Arc<Instrument>, options: LiveOptions) -> Self {
        let (told, states) = watch::channel(State::default());
        let stop = CancellationToken::new();
        let looking = look_on(context, Arc::clone(&instrument), options, told);
        tokio::spawn(stop.clone().run_until_cancelled_owned(looking));
        Self { states, instrument, _stop: stop.drop_guard() }
    }

    pub fn states(&self) -> watch::Receiver<State> {
        self.states.clone()
    }

    /// Waits for the first look.
    ///
    /// # Errors
    /// What it failed with; 404 when nothing is stored.
    pub async fn first_look(&self) -> Result<(), Problem> {
        let mut states = self.states();
        let state = states.wait_for(|state| state.looked).await.map(|state| state.clone());
        match state {
            Ok(State { view: Some(_), .. }) => Ok(()),
            Ok(State { trouble: Some(trouble), .. }) => Err((*trouble).clone()),
            Ok(_) => Err(no_day_at_all((GREEKS, GREEKS), &self.instrument)),
            Err(_) => Err(Error::internal("the watcher of a symbol stopped").into()),
        }
    }
}

async fn look_on(context: Context, instrument: Arc<Instrument>, options: LiveOptions, told: watch::Sender<State>) {
    let mut failures = 0;
    loop {
        let before = told.borrow().view.clone();
        match look(&context, &instrument, before.as_ref()).await {
            Ok(view) => {
                failures = 0;
                told.send_if_modified(|state| {
                    let same = match (&state.view, &view) {
                        (Some(known), Some(view)) => Arc::ptr_eq(known, view),
                        (None, None) => true,
                        _ => false,
                    };
                    let changed = !same || state.trouble.is_some() || !state.looked;
                    *state = State { view, trouble: None, looked: true };
                    changed
                });
            }
            Err(error) => {
                failures += 1;
                told.send_if_modified(|state| {
                    let tell = failures >= FAILURES_FORGIVEN && state.trouble.is_none();
                    if tell {
                        tracing::warn!(symbol = %instrument.symbol, %error, "the newest day cannot be looked at");
                        state.trouble = Some(Arc::new(error.into()));
                        state.looked = true;
                    }
                    tell
                });
            }
        }
        let pause = pause(&context, &instrument, &options, &told.borrow());
        // Somebody waits for the first answer.
        let pause = if told.borrow().looked { pause } else { pause.min(FIRST_PAUSE) };
        tokio::time::sleep(pause).await;
    }
}

fn pause(context: &Context, instrument: &Instrument, options: &LiveOptions, state: &State) -> Duration {
    let now = context.clock.now();
    let trading = instrument.session(instrument.trading_date_of(now)).is_some_and(|session| session.contains(now));
    let done = state.trouble.is_none() && state.view.as_ref().is_some_and(|view| view.is_final());
    if done && !trading { options.poll_closed } else { options.poll }
}

/// The newest day, the same view again when it was not republished.
async fn look(context: &Context, instrument: &Instrument, before: Option<&Arc<View>>) -> Result<Option<Arc<View>>> {
    let today = instrument.trading_date_of(context.clock.now());
    let newest = context.indexes.newest_day(GREEKS, &instrument.symbol, today).await?;
    let begun = instrument.session(today).is_some_and(|session| session.open <= context.clock.now());
    // A day's partition is there a moment before the year's index names it.
    let ahead = (begun && newest.is_none_or(|newest| newest < today)).then_some(today);
    for date in ahead.into_iter().chain(newest) {
        let pending = before.is_some_and(|view| view.date == date && view.head().condition == Condition::Pending);
        // A session that has closed is awaited: its final publication may come any minute.
        let freshness =
            if pending || ahead == Some(date) { Freshness::Open } else { context.freshness(instrument, date) };
        match open(context, instrument, date, freshness).await {
            Ok(pair) => {
                if let Some(view) = before.filter(|view| view.is_of(date, &pair)) {
                    return Ok(Some(Arc::clone(view)));
                }
                return view(context, date, pair).await.map(|view| Some(Arc::new(view)));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Both files of a day, once: whoever finds a publication half way comes back later.
pub async fn open(context: &Context, instrument: &Instrument, date: TradingDate, freshness: Freshness) -> Result<Pair> {
    pair::open(&context.partitions, &context.cache, (&instrument.symbol, date), freshness, 1).await
}

/// The day of these files; damage is told to the cache, so that the next look gets new copies.
pub async fn view(context: &Context, date: TradingDate, pair: Pair) -> Result<View> {
    let minutes = Arc::clone(pair.minutes.file());
    let view = View::of(date, pair, context.partitions.row_groups()).await;
    view.inspect_err(|error| {
        if error.kind() == ErrorKind::Corrupt {
            context.cache.distrust(&minutes);
        }
    })
}
