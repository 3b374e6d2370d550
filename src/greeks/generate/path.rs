//! The spot path: one price, one variance factor and one skew factor a minute. Called by [`super::day`], once a session
//! in order, so that a day begins near where the last one ended.
//!
//! Volatility over the session is U-shaped (high at the open, low at midday, higher at the close; Wood, McInish and Ord
//! 1985); the variance factor reverts to its mean (Ornstein and Uhlenbeck 1930, on the logarithm) and falls when the
//! spot rises (the leverage effect, Black 1976).

use libm::{exp, sqrt};

use super::random::Draws;
use super::underlying::cents;

const SESSIONS_A_YEAR: f64 = 252.0;
/// The rest of a day's variance happens overnight.
const SHARE_OF_VARIANCE_IN_SESSION: f64 = 0.7;
/// Correlation of spot moves with moves of the variance factor.
const LEVERAGE: f64 = -0.7;
/// Standard deviation of the variance factor's logarithm in the long run.
const VARIANCE_SPREAD: f64 = 0.3;
const SKEW_SPREAD: f64 = 0.1;
/// Reversion of both factors a session: half of a shock is gone after about one.
const REVERSION: f64 = 0.7;

/// The state at one minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Rounded to the cent.
    pub spot: f64,
    /// Spot variance over its long-run mean.
    pub variance: f64,
    /// Skew over its long-run mean.
    pub skew: f64,
}

/// Walks from session to session.
#[derive(Debug)]
pub struct Walk {
    draws: Draws,
    volatility: f64,
    spot: f64,
    log_variance: f64,
    log_skew: f64,
    begun: bool,
}

impl Walk {
    /// `volatility` is annual, as a fraction; the first session opens at `spot`.
    pub fn new(mut draws: Draws, spot: f64, volatility: f64) -> Self {
        let log_variance = VARIANCE_SPREAD * draws.normal();
        let log_skew = SKEW_SPREAD * draws.normal();
        Self { draws, volatility, spot, log_variance, log_skew, begun: false }
    }

    /// One session of `session_minutes`: a moment for each, and `after` more beyond the close. The walk's own state
    /// afterwards is that at the close.
    pub fn session(&mut self, session_minutes: usize, after: usize) -> Vec<Moment> {
        let daily = self.volatility / sqrt(SESSIONS_A_YEAR);
        if self.begun {
            self.step(daily * sqrt(1.0 - SHARE_OF_VARIANCE_IN_SESSION), 0.3);
        }
        self.begun = true;
        let mean_square = (0..session_minutes).map(|minute| squared(unevenness(minute, session_minutes))).sum::<f64>();
        let unit = daily * sqrt(SHARE_OF_VARIANCE_IN_SESSION / mean_square.max(1.0));
        let share = 1.0 / session_minutes.max(1) as f64;
        let mut moments = Vec::with_capacity(session_minutes + after);
        for minute in 0..session_minutes {
            if minute > 0 {
                self.step(unit * unevenness(minute, session_minutes), share);
            }
            moments.push(self.moment());
        }
        // Quiet trading beyond the close must not change where the next session opens.
        moments.extend(std::iter::repeat_n(self.moment(), after));
        moments
    }

    fn moment(&self) -> Moment {
        Moment { spot: cents(self.spot), variance: exp(self.log_variance), skew: exp(self.log_skew) }
    }

    /// One step: `deviation` of the log return at mean variance, `share` of a session for the factors.
    fn step(&mut self, deviation: f64, share: f64) {
        let (market, own, skew) = (self.draws.normal(), self.draws.normal(), self.draws.normal());
        self.spot *= exp(deviation * exp(0.5 * self.log_variance) * market);
        let kick = LEVERAGE * market + sqrt(1.0 - squared(LEVERAGE)) * own;
        let noise = sqrt(2.0 * REVERSION * share);
        self.log_variance += -REVERSION * share * self.log_variance + VARIANCE_SPREAD * noise * kick;
        self.log_skew += -REVERSION * share * self.log_skew + SKEW_SPREAD * noise * skew;
    }
}

/// Volatility at a minute relative to midday: 2.2 at the open, 1 in the middle, 1.7 at the close.
fn unevenness(minute: usize, session_minutes: usize) -> f64 {
    let place = 2.0 * (minute as f64 + 0.5) / session_minutes as f64 - 1.0;
    1.0 + squared(place) * if place < 0.0 { 1.2 } else { 0.7 }
}

fn squared(x: f64) -> f64 {
    x * x
}

#[cfg(test)]
mod tests {
    use super::super::random::RunKey;
    use super::*;

    #[test]
    fn volatility_is_u_shaped_and_of_the_asked_size() {
        let mut walk = Walk::new(RunKey::new(1, "SPY", "2025-01-15").stream("path"), 588.0, 0.16);
        let (mut open, mut midday, mut close, mut day) = (0.0, 0.0, 0.0, 0.0);
        let sessions = 400;
        for _ in 0..sessions {
            let moments = walk.session(390, 6);
            let square = |at: usize| squared(libm::log(moments[at + 1].spot / moments[at].spot));
            open += (0..30).map(square).sum::<f64>();
            midday += (180..210).map(square).sum::<f64>();
            close += (359..389).map(square).sum::<f64>();
            day += (0..389).map(square).sum::<f64>();
        }
        assert!(open > 2.0 * midday && close > 1.5 * midday && open > close, "{open} {midday} {close}");
        // 16 % a year is 1.008 % a session; 70 % of its variance falls into the session. The factor is lognormal,
        // so its mean exceeds 1 by exp(0.3²/2) = 1.046.
        let expected = 0.16 * 0.16 / 252.0 * 0.7 * 1.046;
        let ratio = day / f64::from(sessions) / expected;
        assert!((0.85..1.15).contains(&ratio), "{ratio}");
    }
}
