//! Formats the latencies as Markdown tables.

use super::{Latencies, Loaded, Row, plan::Protocol};
use crate::report::{measured, table};

pub fn markdown(latencies: &Latencies) -> String {
    let head = measured(&latencies.about, &format!("{} seconds for each load.", latencies.seconds));
    let tables = Protocol::ALL.map(|protocol| {
        let rows = || latencies.rows.iter().filter(move |row| row.protocol == protocol);
        format!("{}\n{}", times(protocol, rows()), rotation(protocol, rows()))
    });
    format!("{head}\n{}", tables.join("\n"))
}

fn times<'a>(protocol: Protocol, rows: impl Iterator<Item = &'a Row>) -> String {
    let title =
        format!("Latency of accepted requests over {} ({} connections)", protocol.name(), protocol.connections());
    let columns = [
        "application",
        "saturation, requests/s",
        "server core / generator core busy",
        "50 %: p50, us",
        "p99, us",
        "p99.9, us",
        "accepted",
        "90 %: p50, us",
        "p99, us",
        "p99.9, us",
        "accepted",
    ];
    let cells = rows.map(|row| {
        let saturation = row.saturation;
        let busy = format!("{} / {}", percent(saturation.server_busy), percent(saturation.generator_busy));
        let mut cells = vec![row.name.clone(), format!("{:.0}", saturation.per_second), busy];
        for loaded in &row.loads {
            let (latency, counts) = (loaded.outcome.latency, loaded.outcome.old_key.plus(loaded.outcome.new_key));
            cells.extend([latency.p50, latency.p99, latency.p99_9].map(|micros| format!("{micros:.0}")));
            cells.push(share(counts.accepted, counts.total()));
        }
        cells
    });
    table(&title, &columns, cells)
}

fn rotation<'a>(protocol: Protocol, rows: impl Iterator<Item = &'a Row>) -> String {
    let title = format!("Key rotation in the middle, over {}", protocol.name());
    let columns = [
        "application",
        "load",
        "old key: accepted",
        "new key: accepted",
        "new key: rejected",
        "unanswered",
        "key fetches",
        "longest, ms",
        "scheduled / answered, requests/s",
        "server core / generator core busy",
        "generator late, p99, us",
    ];
    let cells = rows.flat_map(|row| row.loads.iter().map(move |loaded| rotation_cells(&row.name, loaded)));
    table(&title, &columns, cells)
}

fn rotation_cells(name: &str, loaded: &Loaded) -> Vec<String> {
    let outcome = &loaded.outcome;
    let (old, new) = (outcome.old_key, outcome.new_key);
    vec![
        name.to_owned(),
        percent(loaded.share),
        share(old.accepted, old.total()),
        share(new.accepted, new.total()),
        share(new.rejected, new.total()),
        share(old.unanswered + new.unanswered, old.total() + new.total()),
        loaded.fetches.to_string(),
        format!("{:.1}", outcome.latency.max / 1e3),
        format!("{:.0} / {:.0}", loaded.rate, outcome.per_second),
        format!("{} / {}", percent(outcome.server_busy), percent(outcome.generator_busy)),
        format!("{:.0}", outcome.late.p99),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Returns a share in percent. It is rounded down, so only all requests are 100 %.
fn share(part: u64, total: u64) -> String {
    match part {
        0 => "0 %".to_owned(),
        _ if part == total => "100 %".to_owned(),
        _ => format!("{:.2} %", (part * 10_000 / total) as f64 / 100.0),
    }
}
