//! What `tests/bench/lookups.mjs` calls. Fingerprints come as they are: eight octets each, of random ones any will do.

use std::cell::RefCell;

use countersign_core::denylist::{Denylist, Entry, Fingerprint, Gathered, Kind, Slot};
use wasm_bindgen::prelude::wasm_bindgen;

const FIRST_SLOT: u32 = 2_000_000;

thread_local! {
    static LIST: RefCell<Denylist> = RefCell::default();
    static COMING: RefCell<Gathered> = RefCell::default();
}

fn families(fingerprints: &[u8], slots: u32) -> impl Iterator<Item = Entry> {
    let (fingerprints, _) = fingerprints.as_chunks();
    fingerprints.iter().map(move |octets| {
        let number = u64::from_le_bytes(*octets);
        // Which slot follows from the fingerprint, so that an entry can be asked for by it alone.
        let slot = Slot(FIRST_SLOT + (number >> 32) as u32 % slots.max(1));
        Entry { kind: Kind::Family, slot, fingerprint: Fingerprint(number) }
    })
}

#[wasm_bindgen]
pub fn measure_gather(fingerprints: &[u8], slots: u32) {
    COMING.with_borrow_mut(|gathered| {
        // A family's position is not kept.
        for entry in families(fingerprints, slots) {
            gathered.add(1, &entry);
        }
    });
}

/// What was gathered takes the place of the list. How many entries it has.
#[wasm_bindgen]
pub fn measure_absorb() -> u32 {
    let mut list = Denylist::default();
    list.absorb(COMING.take());
    let entries = u32::try_from(list.len()).unwrap_or(u32::MAX);
    LIST.set(list);
    entries
}

/// How many of them are listed; how many there are, when nothing is to be looked up.
#[wasm_bindgen]
pub fn measure_lookups(fingerprints: &[u8], slots: u32, look: bool) -> u32 {
    LIST.with_borrow(|list| {
        let found = |entry: Entry| u32::from(!look || list.family_ended(entry.slot, entry.fingerprint));
        families(fingerprints, slots).map(found).sum()
    })
}
