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

/// Every dataset of the lake.
pub static DATASETS: LazyLock<Vec<&'static Dataset>> =
    LazyLock::new(|| [&greeks::DATASETS[..], &bars::DATASETS[..]].concat());

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
    let tenant = |name, datasets, checks: Arc<dyn verify::Room>, compacted: &Compacted| {
        let compactor = compacted.compactor(store, instruments, clock, CompactOptions::default());
        let claim = Claim { datasets, sources: compactor.recipe.sources() };
        Tenant { name, claim, checks, remake: Arc::new(compactor) }
    };
    let table = || Arc::clone(instruments);
    let [of_greeks, of_bars] = &COMPACTED;
    vec![
        tenant("greeks", &greeks::DATASETS, Arc::new(greeks::verify::GreeksRoom { instruments: table() }), of_greeks),
        tenant("bars", &bars::DATASETS, Arc::new(bars::verify::BarsRoom { instruments: table() }), of_bars),
    ]
}
