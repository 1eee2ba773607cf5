//! Compares the key fetches per second of 10,000 programs with the Amazon Cognito quota.
//!
//! The fleet figures in the guide's chapter on keys and in `docs/key-fetches.svg` come from this simulation. The test
//! fails if the chart differs from the simulation. `KEYS_CHART=1 cargo test --test simulation fleet` redraws the chart.

use std::{cmp::Reverse, collections::BinaryHeap, env, fmt::Write, fs, path::Path, time::Duration};

use crate::{
    message::Event,
    settings::RefreshSettings,
    world::{Clocks, HOUR, Instance, Key, Mode, Outcome, Random, secs},
};

const PROGRAMS: usize = 10_000;

/// The quota for `jwks.json` requests per second, account and Region:
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html>.
const QUOTA: u64 = 50_000;

struct Fleet {
    programs: Vec<Instance>,
    clocks: Clocks,
    random: Random,
    queue: BinaryHeap<Reverse<(Duration, usize)>>,
    /// The number of fetches in each second.
    fetches: Vec<u64>,
    rejected: u64,
}

/// The number of fetches per second during a period.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// The number in the busiest second.
    peak: u64,
    /// The average.
    mean: f64,
}

impl Fleet {
    fn new(mode: Mode) -> Self {
        let program = |_| {
            let mut program = Instance::new(RefreshSettings::default());
            program.endpoint.mode = mode;
            program
        };
        Self {
            programs: (0..PROGRAMS).map(program).collect(),
            clocks: Clocks::new(),
            random: Random::new(1),
            queue: BinaryHeap::new(),
            fetches: Vec::new(),
            rejected: 0,
        }
    }

    /// Starts all programs within one second, each with one request.
    fn started(mode: Mode) -> Self {
        let mut fleet = Self::new(mode);
        fleet.send_to_all(secs(1), |_| (1, 1));
        fleet
    }

    /// Sends one token to every program, each at a random time within this period.
    fn send_to_all(&mut self, within: Duration, key: impl Fn(u64) -> Key) {
        let mut arrivals: Vec<_> = (0..PROGRAMS).map(|at| (self.random.up_to(within), at)).collect();
        arrivals.sort_unstable();
        let start = self.clocks.time;
        for (nth, (after, at)) in arrivals.into_iter().enumerate() {
            self.run_until(start + after);
            self.act(at, |program, clocks, random| program.request(key(nth as u64), clocks, random));
        }
        self.run_until(start + within);
    }

    fn run_until(&mut self, time: Duration) {
        while let Some(Reverse((at, program))) = self.queue.peek().copied().filter(|next| next.0.0 <= time) {
            self.queue.pop();
            self.clocks.advance_to(at);
            self.act(program, |_, _, _| ());
        }
        self.clocks.advance_to(time);
    }

    /// Applies an action to a program, and then processes everything that is due in the program.
    fn act(&mut self, at: usize, act: impl FnOnce(&mut Instance, &Clocks, &mut Random)) {
        let (program, clocks, random) = (&mut self.programs[at], &self.clocks, &mut self.random);
        let before = program.fetches;
        act(program, clocks, random);
        loop {
            if let Some(completed) =
                program.in_flight.iter().position(|it| it.completes.is_some_and(|at| at <= clocks.time))
            {
                program.complete(completed, clocks, random);
            } else if program.alarm_at(clocks).is_some_and(|at| at <= clocks.time) && program.has_started() {
                program.on(Event::Wake, clocks, random);
            } else {
                break;
            }
        }
        program.give_up(clocks);
        self.rejected +=
            program.decided.drain(..).filter(|request| request.outcome != Outcome::Accepted).count() as u64;
        let started = program.fetches - before;
        let second = clocks.time.as_secs() as usize;
        self.fetches.resize(self.fetches.len().max(second + 1), 0);
        self.fetches[second] += started;
        let completes = program.in_flight.iter().filter_map(|fetch| fetch.completes).min();
        let alarm = program.alarm_at(clocks).filter(|_| program.has_started());
        let next = [completes, alarm, program.waiters.iter().map(|waiter| waiter.deadline).min()];
        if let Some(due) = next.into_iter().flatten().min() {
            self.queue.push(Reverse((due, at)));
        }
    }

