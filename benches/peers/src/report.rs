//! Formats the results as Markdown tables.

use std::fmt::Write;

use crate::{
    cases::{self, Table},
    results::{About, Case, Results, Site, median, paired},
    sockets::Load,
};

pub fn markdown(results: &Results) -> String {
    let parts =
        [head(results), process(results), router(results), sockets(results), cache(results), rejections(results)];
    [parts.join("\n"), figures(results)].join("\n")
}

fn head(results: &Results) -> String {
    let about = &results.about;
    let versions: Vec<_> = about.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let run = format!(
        "{}.\nMedians of {} rounds; ratios are taken within a round. Bare signature: {:.2} us.",
        versions.join(", "),
        results.bare().nanos.len(),
        results.bare().micros(),
    );
    measured(about, &run)
}

/// Describes the machine and the run.
pub fn measured(about: &About, run: &str) -> String {
    format!(
        "Measured on {}: {} cores, {}, rustc {}, token of {} bytes, RSA-2048.\n{run}\n\
         Load average of the machine before the run: {:.1}, at its end (including the run itself): {:.1}.\n",
        about.date, about.cores, about.cpu, about.rustc, about.token_bytes, about.load[0], about.load[1],
    )
}

fn process(results: &Results) -> String {
    let mut rows: Vec<_> = results.of(Table::Process).collect();
    rows.sort_by(|a, b| results.to_bare(a).total_cmp(&results.to_bare(b)));
    table(
        "One token in process, with loaded keys",
        &["verifier", "us", "ratio to bare", "allocations", "bytes allocated"],
        rows.into_iter().map(|case| {
            let ratio = significant(results.to_bare(case));
            vec![case.id.name.clone(), micros(case.micros()), ratio, amount(case.allocations), amount(case.bytes)]
        }),
    )
}

/// Returns the unprotected application with the same version of axum as a candidate's.
fn plain_of(name: &str) -> &'static str {
    if name.starts_with("jwt-authorizer") { cases::PLAIN_07 } else { cases::PLAIN }
}

fn router(results: &Results) -> String {
    let around: Vec<_> = results.of(Table::Router).collect();
    let over = |case: &Case| {
        paired(case, results.case(Table::Router, plain_of(&case.id.name)), |case, plain| case - plain) / 1000.0
    };
    let mut rows: Vec<_> = around.into_iter().filter(|case| !case.id.name.starts_with("plain axum")).collect();
    rows.sort_by(|a, b| over(a).total_cmp(&over(b)));
    let plain = results.case(Table::Router, cases::PLAIN);
    let title = format!(
        "One request through an axum Router without sockets, minus the same router without authentication ({} us, {} allocations)",
        micros(plain.micros()),
        amount(plain.allocations)
    );
    table(
        &title,
        &["layer or extractor", "added to plain, us", "ratio to bare", "added allocations", "added bytes"],
        rows.into_iter().map(|case| {
            let plain = results.case(Table::Router, plain_of(&case.id.name));
            vec![
                case.id.name.clone(),
                micros(over(case)),
                significant(over(case) / results.bare().micros()),
                amount(case.allocations - plain.allocations),
                amount(case.bytes - plain.bytes),
            ]
        }),
    )
}

fn paired_sites(one: &Site, other: &Site, of: impl Fn(usize) -> f64) -> f64 {
    median((0..one.loads.len().min(other.loads.len())).map(of))
}

/// Returns the throughput of a site relative to the plain application on the same version of axum.
fn throughput(results: &Results, name: &str) -> Option<f64> {
    let find = |name: &str| results.sites.iter().find(|site| site.name == name);
    let (site, plain) = (find(name)?, find(plain_of(name))?);
    let ratio = |at: usize| site.loads[at].requests_per_second / plain.loads[at].requests_per_second;
    Some(paired_sites(site, plain, ratio))
}

/// Returns the plain application's server time per request relative to that of a site.
fn server_time(results: &Results, name: &str) -> Option<f64> {
    let find = |name: &str| results.sites.iter().find(|site| site.name == name);
    let (site, plain) = (find(name)?, find(plain_of(name))?);
    Some(paired_sites(site, plain, |at| plain.loads[at].server_nanos / site.loads[at].server_nanos))
}

