//! Kafka 4.3.1's broker configs that may be set while it runs and that mean nothing here: thread pools, TLS, tiered storage.
//!
//! What sets them goes on working: they are checked as Kafka does, kept, shown once they are set, and change nothing.

use super::known::{Kind, Known};

/// Whether there is one of this name, and what it takes.
pub(super) fn find(name: &str) -> Option<Known> {
    TABLE.iter().find(|known| known.name == name).copied()
}

/// Why a config may not be set for `of`, a broker or with an empty name all of them, whatever the value; Kafka's text.
pub(super) fn refusal(of: &str, names: &[&str]) -> Option<String> {
    let among = |list: &[&str]| {
        let found: Vec<&str> = names.iter().copied().filter(|name| list.contains(name)).collect();
        (!found.is_empty()).then(|| found.join(", "))
    };
    if let Some(found) = among(&OF_LISTENERS) {
        return Some(format!(
            "These security configs can be dynamically updated only per-listener using the listener prefix: [{found}]"
        ));
    }
    let found = among(&OF_ONE_BROKER).filter(|_| of.is_empty())?;
    Some(format!(
        "Cannot update these configs at default cluster level, broker id must be specified: [{found}]"
    ))
}

/// Why a pool of threads may not become this large, if so: Kafka goes up to double and down to half at a time.
pub(super) fn check_threads(name: &str, value: &str, current: &str) -> Option<String> {
    let (wanted, current) = (value.trim().parse::<i32>().ok()?, current.trim().parse::<i32>().ok()?);
    let why = if !POOLS.contains(&name) {
        return None;
    } else if wanted < current / 2 {
        "should be at least half"
    } else if wanted > current.saturating_mul(2) {
        "should not be greater than double"
    } else {
        return None;
    };
    Some(format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for \
         {name}={wanted}, value {why} the current value {current} for configuration Invalid dynamic configuration"
    ))
}

const POOLS: [&str; 9] = [
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
];

const OF_LISTENERS: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

const OF_ONE_BROKER: [&str; 21] = [
    "cordoned.log.dirs",
    "listener.security.protocol.map",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal.to.local.rules",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.mechanism.inter.broker.protocol",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

const fn int(name: &'static str, min: i32, default: &'static str, doc: &'static str) -> Known {
    Known { name, kind: Kind::Int(min, i32::MAX), default, doc }
}

const fn long(name: &'static str, min: i64, default: &'static str, doc: &'static str) -> Known {
    Known { name, kind: Kind::Long(min), default, doc }
}

const fn flag(name: &'static str, default: &'static str, doc: &'static str) -> Known {
    Known { name, kind: Kind::Bool, default, doc }
}

const TABLE: [Known; 22] = [
    int("background.threads", 1, "10", "Threads for what is done in the background; not used here."),
    flag("follower.fetch.last.tiered.offset.enable", "false", "Of tiered storage; not used here."),
    int("group.share.assignment.interval.ms", 0, "1000", "Of share groups; not used here."),
    int("group.streams.assignment.interval.ms", 0, "1000", "Of streams groups; not used here."),
    long("log.cleaner.backoff.ms", 0, "15000", "Of the log cleaner; not used here."),
    int("log.cleaner.io.buffer.size", 0, "524288", "Of the log cleaner; not used here."),
    int("log.cleaner.threads", 0, "1", "Of the log cleaner; not used here."),
    int("max.connection.creation.rate", 0, "2147483647", "Connections a second; not bounded here."),
    int("num.io.threads", 1, "8", "Threads for requests; not used here."),
    int("num.network.threads", 1, "3", "Threads for connections; not used here."),
    int("num.recovery.threads.per.data.dir", 1, "2", "Threads for starting; not used here."),
    int("num.replica.fetchers", 1, "1", "Threads for following; not used here."),
    int("remote.fetch.max.wait.ms", 1, "500", "Of tiered storage; not used here."),
    long("remote.list.offsets.request.timeout.ms", 1, "30000", "Of tiered storage; not used here."),
    long(
        "remote.log.index.file.cache.total.size.bytes",
        1,
        "1073741824",
        "Of tiered storage; not used here.",
    ),
    int("remote.log.manager.copier.thread.pool.size", 1, "10", "Of tiered storage; not used here."),
    long(
        "remote.log.manager.copy.max.bytes.per.second",
        1,
        "9223372036854775807",
        "Of tiered storage; not used here.",
    ),
    int("remote.log.manager.expiration.thread.pool.size", 1, "10", "Of tiered storage; not used here."),
    long(
        "remote.log.manager.fetch.max.bytes.per.second",
        1,
        "9223372036854775807",
        "Of tiered storage; not used here.",
    ),
    int("remote.log.manager.follower.thread.pool.size", 1, "2", "Of tiered storage; not used here."),
    int("remote.log.reader.threads", 1, "10", "Of tiered storage; not used here."),
    flag("transaction.partition.verification.enable", "true", "Of transactions; not used here."),
];