    fn set(&mut self, mode: Mode) {
        self.programs.iter_mut().for_each(|program| program.endpoint.mode = mode);
    }

    fn load(&self, from: Duration, until: Duration) -> Load {
        let last = (until.as_secs() as usize).min(self.fetches.len());
        let seconds = &self.fetches[(from.as_secs() as usize).min(last)..last];
        let sum: u64 = seconds.iter().sum();
        Load {
            peak: seconds.iter().copied().max().unwrap_or_default(),
            mean: sum as f64 / (until - from).as_secs_f64(),
        }
    }
}

/// Returns the chart's rows, each with its scenario and the load.
fn loads() -> Vec<(&'static str, Load)> {
    let mut rows = Vec::new();

    let mut fleet = Fleet::started(Mode::Fast);
    rows.push(("all start within one second", fleet.load(secs(0), secs(1))));
    fleet.run_until(HOUR * 2);
    rows.push(("steady state", fleet.load(secs(60), HOUR * 2)));
    let start = fleet.clocks.time;
    for program in &mut fleet.programs {
        program.endpoint.published = [(1, 1), (2, 2), (3, 3)].into();
    }
    fleet.send_to_all(secs(1), |_| (3, 3));
    fleet.run_until(start + secs(5));
    rows.push(("rotation, seen by all within one second", fleet.load(start, start + secs(5))));
    assert_eq!(fleet.rejected, 0, "a rotation must reject no request");

    let start = fleet.clocks.time;
    fleet.set(Mode::Reject);
    fleet.run_until(start + HOUR + secs(1200));
    rows.push(("outage, programs have keys", fleet.load(start, start + HOUR + secs(1200))));
    let back = fleet.clocks.time;
    fleet.set(Mode::Fast);
    fleet.run_until(back + secs(120));
    rows.push(("the two minutes after that outage", fleet.load(back, back + secs(120))));
    assert!(fleet.programs.iter().all(|program| program.state.failures == 0), "every program has recovered");

    for (name, mode) in [
        ("start in an outage, connections refused", Mode::Reject),
        ("start in an outage, connections hang", Mode::Hang),
    ] {
        let mut fleet = Fleet::started(mode);
        fleet.run_until(secs(12));
        rows.push((name, fleet.load(secs(0), secs(12))));
        fleet.set(Mode::Fast);
        fleet.run_until(secs(17));
        assert!(fleet.programs.iter().all(|program| program.keys.is_some()), "every program has keys");
        assert!(
            fleet.load(secs(12), secs(17)).peak <= fleet.load(secs(0), secs(12)).peak,
            "the end of the outage causes a higher peak than the outage"
        );
    }

    let mut fleet = Fleet::started(Mode::Fast);
    fleet.run_until(secs(60));
    for _ in 0..30 {
        fleet.send_to_all(secs(1), |nth| (u64::MAX, nth));
    }
    rows.push(("forged tokens: the first five seconds", fleet.load(secs(60), secs(65))));
    rows.push(("forged tokens: from then on", fleet.load(secs(65), secs(90))));
    rows
}

#[test]
fn ten_thousand_programs_stay_below_the_quota() {
    let loads = loads();
    for (name, load) in &loads {
        println!("{name}: {} in the busiest second, {:.1} on average", load.peak, load.mean);
        assert!(load.peak < QUOTA, "{name}");
    }
    let chart = chart(&loads);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/key-fetches.svg");
    if env::var_os("KEYS_CHART").is_some() {
        fs::write(&path, &chart).expect("the chart can be written");
    }
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        chart,
        "the chart is outdated: redraw it with KEYS_CHART=1"
    );
}

