//! kloadgen: drives any Kafka-protocol broker from one thread and prints one JSON line.
//! See README.md for the options.
mod batch;
mod commit;
mod conn;
mod meter;
mod modes;
mod wire;

use std::collections::HashMap;

pub struct Args(HashMap<String, String>);

const OPTIONS: &[(&str, &str)] = &[
    ("mode", "produce"),
    ("addr", "127.0.0.1:9092"),
    ("topic", "bench"),
    ("partitions", "1"),
    ("connections", "64"),
    ("inflight", "1"),
    ("acks", "-1"),
    ("record-size", "100"),
    ("batch", "1"),
    ("compression", "none"),
    ("payload", "json"),
    ("duration", "10"),
    ("warmup", "2"),
    ("rate", "0"),
    ("idempotent", "0"),
    ("decode", "0"),
    ("loop", "0"),
    ("fetch-max-bytes", "52428800"),
    ("partition-max-bytes", "1048576"),
    ("min-bytes", "1"),
    ("max-wait", "500"),
    ("config", ""),
    ("pid", "0"),
    ("timeout", "60"),
    ("tag", ""),
    ("max-records", "0"),
];

impl Args {
    fn parse() -> Args {
        let mut m: HashMap<_, _> = OPTIONS.iter().map(|&(k, v)| (k.to_string(), v.to_string())).collect();
        let mut it = std::env::args().skip(1);
        while let Some(a) = it.next() {
            let k = a.strip_prefix("--").unwrap_or("").to_string();
            match (m.contains_key(&k), it.next()) {
                (true, Some(v)) => {
                    m.insert(k, v);
                }
                _ => {
                    eprintln!("unknown option or no value: {a}\noptions and defaults:");
                    for (k, v) in OPTIONS {
                        eprintln!("  --{k} {v}");
                    }
                    std::process::exit(2);
                }
            }
        }
        Args(m)
    }
    pub fn s(&self, k: &str) -> &str {
        &self.0[k]
    }
    pub fn n<T: std::str::FromStr>(&self, k: &str) -> T {
        self.0[k].parse().unwrap_or_else(|_| panic!("--{k}: not a number: {}", self.0[k]))
    }
}

fn main() {
    let a = Args::parse();
    match a.s("mode") {
        "ready" => modes::ready(&a),
        "create" => modes::create(&a),
        "produce" => modes::produce(&a),
        "consume" => modes::consume(&a),
        "e2e" => modes::e2e(&a),
        "commit" => commit::commit(&a),
        m => {
            eprintln!("unknown mode {m}: ready, create, produce, consume, e2e or commit");
            std::process::exit(2)
        }
    }
}
