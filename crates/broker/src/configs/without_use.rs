//! Kafka 4.3.1's broker configs that may be set while it runs and that mean nothing here: thread pools, TLS, tiered storage.
//!
//! What sets them goes on working: they are checked as Kafka does, kept, shown once they are set, and change nothing.

use super::known::{Kind, Known, known};

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
    let why = if wanted < current / 2 {
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

const CLEANER: &str = "Of the log cleaner; not used here.";
const TIERED: &str = "Of tiered storage; not used here.";

const TABLE: [Known; 22] = [
    known(
        "background.threads",
        Kind::Threads,
        "10",
        "Threads for what is done in the background; not used here.",
    ),
    known("follower.fetch.last.tiered.offset.enable", Kind::Bool, "false", TIERED),
    known(
        "group.share.assignment.interval.ms",
        Kind::Int(0, i32::MAX),
        "1000",
        "Of share groups; not used here.",
    ),
    known(
        "group.streams.assignment.interval.ms",
        Kind::Int(0, i32::MAX),
        "1000",
        "Of streams groups; not used here.",
    ),
    known("log.cleaner.backoff.ms", Kind::Long(0), "15000", CLEANER),
    known("log.cleaner.io.buffer.size", Kind::Int(0, i32::MAX), "524288", CLEANER),
    known("log.cleaner.threads", Kind::Int(0, i32::MAX), "1", CLEANER),
    known(
        "max.connection.creation.rate",
        Kind::Int(0, i32::MAX),
        "2147483647",
        "Connections a second; not bounded here.",
    ),
    known("num.io.threads", Kind::Threads, "8", "Threads for requests; not used here."),
    known("num.network.threads", Kind::Threads, "3", "Threads for connections; not used here."),
    known("num.recovery.threads.per.data.dir", Kind::Threads, "2", "Threads for starting; not used here."),
    known("num.replica.fetchers", Kind::Threads, "1", "Threads for following; not used here."),
    known("remote.fetch.max.wait.ms", Kind::Int(1, i32::MAX), "500", TIERED),
    known("remote.list.offsets.request.timeout.ms", Kind::Long(1), "30000", TIERED),
    known("remote.log.index.file.cache.total.size.bytes", Kind::Long(1), "1073741824", TIERED),
    known("remote.log.manager.copier.thread.pool.size", Kind::Threads, "10", TIERED),
    known("remote.log.manager.copy.max.bytes.per.second", Kind::Long(1), "9223372036854775807", TIERED),
    known("remote.log.manager.expiration.thread.pool.size", Kind::Threads, "10", TIERED),
    known("remote.log.manager.fetch.max.bytes.per.second", Kind::Long(1), "9223372036854775807", TIERED),
    known("remote.log.manager.follower.thread.pool.size", Kind::Threads, "2", TIERED),
    known("remote.log.reader.threads", Kind::Threads, "10", TIERED),
    known("transaction.partition.verification.enable", Kind::Bool, "true", "Of transactions; not used here."),
];
