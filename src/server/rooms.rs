//! Every room of the house, one line each in each list: its datasets, its compaction. Whoever works for all rooms (the routes
//! of every dataset, `compact`, `verify`, `status`) goes through these lists; a new room is added here.

use std::sync::{Arc, LazyLock};

use crate::bars;
use crate::greeks;
use crate::lake::compact::{CompactOptions, Compactor, Recipe, YearStep};
use crate::lake::dataset::Dataset;
use crate::lake::store::Store;
use crate::lake::verify::{self, Claim, Tenant};
use crate::market::{Instruments, SharedClock};

/// What a room keeps in the lake.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub name: &'static str,
    pub datasets: &'static [&'static Dataset],
    /// Its datasets of captures, those among them that nothing is made from day by day.
    pub captures: &'static [&'static str],
    /// The calculation that compaction would use today.
    pub calculation: &'static str,
}

/// Every room that keeps something.
pub static ROOMS: [Room; 2] = [
    Room {
        name: "greeks",
        datasets: &greeks::DATASETS,
        captures: &[greeks::record::GREEKS, greeks::record::CHAINS],
        calculation: greeks::record::CALCULATION,
    },
    Room {
        name: "bars",
        datasets: &bars::DATASETS,
        captures: &[bars::record::BARS],
        calculation: bars::record::CALCULATION,
    },
];

/// Every dataset of the lake.
pub static DATASETS: LazyLock<Vec<&'static Dataset>> =
    LazyLock::new(|| ROOMS.iter().flat_map(|room| room.datasets).copied().collect());

/// What `pitlake compact` knows, in the order in which it is done.
pub static COMPACTED: [Compacted; 2] = [
    Compacted {
        name: "greeks",
        about: "Strike level, minute sums and day statistics, from greeks and chains",
        recipe: || Arc::new(greeks::compact::Greeks),
        then: Vec::new,
    },
    Compacted {
        name: "bars",
        about: "Price bars of all sessions of a date",
        recipe: || Arc::new(bars::compact::Bars),
        then: Vec::new,
    },
];

/// A room's captures, and what is made of them.
#[derive(Debug, Clone, Copy)]
pub struct Compacted {
    /// As `pitlake compact` and `pitlake ingest` call it.
    pub name: &'static str,
    /// What is made, in one line.
    pub about: &'static str,
    pub recipe: fn() -> Arc<dyn Recipe>,
    /// What other rooms make of a year's days, in order.
    pub then: fn() -> Vec<Arc<dyn YearStep>>,
}

impl Compacted {
    /// What compacts these captures in that lake.
    pub fn compactor(
        &self,
        store: &Store,
        instruments: &Arc<Instruments>,
        clock: &SharedClock,
        options: CompactOptions,
    ) -> Compactor {
        let (store, instruments, clock) = (store.clone(), Arc::clone(instruments), Arc::clone(clock));
        (self.then)()
            .into_iter()
            .fold(Compactor::new((self.recipe)(), store, instruments, clock, options), Compactor::then)
    }
}

/// What `pitlake verify` knows: each room's checks, and what makes its days and years again.
pub fn tenants(store: &Store, instruments: &Arc<Instruments>, clock: &SharedClock) -> Vec<Tenant> {
    let tenant = |room: &Room, compacted: &Compacted, checks: Arc<dyn verify::Room>| {
        let compactor = compacted.compactor(store, instruments, clock, CompactOptions::default());
        let claim = Claim { datasets: room.datasets, sources: compactor.recipe.sources() };
        Tenant { name: room.name, claim, checks, remake: Arc::new(compactor) }
    };
    let table = || Arc::clone(instruments);
    let ([greeks, bars], [of_greeks, of_bars]) = (&ROOMS, &COMPACTED);
    vec![
        tenant(greeks, of_greeks, Arc::new(greeks::verify::GreeksRoom { instruments: table() })),
        tenant(bars, of_bars, Arc::new(bars::verify::BarsRoom { instruments: table() })),
    ]
}
