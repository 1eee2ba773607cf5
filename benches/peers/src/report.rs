//! The results as tables in Markdown.

use std::fmt::Write;

use crate::{
    cases::{self, Table},
    results::{Case, Results, Site, median, paired},
    sockets::Load,
};

pub fn markdown(results: &Results) -> String {
    let parts = [head(results), process(results), router(results), sockets(results), own(results), refusals(results)];
    [parts.join("\n"), figures(results)].join("\n")
}

fn head(results: &Results) -> String {
    let about = &results.about;
    let versions: Vec<_> = about.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "Measured on {}: {} cores, {}, rustc {}, token of {} bytes, RSA-2048.\n{}.\n\
         Medians of {} rounds; ratios are taken within a round. Bare signature: {:.2} us.\n\
         Load of the machine before the run: {:.1}, at its end, with what it does itself: {:.1}.\n",
        about.date,
        about.cores,
        about.cpu,
        about.rustc,
        about.token_bytes,
        versions.join(", "),
        results.bare().nanos.len(),
        results.bare().micros(),
        about.load[0],
        about.load[1],
    )
}

fn process(results: &Results) -> String {
    let mut rows: Vec<_> = results.of(Table::Process).collect();
    rows.sort_by(|a, b| results.to_bare(a).total_cmp(&results.to_bare(b)));
    table(
        "One token in process, keys loaded",
        &["verifier", "us", "ratio to bare", "allocations", "bytes allocated"],
        rows.into_iter().map(|case| {
            let ratio = significant(results.to_bare(case));
            vec![case.id.name.clone(), micros(case.micros()), ratio, amount(case.allocations), amount(case.bytes)]
        }),
    )
}

