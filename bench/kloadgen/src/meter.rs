//! Measuring the processes: processor time, memory and bytes written from /proc, and the JSON line of a run.
use crate::Args;
use hdrhistogram::Histogram;
use std::fmt::Write as _;
use std::time::Instant;

/// Processor seconds, resident MB and bytes sent to storage of a process, from /proc.
#[derive(Clone, Copy, Default)]
struct Proc {
    cpu: f64,
    rss: f64,
    peak: f64,
    wrote: u64,
}

fn proc_stat(pid: &str) -> Proc {
    let rd = |f: &str| std::fs::read_to_string(format!("/proc/{pid}/{f}")).unwrap_or_default();
    let stat = rd("stat");
    let f: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let t = |i: usize| f.get(i).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    let line = |text: &str, k: &str| -> f64 {
        text.lines()
            .find(|l| l.starts_with(k))
            .and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0.0)
    };
    let status = rd("status");
    Proc {
        cpu: (t(11) + t(12)) / 100.0,
        rss: line(&status, "VmRSS:") / 1024.0,
        peak: line(&status, "VmHWM:") / 1024.0,
        wrote: line(&rd("io"), "write_bytes:") as u64,
    }
}

/// What a run got done.
pub struct Done {
    pub records: u64,
    pub bytes: u64,
    pub requests: u64,
    pub errors: u64,
}

pub struct Meter {
    pid: String,
    at: Instant,
    me: Proc,
    broker: Proc,
}

impl Meter {
    pub fn start(a: &Args) -> Meter {
        let pid = a.s("pid").to_string();
        Meter { at: Instant::now(), me: proc_stat("self"), broker: proc_stat(&pid), pid }
    }
    pub fn report(&self, a: &Args, done: Done, lat: &Histogram<u64>, extra: &str) {
        let Done { records, bytes, requests, errors } = done;
        let secs = self.at.elapsed().as_secs_f64();
        let (me, br) = (proc_stat("self"), proc_stat(&self.pid));
        let mut o = format!(
            "{{\"tag\":\"{}\",\"mode\":\"{}\",\"connections\":{},\"partitions\":{},\"record_size\":{},\"batch\":{},\"inflight\":{},\"acks\":{},\"rate\":{},\"idempotent\":{},\"compression\":\"{}\"",
            a.s("tag"), a.s("mode"), a.s("connections"), a.s("partitions"), a.s("record-size"), a.s("batch"),
            a.s("inflight"), a.s("acks"), a.s("rate"), a.s("idempotent"), a.s("compression"));
        let _ = write!(o, ",\"secs\":{secs:.3},\"records\":{records},\"records_per_s\":{:.0},\"mb_per_s\":{:.2},\"requests\":{requests},\"errors\":{errors}",
            records as f64 / secs, bytes as f64 / 1e6 / secs);
        if !lat.is_empty() {
            let q = |p: f64| lat.value_at_quantile(p) as f64 / 1e3;
            let _ = write!(
                o,
                ",\"lat_us\":{{\"mean\":{:.0},\"p50\":{:.0},\"p90\":{:.0},\"p99\":{:.0},\"p999\":{:.0},\"max\":{:.0}}}",
                lat.mean() / 1e3,
                q(0.5),
                q(0.9),
                q(0.99),
                q(0.999),
                lat.max() as f64 / 1e3
            );
        }
        let _ = write!(o, ",\"client_cpu_s\":{:.2}", me.cpu - self.me.cpu);
        if self.pid != "0" {
            let c = br.cpu - self.broker.cpu;
            let _ = write!(o, ",\"broker_cpu_s\":{c:.2},\"broker_cpu_s_per_mrec\":{:.2},\"broker_cpu_s_per_gb\":{:.3},\"broker_rss_mb\":{:.0},\"broker_peak_mb\":{:.0},\"broker_wrote_mb\":{:.1}",
                c / (records.max(1) as f64 / 1e6), c / (bytes.max(1) as f64 / 1e9), br.rss, br.peak, (br.wrote - self.broker.wrote) as f64 / 1e6);
        }
        println!("{o}{extra}}}");
    }
}
