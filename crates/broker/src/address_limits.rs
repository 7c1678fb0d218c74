//! Addresses that may have another number of connections than all others (`max.connections.per.ip.overrides`).
//!
//! A host's name stands for all its addresses, which are looked up once whenever the config has become another one; until they are found, and
//! where there are none, what all others may have holds for it. An address that is named itself wins over a name that has it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::configs::connections_per_ip::read_overrides;

/// What the config says now, by address.
#[derive(Default)]
pub(crate) struct AddressLimits {
    /// The value that was read last.
    config: RefCell<String>,
    limits: RefCell<HashMap<IpAddr, usize>>,
}

impl AddressLimits {
    /// How many connections this address may have where `config` holds; `None`: as many as all others.
    pub(crate) fn of(self: &Rc<Self>, address: IpAddr, config: &str) -> Option<usize> {
        if *self.config.borrow() != config {
            self.read(config);
        }
        self.limits.borrow().get(&address.to_canonical()).copied()
    }

    fn read(self: &Rc<Self>, config: &str) {
        *self.config.borrow_mut() = config.to_owned();
        self.limits.borrow_mut().clear();
        let mut names = Vec::new();
        // It was checked when it was set.
        for (host, connections) in read_overrides(config).unwrap_or_default() {
            match host.parse::<IpAddr>() {
                Ok(address) => _ = self.limits.borrow_mut().insert(address.to_canonical(), connections),
                Err(_) => names.push((host.to_owned(), connections)),
            }
        }
        if !names.is_empty() {
            env::spawn_local(self.clone().look_up(names, config.to_owned()));
        }
    }

    /// Adds the addresses of names, as long as `config` is what holds.
    async fn look_up(self: Rc<Self>, names: Vec<(String, usize)>, config: String) {
        for (name, connections) in names {
            let found = env::net::addresses_of(&name).await;
            if *self.config.borrow() != config {
                return;
            }
            if found.is_empty() {
                tracing::warn!(host = name, "no address found: it may have as many connections as any other");
            }
            for address in found {
                self.limits.borrow_mut().entry(address.to_canonical()).or_insert(connections);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_limit_that_the_config_says_now() {
        // Could break: a limit that was taken back and still holds.
        let limits = Rc::new(AddressLimits::default());
        let [one, mapped, other] = ["10.0.0.1", "::ffff:10.0.0.1", "::1"].map(|text| text.parse().unwrap());
        let of = |config: &str| [one, mapped, other].map(|address| limits.of(address, config));
        assert_eq!(of(""), [None; 3]);
        assert_eq!(of("10.0.0.1:3,::1:0"), [Some(3), Some(3), Some(0)]);
        assert_eq!(of("10.0.0.1:3,10.0.0.1:4"), [Some(4), Some(4), None]);
        assert_eq!(of(""), [None; 3]);
    }
}