/// Returns the share of its core that the server used.
fn busy(load: &Load) -> f64 {
    load.requests_per_second * load.server_nanos / 1e9
}

fn sockets(results: &Results) -> String {
    if results.sites.is_empty() {
        return "No measurements over sockets.\n".to_owned();
    }
    let mut rows: Vec<_> = results.sites.iter().collect();
    rows.sort_by(|a, b| throughput(results, &b.name).partial_cmp(&throughput(results, &a.name)).expect("no NaN"));
    let title = "Over loopback sockets: wrk, keep-alive, one server core";
    table(
        title,
        &[
            "layer or extractor",
            "requests/s",
            "ratio to plain axum",
            "server time per request, us",
            "plain axum's server time, ratio",
            "utilization of the server's core",
        ],
        rows.into_iter().map(|site| {
            vec![
                site.name.clone(),
                format!("{:.0}", median(site.loads.iter().map(|load| load.requests_per_second))),
                throughput(results, &site.name).map_or_else(String::new, significant),
                micros(median(site.loads.iter().map(|load| load.server_nanos)) / 1000.0),
                server_time(results, &site.name).map_or_else(String::new, significant),
                format!("{:.0} %", median(site.loads.iter().map(busy)) * 100.0),
            ]
        }),
    )
}

/// Returns the throughput of two threads relative to one.
fn scaling(results: &Results, two: &str, one: &Case) -> f64 {
    paired(one, results.case(Table::Cache, two), |one, two| 2.0 * one / two)
}

fn cache(results: &Results) -> String {
    let hot = results.case(Table::Process, cases::HOT);
    let cold = results.case(Table::Process, cases::COLD);
    let several = results.case(Table::Cache, cases::SEVERAL);
    let single = [
        ("cache disabled", cold),
        ("one cached token", hot),
        ("1,000 cached tokens in turn", several),
        ("1,000 new tokens", results.case(Table::Cache, cases::NEW_TOKENS)),
    ];
    let alone = table(
        "axum-cognito alone, in process",
        &["case", "us", "ratio to bare", "allocations", "bytes allocated"],
        single.into_iter().map(|(name, case)| {
            let ratio = significant(results.to_bare(case));
            vec![name.to_owned(), micros(case.micros()), ratio, amount(case.allocations), amount(case.bytes)]
        }),
    );
    let two = [
        (cases::BARE_TWO, results.bare()),
        (cases::COLD_TWO, cold),
        (cases::SEVERAL_TWO, several),
        (cases::ONE_TWO, hot),
    ];
    let threads = table(
        "Throughput of two threads relative to one",
        &["case", "throughput"],
        two.into_iter().map(|(name, one)| vec![name.to_owned(), format!("{:.2}", scaling(results, name, one))]),
    );
    [alone, threads].join("\n")
}

fn rejections(results: &Results) -> String {
    let nothing = results.case(Table::Rejection, cases::NOTHING);
    table(
        "Rejections by axum-cognito, in process",
        &["token", "us", "ratio to bare", "allocations", "bytes allocated"],
        results.of(Table::Rejection).filter(|case| case.id.name != cases::NOTHING).map(|case| {
            let (nanos, allocations, bytes) = if case.id.name == cases::NO_TOKEN {
                let over = paired(case, nothing, |case, nothing| case - nothing);
                (over, case.allocations - nothing.allocations, case.bytes - nothing.bytes)
            } else {
                (case.micros() * 1000.0, case.allocations, case.bytes)
            };
            let ratio = nanos / 1000.0 / results.bare().micros();
            vec![case.id.name.clone(), micros(nanos / 1000.0), significant(ratio), amount(allocations), amount(bytes)]
        }),
    )
}

