//! Listeners: where the broker binds, and what it tells clients to connect to.
//!
//! Written as Kafka writes them, `NAME://host:port`. Only plain text is served, so the names that Kafka
//! ties to TLS and SASL are refused rather than served without them.

use std::{collections::HashSet, fmt, str::FromStr};

use super::{Config, ConfigError};

/// The name of the only listener when `kafka.listeners` is empty: Kafka's default.
const NAME_DEFAULT: &str = "PLAINTEXT";

/// Names for which Kafka speaks something other than plain text.
const NAMES_NOT_PLAIN: [&str; 3] = ["SSL", "SASL_SSL", "SASL_PLAINTEXT"];

/// `NAME://host:port` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    /// Without the brackets of an IPv6 address; empty binds every address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An endpoint that can't be read; the rule of its key says what is allowed.
#[derive(Debug)]
pub(crate) struct NotAnEndpoint;

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let (name, address) = text.split_once("://").ok_or(NotAnEndpoint)?;
        let (host, port) = address.rsplit_once(':').ok_or(NotAnEndpoint)?;
        // Bare digits only: `parse` alone would take `+9092`.
        let port = Some(port).filter(|port| port.bytes().all(|b| b.is_ascii_digit())).ok_or(NotAnEndpoint)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|host| host.contains(':')).ok_or(NotAnEndpoint)?,
            None if host.contains(':') => return Err(NotAnEndpoint),
            None => host,
        };
        let name_fits = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            && !NAMES_NOT_PLAIN.contains(&name.to_ascii_uppercase().as_str());
        if !name_fits || !(host.is_empty() || is_host(host)) {
            return Err(NotAnEndpoint);
        }
        // Kafka's listener names are without case.
        let name = name.to_ascii_uppercase();
        Ok(Self { name, host: host.to_owned(), port: port.parse().map_err(|_| NotAnEndpoint)? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, port } = self;
        if host.contains(':') {
            write!(f, "{name}://[{host}]:{port}")
        } else {
            write!(f, "{name}://{host}:{port}")
        }
    }
}

/// One listener, resolved: what to bind and what to advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) name: String,
    /// Host to bind; `0.0.0.0` is every IPv4 address.
    pub(crate) host: String,
    /// Port to bind; 0 is a free one.
    pub(crate) port: u16,
    /// What clients are told; `None`: the address on which the client reached the broker.
    pub(crate) advertised_host: Option<String>,
    /// What clients are told; `None`: the port that was bound.
    pub(crate) advertised_port: Option<u16>,
}

/// Whether a listener can be bound there.
pub(crate) fn is_bind(text: &str) -> bool {
    text.parse::<Endpoint>().is_ok()
}

/// Whether clients can be told to connect there.
pub(crate) fn is_advertised(text: &str) -> bool {
    text.parse::<Endpoint>().is_ok_and(|e| e.port > 0 && is_advertised_host(&e.host))
}

/// A host name (RFC 1123, with `_` as people have it) or an IP address without brackets.
pub(crate) fn is_host(text: &str) -> bool {
    let name = |text: &str| {
        text.len() <= 253
            && text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            })
    };
    text.parse::<std::net::IpAddr>().is_ok() || name(text.strip_suffix('.').unwrap_or(text))
}

fn is_advertised_host(text: &str) -> bool {
    is_host(text) && !is_every_address(text)
}

/// As `kafka.advertised.host` has it: empty leaves the choice to the broker.
pub(crate) fn is_advertised_host_or_empty(text: &str) -> bool {
    text.is_empty() || is_advertised_host(text)
}

fn is_every_address(host: &str) -> bool {
    host.is_empty() || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

/// The listeners of a configuration.
///
/// # Errors
/// A name or an address used twice, or an advertised name that no listener has.
pub(crate) fn resolve(config: &Config) -> Result<Vec<Listener>, ConfigError> {
    let bound = match config.kafka.listeners.as_slice() {
        [] => {
            let (host, port) = (config.server.host.clone(), config.server.port);
            vec![Endpoint { name: NAME_DEFAULT.to_owned(), host, port }]
        }
        listeners => listeners.to_vec(),
    };
    refuse_twice("kafka.listeners", &bound)?;
    let advertised = &config.kafka.advertised_listeners;
    refuse_twice("kafka.advertised.listeners", advertised)?;
    if let Some(stray) = advertised.iter().find(|a| bound.iter().all(|b| b.name != a.name)) {
        let names: Vec<&str> = bound.iter().map(|b| b.name.as_str()).collect();
        let allowed = format!("a listener's name ({})", names.join(", "));
        return Err(ConfigError::rule_between("kafka.advertised.listeners", stray.to_string(), allowed));
    }
    Ok(bound.into_iter().enumerate().map(|(at, endpoint)| advertise(config, at, endpoint)).collect())
}

fn refuse_twice(key: &'static str, endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
    for endpoint in endpoints {
        let address_is_new = endpoint.port == 0 || addresses.insert((&endpoint.host, endpoint.port));
        if !names.insert(&endpoint.name) || !address_is_new {
            let allowed = "each name and each address once".to_owned();
            return Err(ConfigError::rule_between(key, endpoint.to_string(), allowed));
        }
    }
    Ok(())
}

/// By name; else, for the first listener, `kafka.advertised.host` and `.port`; else what was bound.
fn advertise(config: &Config, at: usize, bound: Endpoint) -> Listener {
    let named = config.kafka.advertised_listeners.iter().find(|a| a.name == bound.name);
    let bound_host = Some(bound.host.clone()).filter(|host| !is_every_address(host));
    let (advertised_host, advertised_port) = match named {
        Some(endpoint) => (Some(endpoint.host.clone()), Some(endpoint.port)),
        None if at == 0 => {
            (config.kafka.advertised_host.clone().or(bound_host), config.kafka.advertised_port)
        }
        None => (bound_host, None),
    };
    let host = if bound.host.is_empty() { "0.0.0.0".to_owned() } else { bound.host };
    Listener { name: bound.name, host, port: bound.port, advertised_host, advertised_port }
}