/// The application without a guard that a candidate's is compared with: that of the same axum.
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
        "One request through an axum Router, no sockets, over the same router without auth ({} us, {} allocations)",
        micros(plain.micros()),
        amount(plain.allocations)
    );
    table(
        &title,
        &["guard", "over plain, us", "in bare signatures", "allocations over plain", "bytes over plain"],
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

/// Throughput of a site over that of the plain application on the same axum.
fn throughput(results: &Results, name: &str) -> Option<f64> {
    let find = |name: &str| results.sites.iter().find(|site| site.name == name);
    let (site, plain) = (find(name)?, find(plain_of(name))?);
    let ratio = |at: usize| site.loads[at].requests_per_second / plain.loads[at].requests_per_second;
    Some(paired_sites(site, plain, ratio))
}

/// Server time of the plain application for a request, over that of a site.
fn server_time(results: &Results, name: &str) -> Option<f64> {
    let find = |name: &str| results.sites.iter().find(|site| site.name == name);
    let (site, plain) = (find(name)?, find(plain_of(name))?);
    Some(paired_sites(site, plain, |at| plain.loads[at].server_nanos / site.loads[at].server_nanos))
}

/// The share of its core that the server had.
fn busy(load: &Load) -> f64 {
    load.requests_per_second * load.server_nanos / 1e9
}

fn sockets(results: &Results) -> String {
    if results.sites.is_empty() {
        return "Nothing was measured over sockets.\n".to_owned();
    }
    let mut rows: Vec<_> = results.sites.iter().collect();
    rows.sort_by(|a, b| throughput(results, &b.name).partial_cmp(&throughput(results, &a.name)).expect("no NaN"));
    let title = "Over loopback sockets: wrk, keep-alive, one server core";
    table(
        title,
        &[
            "guard",
            "requests/s",
            "ratio to plain axum",
            "server time a request, us",
            "plain's server time over it",
            "server's core busy",
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

/// Work on two threads, over the same work on one.
fn scaling(results: &Results, two: &str, one: &Case) -> f64 {
    paired(one, results.case(Table::Own, two), |one, two| 2.0 * one / two)
}

fn own(results: &Results) -> String {
    let hot = results.case(Table::Process, cases::HOT);
    let cold = results.case(Table::Process, cases::COLD);
    let several = results.case(Table::Own, cases::SEVERAL);
    let single = [
        ("cold (cache off)", cold),
        ("seen before, one token", hot),
        ("seen before, 1,000 tokens in turn", several),
        ("seen for the first time, 1,000 tokens", results.case(Table::Own, cases::FIRST_SIGHT)),
    ];
    let alone = table(
        "axum-cognito on its own, in process",
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
        "Two threads: throughput over that of one thread",
        &["case", "throughput"],
        two.into_iter().map(|(name, one)| vec![name.to_owned(), format!("{:.2}", scaling(results, name, one))]),
    );
    [alone, threads].join("\n")
}

fn refusals(results: &Results) -> String {
    let nothing = results.case(Table::Refusal, cases::NOTHING);
    table(
        "Refusals by axum-cognito, in process",
        &["token", "us", "ratio to bare", "allocations", "bytes allocated"],
        results.of(Table::Refusal).filter(|case| case.id.name != cases::NOTHING).map(|case| {
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
    let idle = through(cases::IDLE);
    let hot_app = through(cases::HOT);
    let layer = paired(hot_app, idle, |hot, idle| hot - idle) / 1000.0;
    // As if the bare signature took what it took when the goal was set.
    let scaled = layer / results.bare().micros() * 15.8;
    let several = results.case(Table::Own, cases::SEVERAL);
    let refused = ["unknown kid", "wrong issuer", "wrong alg", "too long"];
    let worst = refused.map(|name| results.to_bare(results.case(Table::Refusal, name))).into_iter().fold(0.0, f64::max);
    let memory = &results.memory;
    let per_token = |bytes: u64| bytes as f64 / memory.tokens as f64;

    let mut rows = vec![
        vec![
            "cold, in process".to_owned(),
            "<= 1.06 x bare, <= 4 allocations".to_owned(),
            format!("{:.3} x, {}", results.to_bare(cold), amount(cold.allocations)),
        ],
        vec![
            "token seen before, in process".to_owned(),
            "<= 0.02 x bare, 0 allocations".to_owned(),
            format!("{} x, {}", significant(results.to_bare(hot)), amount(hot.allocations)),
        ],
        vec![
            "hot through `Router::layer`, over a layer that does nothing".to_owned(),
            "<= 0.30 us at bare = 15.8 us, <= 1 allocation".to_owned(),
            format!(
                "{} us ({} here), {}",
                micros(scaled),
                micros(layer),
                amount(hot_app.allocations - idle.allocations)
            ),
        ],
        vec![
            "refusals before the signature".to_owned(),
            "<= 0.05 x bare each".to_owned(),
            format!("{} x at most", significant(worst)),
        ],
        vec![
            "two threads, hot, 1,000 tokens".to_owned(),
            ">= 1.8".to_owned(),
            format!(
                "{:.2} (bare: {:.2})",
                scaling(results, cases::SEVERAL_TWO, several),
                scaling(results, cases::BARE_TWO, results.bare())
            ),
        ],
        vec![
            "two threads, hot, one shared token".to_owned(),
            ">= 1.2".to_owned(),
            format!("{:.2}", scaling(results, cases::ONE_TWO, hot)),
        ],
        vec![
            "memory for a cached token".to_owned(),
            "<= 900 bytes".to_owned(),
            format!("{:.0} bytes on top of {} for the empty cache", per_token(memory.filled), memory.empty),
        ],
        vec![
            format!("fetches for {} forged kids", results.forged.tokens),
            "1 in a cool-down".to_owned(),
            format!("{} ({} refused)", results.forged.fetches, results.forged.refused),
        ],
    ];
    if !results.sites.is_empty() {
        let peers = || {
            let no_peer = |name: &str| ["axum-cognito", "plain", "a layer"].iter().any(|start| name.starts_with(start));
            results.sites.iter().map(|site| site.name.as_str()).filter(move |name| !no_peer(name))
        };
        let best =
            |by: fn(&Results, &str) -> Option<f64>| peers().filter_map(|name| by(results, name)).fold(0.0, f64::max);
        let of = |by: fn(&Results, &str) -> Option<f64>, name| by(results, name).unwrap_or(f64::NAN);
        rows.push(vec![
            "hot over sockets".to_owned(),
            ">= 0.95 of plain axum".to_owned(),
            format!("{:.2} (by server time: {:.2})", of(throughput, cases::HOT), of(server_time, cases::HOT)),
        ]);
        rows.push(vec![
            "cold over sockets".to_owned(),
            ">= 1.35 x the best peer".to_owned(),
            format!(
                "{:.2} x (by server time: {:.2} x)",
                of(throughput, cases::COLD) / best(throughput),
                of(server_time, cases::COLD) / best(server_time)
            ),
        ]);
    }
    table("Figures to reach", &["what", "goal", "reached"], rows.into_iter())
}

fn table(title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
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
