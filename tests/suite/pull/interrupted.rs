//! Cut off, killed, overtaken: in the end every file is right, and what had arrived is not moved again.

use rand::{RngExt, SeedableRng};

use super::world::World;
use crate::pitlake_binary::{Lake, Ran, on_every_store};
use crate::s3_server::Fault;

on_every_store!(
    killed_anywhere_it_ends_with_every_file_right,
    what_had_arrived_is_not_moved_again,
    a_revision_that_comes_between_is_brought,
);

fn killed(world: &World, bytes: u64) -> bool {
    world.dam.hold_after(bytes);
    let mut child = world.spawn(&["--parallel", "2"]);
    let held = world.dam.holds(&mut child);
    child.kill().expect("killed");
    Ran::of(child);
    world.dam.open();
    held
}

/// Every instant is a number of bytes drawn from a seed, so that each run is cut at the same places.
fn killed_anywhere_it_ends_with_every_file_right(lake: &Lake) {
    let size: usize = World::over(lake.another()).stored(&["greeks"]).values().map(bytes::Bytes::len).sum();
    for seed in 0..3 {
        let world = World::over(lake.another());
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut cut_short = 0;
        for _ in 0..8 {
            cut_short += u32::from(killed(&world, random.random_range(1..size as u64 / 3)));
        }
        assert!(cut_short >= 3, "seed {seed}: cut short {cut_short} times");
        let ran = world.pull(&[]).ends(0).json();
        assert_eq!((&ran["files"], &ran["failed"]), (&5.into(), &0.into()), "seed {seed}");
        world.holds(&["greeks"]);
        assert_eq!(world.pull(&["--verify"]).ends(0).json()["downloaded"], 0, "seed {seed}");
    }
}

fn what_had_arrived_is_not_moved_again(lake: &Lake) {
    let world = World::over(lake.another());
    let size: usize = world.stored(&["greeks"]).values().map(bytes::Bytes::len).sum();
    // The server's own reading of its indexes passes the dam too; afterwards it has them in memory.
    world.pull(&["--start", "2025-01-18", "--end", "2025-01-19"]).ends(0);
    world.dam.hold_after(size as u64 / 2);
    let mut child = world.spawn(&["--parallel", "1"]);
    assert!(world.dam.holds(&mut child));
    // Whatever passed the dam reaches the disk before the kill: nothing else can happen any more.
    let partial = || {
        let found = super::files(&world.to());
        found.into_values().map(|bytes| bytes.len()).sum::<usize>()
    };
    let began = std::time::Instant::now();
    while partial() < size / 3 {
        assert!(began.elapsed().as_secs() < 120, "{} of {size} bytes arrived", partial());
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    Ran::of(child);
    let arrived = partial();
    world.dam.open();
    let ran = world.pull(&["--parallel", "1"]).ends(0).json();
    assert_eq!(ran["bytes"], size - arrived, "{arrived} of {size} bytes had arrived");
    world.holds(&["greeks"]);
}

/// The list was made, then all days were corrected: what comes is not what was listed, and is asked for anew.
fn a_revision_that_comes_between_is_brought(lake: &Lake) {
    let world = World::over(lake.another());
    world.pull(&["--start", "2025-01-18", "--end", "2025-01-19"]).ends(0);
    let size: usize = world.stored(&["greeks"]).values().map(bytes::Bytes::len).sum();
    world.dam.hold_after(size as u64 / 2);
    let mut child = world.spawn(&["--parallel", "1"]);
    assert!(world.dam.holds(&mut child));
    world.correct();
    world.dam.open();
    let ran = Ran::of(child).ends(0);
    assert_eq!(ran.json()["downloaded"], 5, "{}", ran.stderr);
    assert!(ran.json_lines().iter().any(|line| line["revision"] == 2), "{}", ran.stdout);
    // Those that had come before the correction are of the first revision, whole; the next run brings them up to date.
    let fresh = crate::server::Server::over(&world.lake);
    let mut again = super::world::pull(&fresh.url, &world.to());
    let again = again.args(["--dataset", "greeks", "--symbol", "SPY", "--json"]).spawn().expect("the program starts");
    Ran::of(again).ends(0);
    world.holds(&["greeks"]);
}

#[test]
fn torn_and_refused_downloads_are_continued() {
    let world = World::over(Lake::in_bucket());
    let s3 = world.lake.server().expect("a bucket");
    // Each file is cut in the middle twice, and refused in between.
    for day in super::DAYS {
        let key = format!("greeks/symbol=SPY/date={day}/part-0.parquet");
        s3.fail_next("GetObject", &key, Fault::TornBody, 1);
        s3.fail_next("GetObject", &key, Fault::SlowDown, 1);
        s3.fail_next("GetObject", &key, Fault::TornBody, 1);
        s3.fail_next("GetObject", &key, Fault::InternalError, 1);
    }
    let ran = world.pull(&[]).ends(0).json();
    let size: usize = world.stored(&["greeks"]).values().map(bytes::Bytes::len).sum();
    assert_eq!((&ran["downloaded"], &ran["bytes"]), (&5.into(), &size.into()), "no byte came twice");
    world.holds(&["greeks"]);
}
