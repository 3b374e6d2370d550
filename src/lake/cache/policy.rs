//! What to let go when a shelf is too full. Pure: from a listing to a plan; [`super::shelf`] carries it out.
//!
//! Least recently used goes first, but what nobody uses at this moment goes before what somebody does: letting go of
//! a file under a running query frees nothing until that query ends.

/// The most a shelf may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub bytes: u64,
    pub entries: usize,
}

/// One entry as the policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held<K> {
    pub key: K,
    pub bytes: u64,
    /// Grows with every use in the process; larger is more recent.
    pub last_used: u64,
    pub in_use: bool,
}

impl Budget {
    pub(super) fn is_kept(&self, bytes: u64, entries: usize) -> bool {
        bytes <= self.bytes && entries <= self.entries
    }

    /// The keys to let go, in order, so that what stays is within the budget. When it was the number of entries that
    /// overflowed, a sixteenth more goes, so that a flood of new keys does not sort the whole shelf for each of them.
    pub(super) fn plan<K>(&self, mut held: Vec<Held<K>>) -> Vec<K> {
        let mut bytes: u64 = held.iter().map(|entry| entry.bytes).sum();
        let mut entries = held.len();
        let most_entries = if entries > self.entries { self.entries - self.entries / 16 } else { self.entries };
        if bytes <= self.bytes && entries <= most_entries {
            return Vec::new();
        }
        held.sort_unstable_by_key(|entry| (entry.in_use, entry.last_used));
        let mut gone = Vec::new();
        for entry in held {
            if bytes <= self.bytes && entries <= most_entries {
                break;
            }
            bytes -= entry.bytes;
            entries -= 1;
            gone.push(entry.key);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(key: char, bytes: u64, last_used: u64, in_use: bool) -> Held<char> {
        Held { key, bytes, last_used, in_use }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_no_more_than_needed() {
        let shelf = vec![held('a', 40, 3, false), held('b', 40, 1, false), held('c', 40, 2, false)];
        assert_eq!(Budget { bytes: 120, entries: 3 }.plan(shelf.clone()), Vec::<char>::new());
        assert_eq!(Budget { bytes: 119, entries: 3 }.plan(shelf.clone()), ['b']);
        assert_eq!(Budget { bytes: 79, entries: 3 }.plan(shelf.clone()), ['b', 'c']);
        assert_eq!(Budget { bytes: 120, entries: 2 }.plan(shelf), ['b']);
    }

    #[test]
    fn what_is_in_use_goes_last() {
        let shelf = vec![held('a', 40, 1, true), held('b', 40, 2, false), held('c', 40, 3, true)];
        assert_eq!(Budget { bytes: 80, entries: 9 }.plan(shelf.clone()), ['b']);
        assert_eq!(Budget { bytes: 40, entries: 9 }.plan(shelf), ['b', 'a']);
    }

    #[test]
    fn an_entry_larger_than_the_budget_does_not_stay() {
        assert_eq!(Budget { bytes: 10, entries: 9 }.plan(vec![held('a', 11, 1, false)]), ['a']);
    }

    proptest! {
        #[test]
        fn what_stays_fits_and_nothing_goes_in_vain(
            sizes in proptest::collection::vec((0u64..200, any::<bool>()), 0..60),
            bytes in 0u64..2_000,
            entries in 0usize..70,
        ) {
            let shelf: Vec<_> = sizes.iter().enumerate()
                .map(|(at, &(bytes, in_use))| Held { key: at, bytes, last_used: at as u64, in_use }).collect();
            let gone = Budget { bytes, entries }.plan(shelf.clone());
            let stays = |gone: &[usize]| -> (u64, usize) {
                let kept: Vec<_> = shelf.iter().filter(|entry| !gone.contains(&entry.key)).collect();
                (kept.iter().map(|entry| entry.bytes).sum(), kept.len())
            };
            let (kept_bytes, kept_entries) = stays(&gone);
            prop_assert!(kept_bytes <= bytes && kept_entries <= entries);
            if let Some((_, all_but_last)) = gone.split_last() {
                let (bytes_before, entries_before) = stays(all_but_last);
                prop_assert!(bytes_before > bytes || entries_before > entries - entries / 16);
            }
        }
    }
}