/// Draws the busiest second as a bar on a logarithmic scale, with a mark for the average.
fn chart(loads: &[(&str, Load)]) -> String {
    const LEFT: f64 = 360.0;
    const DECADE: f64 = 100.0;
    let x = |rate: f64| LEFT + rate.max(1.0).log10() * DECADE;
    let (top, row) = (84.0, 30.0);
    let bottom = top + row * loads.len() as f64;
    let (width, height) = (920, bottom as u32 + 70);
    let mut svg = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(svg, "{text}").expect("strings can be written");
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d">"#
    ));
    line(format_args!(r#"<title id="t">Key fetches per second of 10,000 programs</title>"#));
    let told: Vec<_> = loads
        .iter()
        .map(|(name, load)| format!("{name}: {} at most, {:.1} on average", load.peak, load.mean))
        .collect();
    line(format_args!(
        r#"<desc id="d">Fetches per second at one key endpoint. {}. Quota: {QUOTA}.</desc>"#,
        told.join("; ")
    ));
    line(format_args!("{STYLE}"));
    line(format_args!(
        r#"<rect class="ground" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>"#,
        width - 1,
        height - 1
    ));
    line(format_args!(r#"<text class="title" x="24" y="34">Key fetches per second of 10,000 programs</text>"#));
    line(format_args!(
        r#"<text class="small" x="24" y="56">Bar: the busiest second. White mark: the average. Simulated with the default settings; logarithmic scale.</text>"#
    ));
    for (exponent, label) in ["1", "10", "100", "1,000", "10,000"].iter().enumerate() {
        let at = LEFT + DECADE * exponent as f64;
        line(format_args!(r#"<line class="grid" x1="{at}" y1="{top}" x2="{at}" y2="{bottom}"/>"#));
        line(format_args!(r#"<text class="small mid" x="{at}" y="{}">{label}</text>"#, bottom + 20.0));
    }
    for (index, (name, load)) in loads.iter().enumerate() {
        let y = top + row * index as f64;
        let (peak, mean) = (x(load.peak as f64), x(load.mean));
        line(format_args!(r#"<text class="name" x="{}" y="{}">{name}</text>"#, LEFT - 10.0, y + 20.0));
        line(format_args!(r#"<rect class="ours" x="{LEFT}" y="{}" width="{:.1}" height="18"/>"#, y + 6.0, peak - LEFT));
        line(format_args!(r#"<rect class="mean" x="{:.1}" y="{}" width="3" height="18"/>"#, mean - 1.5, y + 6.0));
        line(format_args!(r#"<text class="name" x="{}" y="{}">{}</text>"#, width - 20, y + 20.0, load.peak));
    }
    let quota = x(QUOTA as f64);
    line(format_args!(r#"<line class="one" x1="{quota:.1}" y1="{top}" x2="{quota:.1}" y2="{bottom}"/>"#));
    line(format_args!(r#"<text class="small mid" x="{quota:.1}" y="{}">quota 50,000</text>"#, bottom + 40.0));
    line(format_args!("</svg>"));
    // The guide embeds the chart as a `data:` URL in double quotes.
    svg.replace('"', "'")
}

const STYLE: &str = "<style>
text { font: 14px system-ui, sans-serif; fill: rgb(31 35 40); }
.ground { fill: rgb(255 255 255); stroke: rgb(209 217 224); }
.title { font-size: 17px; font-weight: 600; }
.small { font-size: 12px; fill: rgb(89 99 110); }
.mid { text-anchor: middle; }
.name { text-anchor: end; font-variant-numeric: tabular-nums; }
.ours { fill: rgb(26 127 55); }
.mean { fill: rgb(255 255 255); }
.grid { stroke: rgb(209 217 224); fill: none; }
.one { stroke: rgb(207 34 46); stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: rgb(240 246 252); }
  .ground { fill: rgb(13 17 23); stroke: rgb(61 68 77); }
  .small { fill: rgb(145 152 161); }
  .ours { fill: rgb(46 160 67); }
  .grid { stroke: rgb(61 68 77); }
  .one { stroke: rgb(248 81 73); }
}
</style>";