#[allow(clippy::cast_precision_loss)]
fn figures(results: &Results) -> String {
    let hot = results.case(Table::Process, cases::HOT);
    let cold = results.case(Table::Process, cases::COLD);
    let through = |name: &str| results.case(Table::Router, name);
    let idle = through(cases::NO_OP);
    let hot_app = through(cases::HOT);
    let layer = paired(hot_app, idle, |hot, idle| hot - idle) / 1000.0;
    // Scaled to the time of a bare signature check on the machine for which the goal was set.
    let scaled = layer / results.bare().micros() * 18.8;
    let several = results.case(Table::Cache, cases::SEVERAL);
    let rejected = ["unknown kid", "wrong issuer", "wrong alg", "too long"];
    let worst =
        rejected.map(|name| results.to_bare(results.case(Table::Rejection, name))).into_iter().fold(0.0, f64::max);
    let memory = &results.memory;
    let per_token = |bytes: u64| bytes as f64 / memory.tokens as f64;

    let mut rows = vec![
        vec![
            "cache disabled, in process".to_owned(),
            "<= 1.06 x bare, <= 4 allocations".to_owned(),
            format!("{:.3} x, {}", results.to_bare(cold), amount(cold.allocations)),
        ],
        vec![
            "cached token, in process".to_owned(),
            "<= 0.02 x bare, 0 allocations".to_owned(),
            format!("{} x, {}", significant(results.to_bare(hot)), amount(hot.allocations)),
        ],
        vec![
            "cached token through `Router::layer`, compared with a no-op layer".to_owned(),
            "<= 0.45 us at bare = 18.8 us, <= 1 allocation".to_owned(),
            format!(
                "{} us ({} here), {}",
                micros(scaled),
                micros(layer),
                amount(hot_app.allocations - idle.allocations)
            ),
        ],
        vec![
            "rejections before the signature".to_owned(),
            "<= 0.05 x bare each".to_owned(),
            format!("{} x at most", significant(worst)),
        ],
        vec![
            "two threads, 1,000 cached tokens".to_owned(),
            ">= 1.8".to_owned(),
            format!(
                "{:.2} (bare: {:.2})",
                scaling(results, cases::SEVERAL_TWO, several),
                scaling(results, cases::BARE_TWO, results.bare())
            ),
        ],
        vec![
            "two threads, one shared cached token".to_owned(),
            ">= 1.2".to_owned(),
            format!("{:.2}", scaling(results, cases::ONE_TWO, hot)),
        ],
        vec![
            "memory for a cached token".to_owned(),
            "<= 900 bytes".to_owned(),
            format!("{:.0} bytes, and {} for the first token with the table", per_token(memory.filled), memory.first),
        ],
        vec![
            format!("fetches for {} forged `kid` values", results.forged.tokens),
            "1 per cooldown".to_owned(),
            format!("{} ({} rejected)", results.forged.fetches, results.forged.rejected),
        ],
    ];
    if !results.sites.is_empty() {
        let peers = || {
            let is_peer = |name: &str| !name.starts_with("axum-cognito") && !cases::is_baseline(name);
            results.sites.iter().map(|site| site.name.as_str()).filter(move |name| is_peer(name))
        };
        let best =
            |by: fn(&Results, &str) -> Option<f64>| peers().filter_map(|name| by(results, name)).fold(0.0, f64::max);
        let of = |by: fn(&Results, &str) -> Option<f64>, name| by(results, name).unwrap_or(f64::NAN);
        rows.push(vec![
            "cached token over sockets".to_owned(),
            ">= 0.95 of plain axum".to_owned(),
            format!("{:.2} (by server time: {:.2})", of(throughput, cases::HOT), of(server_time, cases::HOT)),
        ]);
        rows.push(vec![
            "cache disabled over sockets".to_owned(),
            ">= 1.35 x the best peer".to_owned(),
            format!(
                "{:.2} x (by server time: {:.2} x)",
                of(throughput, cases::COLD) / best(throughput),
                of(server_time, cases::COLD) / best(server_time)
            ),
        ]);
    }
    table("Goals", &["measurement", "goal", "result"], rows.into_iter())
}

pub fn table(title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut out = format!("### {title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

fn micros(micros: f64) -> String {
    if micros.abs() < 10.0 { format!("{micros:.3}") } else { format!("{micros:.1}") }
}

pub fn significant(ratio: f64) -> String {
    match ratio {
        _ if ratio < 0.1 => format!("{ratio:.4}"),
        _ if ratio < 1.0 => format!("{ratio:.3}"),
        _ => format!("{ratio:.2}"),
    }
}

fn amount(amount: f64) -> String {
    let amount = (amount * 10.0).round() / 10.0;
    format!("{amount}")
}
