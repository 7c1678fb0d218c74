//! How many connections come from where.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Addresses that have connections, and how many.
#[derive(Default)]
pub(crate) struct Addresses(RefCell<HashMap<IpAddr, usize>>);

/// A connection that counts until this is dropped.
pub(crate) struct Counted {
    addresses: Rc<Addresses>,
    of: IpAddr,
}

impl Addresses {
    /// Connections from this address. One of IPv4 is the same however it came.
    pub(crate) fn connections_of(&self, address: IpAddr) -> usize {
        self.0.borrow().get(&address.to_canonical()).copied().unwrap_or(0)
    }

    /// One more from this address.
    pub(crate) fn count(self: &Rc<Self>, address: IpAddr) -> Counted {
        let of = address.to_canonical();
        *self.0.borrow_mut().entry(of).or_default() += 1;
        Counted { addresses: self.clone(), of }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.borrow_mut();
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_until_they_end_and_nothing_is_kept_of_addresses_without_any() {
        let addresses = Rc::new(Addresses::default());
        let [one, mapped, other]: [IpAddr; 3] =
            ["10.0.0.1", "::ffff:10.0.0.1", "::1"].map(|text| text.parse().unwrap());
        let counted = [one, mapped, other].map(|address| addresses.count(address));
        assert_eq!([one, mapped, other].map(|address| addresses.connections_of(address)), [2, 2, 1]);
        drop(counted);
        assert_eq!(addresses.connections_of(one), 0);
        assert!(addresses.0.borrow().is_empty());
    }
}
