//! One session, ready to be written: its minutes, expirations, strikes, open interest and the path through it. Called by
//! [`super::write`] and [`super::defects`]; the exposures of any row are a pure function of this.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::expirations::listed;
use super::interest::{Interest, Kind, Setting, open_interest};
use super::path::{Moment, Walk};
use super::random::RunKey;
use super::surface::Smile;
use super::underlying::{RATE, Underlying, strikes};
use crate::Result;
use crate::greeks::bsm::{self, Inputs};
use crate::market::{Instrument, Session, TradingDate};

/// Minutes after the close for which rows can be made.
pub const MINUTES_AFTER_CLOSE: usize = 6;
/// Greeks grow without bound as time runs out; below half an hour the time to expiry stands still.
const LEAST_SECONDS_TO_EXPIRY: f64 = 1_800.0;
const SECONDS_A_YEAR: f64 = 365.0 * 86_400.0;

/// One expiration as it stands on one session.
#[derive(Debug)]
pub struct Expiration {
    pub date: NaiveDate,
    expires_at: DateTime<Utc>,
    interest: Interest,
    /// How rich its volatility is relative to the surface.
    bump: f64,
}

/// One strike, in the forms that are needed often.
#[derive(Debug)]
pub struct Strike {
    pub price: f64,
    /// As JSON spells it: `580.0`.
    pub text: String,
    log: f64,
}

/// Dealers' exposures at one strike, whole US dollars, in the order of [`GREEKS`].
pub type Exposures = [i64; 3];

/// What each exposure is: per 1 % move of the spot, per volatility point, per calendar day.
pub const GREEKS: [&str; 3] = ["gamma", "vanna", "charm"];

/// One session of the run.
#[derive(Debug)]
pub struct Day {
    pub symbol: String,
    pub zone: Tz,
    pub session: Session,
    /// Minutes that are generated, from the open on; at most the session's.
    pub minutes: usize,
    pub expirations: Vec<Expiration>,
    pub strikes: Vec<Strike>,
    moments: Vec<Moment>,
    underlying: Underlying,
    multiplier: f64,
}

/// How many of each the run wants.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub expirations: usize,
    pub strikes: usize,
    /// `None` is the whole session.
    pub minutes: Option<usize>,
}

impl Day {
    /// The next session of `walk`.
    ///
    /// # Errors
    /// Invalid when the instrument's calendar does not hold enough expirations.
    pub fn open(
        instrument: &Instrument,
        session: Session,
        extent: Extent,
        underlying: &Underlying,
        walk: &mut Walk,
        run: &RunKey,
    ) -> Result<Self> {
        let moments = walk.session(session.minutes() as usize, MINUTES_AFTER_CLOSE);
        let spot = moments[0].spot;
        let session_of = |date: NaiveDate| instrument.session(TradingDate::from(date));
        let date = session.date.naive();
        let listed = listed(date, extent.expirations, underlying.expires_daily, &|date| session_of(date).is_some())?;
        let (prices, spacing) = strikes(spot, extent.strikes);
        let expiration = |(expiry, kind): (NaiveDate, Kind)| {
            let setting = Setting {
                kind,
                days: (expiry - date).num_days() as f64,
                spot,
                volatility: underlying.volatility,
                contracts: underlying.contracts,
                spacing,
            };
            let interest = open_interest(&setting, &prices, run.stream(&format!("interest {expiry}")));
            let bump = 1.0 + 0.015 * run.stream(&format!("bump {expiry}")).normal().clamp(-2.0, 2.0);
            let expires_at = session_of(expiry).map_or(session.close, |session| session.close);
            Expiration { date: expiry, expires_at, interest, bump }
        };
        let expirations = listed.into_iter().map(expiration).collect();
        let strikes =
            prices.iter().map(|&price| Strike { price, text: format!("{price:?}"), log: libm::log(price) }).collect();
        let whole = session.minutes() as usize;
        Ok(Self {
            symbol: instrument.symbol.to_string(),
            zone: instrument.time_zone,
            session,
            minutes: extent.minutes.map_or(whole, |minutes| minutes.min(whole)),
            expirations,
            strikes,
            moments,
            underlying: underlying.clone(),
            multiplier: instrument.option_multiplier,
        })
    }

    /// The instant at which a minute begins; minutes from the session's length on lie after the close.
    pub fn instant(&self, minute: usize) -> DateTime<Utc> {
        self.session.open + TimeDelta::minutes(i64::try_from(minute).unwrap_or(i64::MAX / 60_000))
    }

    /// Spot at a minute, rounded to the cent.
    pub fn spot(&self, minute: usize) -> f64 {
        self.moments[minute].spot
    }

    /// Exposures at every strike of `expiration` in `minute`, ascending by strike, put into `rows`.
    pub fn exposures(&self, minute: usize, expiration: usize, rows: &mut Vec<Exposures>) {
        rows.clear();
        let expiration = &self.expirations[expiration];
        let smile = self.smile(minute, expiration);
        for (index, strike) in self.strikes.iter().enumerate() {
            let inputs = self.inputs(minute, expiration, &smile, strike);
            let (calls, puts) = (expiration.interest.calls[index], expiration.interest.puts[index]);
            rows.push(dealer_dollars(&inputs, calls, puts, self.multiplier));
        }
    }

    fn years(&self, minute: usize, expiration: &Expiration) -> f64 {
        let seconds = (expiration.expires_at - self.instant(minute)).num_seconds() as f64;
        seconds.max(LEAST_SECONDS_TO_EXPIRY) / SECONDS_A_YEAR
    }

    fn smile(&self, minute: usize, expiration: &Expiration) -> Smile {
        let Underlying { volatility, dividend_yield, .. } = self.underlying;
        let years = self.years(minute, expiration);
        Smile::new(&self.moments[minute], volatility, dividend_yield, years, expiration.bump)
    }

    fn inputs(&self, minute: usize, expiration: &Expiration, smile: &Smile, strike: &Strike) -> Inputs {
        Inputs {
            spot: self.spot(minute),
            strike: strike.price,
            years: self.years(minute, expiration),
            volatility: smile.volatility(strike.log),
            rate: RATE,
            dividend_yield: self.underlying.dividend_yield,
        }
    }

    /// What one row was made from: model inputs, open calls, open puts, multiplier.
    #[cfg(test)]
    pub fn ingredients(&self, minute: usize, expiration: usize, strike: usize) -> (Inputs, f64, f64, f64) {
        let of = &self.expirations[expiration];
        let inputs = self.inputs(minute, of, &self.smile(minute, of), &self.strikes[strike]);
        (inputs, of.interest.calls[strike], of.interest.puts[strike], self.multiplier)
    }
}

/// Dealers are long calls and short puts. Gamma: Γ·contracts·multiplier·S²·0.01. Vanna: ∂Δ/∂σ·contracts·multiplier·S·0.01.
/// Charm: ∂Δ/∂t / 365·contracts·multiplier·S. Whole dollars, rounded half to even.
pub fn dealer_dollars(inputs: &Inputs, calls: f64, puts: f64, multiplier: f64) -> Exposures {
    let (call, put) = bsm::call_and_put(inputs);
    let spot = inputs.spot;
    let gamma = (calls * call.gamma - puts * put.gamma) * multiplier * spot * spot * 0.01;
    let vanna = (calls * call.vanna - puts * put.vanna) * multiplier * spot * 0.01;
    let charm = (calls * call.charm - puts * put.charm) / 365.0 * multiplier * spot;
    [gamma, vanna, charm].map(|dollars| dollars.round_ties_even() as i64)
}
