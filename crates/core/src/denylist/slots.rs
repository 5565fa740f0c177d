use crate::time::UnixSeconds;

use super::Slot;

/// Something for each slot. Slots follow each other with few gaps, so that the place of one is where its number says,
/// and otherwise near.
#[derive(Clone)]
pub(super) struct Slots<T> {
    /// Ascending.
    slots: Vec<Slot>,
    values: Vec<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), values: Vec::new() }
    }
}

impl<T> Slots<T> {
    fn find(&self, slot: Slot) -> Result<usize, usize> {
        let first = self.slots.first().ok_or(0usize)?;
        let guess = slot.0.wrapping_sub(first.0) as usize;
        if self.slots.get(guess) == Some(&slot) { Ok(guess) } else { self.slots.binary_search(&slot) }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.values.get(self.find(slot).ok()?)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let place = self.find(slot).ok()?;
        self.values.get_mut(place)
    }

    pub(super) fn change(&mut self, slot: Slot, change: impl FnOnce(&mut T))
    where
        T: Default,
    {
        let place = self.find(slot).unwrap_or_else(|place| {
            self.slots.insert(place, slot);
            self.values.insert(place, T::default());
            place
        });
        if let Some(value) = self.values.get_mut(place) {
            change(value);
        }
    }

    pub(super) fn drop_before(&mut self, horizon: UnixSeconds) {
        let ended = self.slots.partition_point(|slot| slot.end() <= horizon);
        self.slots.drain(..ended);
        self.values.drain(..ended);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes on the heap, without those of the values.
    pub(super) const fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.values.capacity() * size_of::<T>()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Slot, &T)> {
        self.slots.iter().copied().zip(&self.values)
    }
}

impl<T> IntoIterator for Slots<T> {
    type Item = (Slot, T);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<Slot>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.slots.into_iter().zip(self.values)
    }
}
