//! Draws the time per token for each verifier, relative to a bare signature check, on a logarithmic scale.
//!
//! A dot plot, because a logarithmic scale has no zero at which a bar could start, so the length of a bar would have no
//! meaning. Faster is farther left.

use std::fmt::Write;

use crate::{
    cases::{BARE, COLD, HOT, Table},
    report::significant,
    results::Results,
};

const WIDTH: f64 = 920.0;
const LABELS: f64 = 376.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 116.0;
const ROW: f64 = 26.0;
/// The distance from the top of a row to its dot.
const MIDDLE: f64 = 8.0;
const RADIUS: f64 = 6.0;
const FOOT: f64 = 84.0;

/// The range of the scale, as powers of ten.
const FROM: f64 = -2.5;
const TO: f64 = 1.15;

/// Returns the horizontal position of a ratio.
fn x_of(ratio: f64) -> f64 {
    let share = (ratio.log10().clamp(FROM, TO) - FROM) / (TO - FROM);
    LABELS + share * (WIDTH - LABELS - RIGHT)
}

pub fn svg(results: &Results) -> String {
    let mut rows: Vec<_> = results.of(Table::Process).filter(|case| case.id.name != BARE).collect();
    rows.sort_by(|a, b| results.to_bare(a).total_cmp(&results.to_bare(b)));
    let height = rows.iter().fold(TOP + FOOT, |height, _| height + ROW);
    let bottom = height - FOOT;
    let about = &results.about;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' role='img' aria-labelledby='t d'>
<title id='t'>Time to verify one Cognito access token</title>
<desc id='d'>{}</desc>
{STYLE}
<rect class='background' x='0.5' y='0.5' width='{}' height='{}' rx='10'/>
<text class='title' x='20' y='32'>One access token, verified in process with loaded keys</text>
<text class='small' x='20' y='53'>Time relative to one bare RSA-2048 signature check (aws-lc-rs with a parsed key). Less is better.</text>
<text class='small' x='20' y='71'>The scale is logarithmic: each vertical line is ten times the time of the line to its left.</text>
",
        description(results),
        WIDTH - 1.0,
        height - 1.0,
    );
    for (ratio, label) in [(0.01, "0.01"), (0.1, "0.1"), (10.0, "10")] {
        let x = x_of(ratio);
        let _ = writeln!(out, "<path class='grid' d='M{x:.1} {} V{bottom:.1}'/>", TOP - 8.0);
        let _ = writeln!(out, "<text class='small mid' x='{x:.1}' y='{}'>{label}</text>", TOP - 14.0);
    }
    let one = x_of(1.0);
    let _ = writeln!(out, "<path class='one' d='M{one:.1} {} V{bottom:.1}'/>", TOP - 8.0);
    let _ =
        writeln!(out, "<text class='small mid strong' x='{one:.1}' y='{}'>1 = signature check only</text>", TOP - 14.0);
    for (row, case) in rows.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let top = TOP + row as f64 * ROW;
        let ratio = results.to_bare(case);
        let (x, middle) = (x_of(ratio), top + MIDDLE);
        let kind = match case.id.name.as_str() {
            HOT | COLD => "ours",
            _ => "peer",
        };
        let (name, text) = (label(&case.id.name), middle + 5.0);
        let _ = writeln!(out, "<path class='row' d='M{LABELS} {middle:.1} H{:.1}'/>", WIDTH - RIGHT);
        let _ = writeln!(out, "<text class='name {kind}-name' x='{:.1}' y='{text:.1}'>{name}</text>", LABELS - 14.0);
        let _ = writeln!(out, "<circle class='{kind}' cx='{x:.1}' cy='{middle:.1}' r='{RADIUS}'/>");
        let value = x + RADIUS + 6.0;
        let _ = writeln!(out, "<text class='value' x='{value:.1}' y='{text:.1}'>{}</text>", rounded(ratio));
    }
    let versions: Vec<_> = about.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let (first, second) = versions.split_at(versions.len().div_ceil(2));
    let machine = format!(
        "Measured on {} · {} cores, {} · rustc {} · token of {} bytes · medians of {} interleaved rounds",
        about.date,
        about.cores,
        about.cpu,
        about.rustc,
        about.token_bytes,
        results.bare().nanos.len()
    );
    for (line, text) in [machine, first.join(" · "), second.join(" · ")].into_iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = bottom + 28.0 + line as f64 * 18.0;
        let _ = writeln!(out, "<text class='small' x='20' y='{y:.1}'>{}</text>", escaped(&text));
    }
    out.push_str("</svg>\n");
    out
}

/// Returns the label of a verifier, with its cryptography backend in parentheses.
fn label(name: &str) -> String {
    match name {
        HOT => "axum-cognito, cached token".to_owned(),
        COLD => "axum-cognito, cache disabled".to_owned(),
        _ => {
            let (package, backend) = name.split_once(", ").unwrap_or((name, ""));
            let by_hand = package.strip_suffix(" by hand");
            // `jsonwebtoken` has no default backend. The crates that choose a default choose this one.
            let default = if backend == "rust_crypto" && by_hand.is_none() { ", default" } else { "" };
            let package = escaped(by_hand.unwrap_or(package));
            format!("{package} <tspan class='small'>({backend}{default})</tspan>")
        }
    }
}

/// Formats a ratio with two or three significant digits.
fn rounded(ratio: f64) -> String {
    match ratio {
        _ if ratio < 0.0995 => format!("{ratio:.3}"),
        _ if ratio < 9.95 => format!("{ratio:.2}"),
        _ => format!("{ratio:.1}"),
    }
}

/// Describes the chart as text, for screen readers.
fn description(results: &Results) -> String {
    let rows = results.of(Table::Process).filter(|case| case.id.name != BARE);
    let rows: Vec<_> = rows.map(|case| format!("{}: {}", case.id.name, significant(results.to_bare(case)))).collect();
    escaped(&format!("Ratios to one bare RSA-2048 signature check. {}.", rows.join("; ")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The chart draws its own background, so that text and background change together in dark mode. The guide embeds the
/// chart in an attribute of an HTML element, so the chart contains no `"` and no `#`.
const STYLE: &str = "<style>
text { font: 14px system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif; fill: rgb(31 35 40); }
.background { fill: rgb(255 255 255); stroke: rgb(209 217 224); }
.title { font-size: 17px; font-weight: 600; }
.small { font-size: 12px; fill: rgb(89 99 110); }
.strong { font-weight: 600; }
.mid { text-anchor: middle; }
.name { text-anchor: end; }
.ours-name { font-weight: 600; }
.ours { fill: rgb(26 127 55); }
.peer { fill: rgb(129 139 152); }
.value { font-size: 13px; font-variant-numeric: tabular-nums; paint-order: stroke; stroke: rgb(255 255 255); stroke-width: 5px; }
.grid { stroke: rgb(209 217 224); fill: none; }
.row { stroke: rgb(209 217 224); stroke-dasharray: 1 4; fill: none; }
.one { stroke: rgb(89 99 110); stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: rgb(240 246 252); }
  .background { fill: rgb(13 17 23); stroke: rgb(61 68 77); }
  .small { fill: rgb(145 152 161); }
  .ours { fill: rgb(63 185 80); }
  .peer { fill: rgb(101 108 118); }
  .value { stroke: rgb(13 17 23); }
  .grid, .row { stroke: rgb(61 68 77); }
  .one { stroke: rgb(145 152 161); }
}
</style>";
