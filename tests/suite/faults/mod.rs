//! A store that refuses, delays, tears and lies, by seed: no reader of ours ever sees a mixture or a part, and when the storm is
//! over everything is as if there had been none. `PITLAKE_FAULT_SEEDS=10000` runs more schedules than the suite does,
//! `PITLAKE_FAULT_SEED=1234` repeats one.

mod readers;
mod schedule;
mod store;
mod story;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use schedule::{Told, run};

/// Schedules in the suite.
const SEEDS: u64 = 500;
/// Threads that run schedules; each has one of its own at a time.
const THREADS: usize = 2;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn no_storm_shows_a_mixture_or_leaves_a_trace() {
    if let Some(seed) = from_environment("PITLAKE_FAULT_SEED") {
        println!("{:?}", run(seed, true).unwrap_or_else(|broken| panic!("{broken}")));
        return;
    }
    let seeds = from_environment("PITLAKE_FAULT_SEEDS").unwrap_or(SEEDS);
    let (next, sum, broken) = (AtomicU64::new(0), Mutex::new(Told::default()), Mutex::new(Vec::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || broken.lock().len() > 4 {
                        return;
                    }
                    match run(seed, true) {
                        Ok(told) => {
                            let mut sum = sum.lock();
                            sum.faults += told.faults;
                            sum.judged += told.judged;
                            sum.errors += told.errors;
                        }
                        Err(what) => broken.lock().push(what),
                    }
                }
            });
        }
    });
    let (sum, broken) = (sum.into_inner(), broken.into_inner());
    println!("{seeds} schedules in {:?}: {sum:?}", began.elapsed());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    // A storm that nobody noticed, or readers who saw nothing, would prove nothing.
    assert!(sum.faults as u64 > 10 * seeds && u64::from(sum.judged) > 10 * seeds && sum.errors > 0, "{sum:?}");
}

/// Two publishers in a row died between file and record, or were overtaken there: readers had been told of both files as the
/// same next revision.
#[test]
fn no_two_files_go_by_one_revision() {
    for seed in [9, 31, 46] {
        run(seed, true).unwrap_or_else(|broken| panic!("{broken}"));
    }
}
