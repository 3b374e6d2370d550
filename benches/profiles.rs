//! What a year of profiles costs: 252 trading dates of NQ in one-minute bars, 23 hours each, to the profile of every session;
//! `cargo bench --bench profiles`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pitlake::bars::Bar;
use pitlake::market::{Instrument, Instruments, Session, SessionKind, Ticks, TradingDate};
use pitlake::profile::{Question, Settings, Shape, profile};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DATES: usize = 252;

struct Day {
    date: TradingDate,
    bars: Vec<Bar>,
}

/// A walk that starts at 21,375 and moves some 300 points in a day.
fn year(instrument: &Instrument) -> Vec<Day> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut date: TradingDate = "2025-01-02".parse().expect("a date");
    let mut price = 85_500_i64;
    let mut days = Vec::new();
    while days.len() < DATES {
        if let Some(session) = instrument.session_of_kind(date, SessionKind::Full) {
            let bars = walk(session, &mut price, &mut random);
            days.push(Day { date, bars });
        }
        date = date.next_day();
    }
    days
}

fn walk(session: Session, price: &mut i64, random: &mut ChaCha8Rng) -> Vec<Bar> {
    let opening = session.open.timestamp() / 60;
    let bar = |at: u32| {
        let open = *price;
        let close = open + random.random_range(-30..=30_i64);
        *price = close;
        let reach = random.random_range(0..20_i64);
        Bar {
            start_minute: opening + i64::from(at),
            minutes: 1,
            open: Ticks(open),
            high: Ticks(open.max(close) + reach),
            low: Ticks(open.min(close) - reach),
            close: Ticks(close),
            volume: f64::from(random.random_range(0..2000_u32)),
        }
    };
    (0..session.minutes()).map(bar).collect()
}

fn measure(criterion: &mut Criterion) {
    let instruments = Instruments::builtin();
    let instrument = instruments.resolve("NQ").expect("NQ is built in");
    let settings = Settings::default();
    let shape = Shape::of(instrument, &settings);
    let days = year(instrument);
    let sessions = |kinds: &[SessionKind]| {
        let mut tpos = 0_u64;
        for day in &days {
            for &kind in kinds {
                let Some(session) = instrument.session_of_kind(day.date, kind) else { continue };
                let question = Question { instrument, session, shape, settings: &settings, until: None };
                let made = profile(&question, &day.bars).expect("good bars");
                tpos += made.map_or(0, |made| u64::from(made.tpo_counts.total));
            }
        }
        tpos
    };
    let mut group = criterion.benchmark_group("a year of NQ");
    group.throughput(Throughput::Elements(DATES as u64));
    group.bench_function("full sessions", |bencher| bencher.iter(|| black_box(sessions(&[SessionKind::Full]))));
    group.bench_function("every session", |bencher| bencher.iter(|| black_box(sessions(&SessionKind::ALL))));
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
