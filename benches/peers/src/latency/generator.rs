//! The load generator: one thread that sends requests and never waits for a timer.
//!
//! It polls its sockets and the clock in a busy loop on its own core, because a timer would wake it up tens of
//! microseconds late. A request's time starts when it is due, even if the generator or the connection was busy.

use std::{
    io::{self, BufRead, Write},
    iter::Peekable,
    mem,
    time::{Duration, Instant},
};

use mio::{Events, Poll};

use super::{
    connection::{Connection, Request},
    plan::{Load, Outcome, Plan, Tokens, USERS},
    schedule::{Due, Schedule},
    tally::Tally,
    wire::Wire,
};
use crate::{candidates::PATH, sockets::nanos_on_core};

/// How long the generator waits for responses after the last request.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a generator process: reads the tokens and plans from standard input, and writes an outcome for each plan.
pub fn run() -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    let Some(tokens) = lines.next().transpose()? else { return Ok(()) };
    let tokens: Tokens = serde_json::from_str(&tokens)?;
    for plan in lines {
        let plan: Plan = serde_json::from_str(&plan?)?;
        let outcome = Generator::connect(&plan, &tokens)?.measure(&plan)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
        out.flush()?;
    }
    Ok(())
}

struct Generator {
    poll: Poll,
    connections: Vec<Connection>,
    /// The bytes of each user's request before and after the rotation.
    requests: [Vec<Vec<u8>>; 2],
    /// The measured time in nanoseconds.
    end: i64,
    start: Instant,
    /// The requests of an open loop. In a closed loop, responses determine when requests are sent.
    schedule: Option<Peekable<Schedule>>,
    in_flight: usize,
    tally: Tally,
}

impl Generator {
    fn connect(plan: &Plan, tokens: &Tokens) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..plan.protocol.connections())
            .map(|number| Connection::open(plan.address, plan.protocol, poll.registry(), number))
            .collect::<io::Result<_>>()?;
        let requests = [&tokens.old_key, &tokens.new_key].map(|tokens| {
            let token = |user: usize| plan.token.as_ref().unwrap_or(&tokens[user]);
            (0..USERS).map(|user| Wire::request(plan.protocol, PATH, token(user))).collect()
        });
        let schedule = match plan.load {
            Load::Closed => None,
            Load::Open(rate) => Some(Schedule::new(rate, plan.warm_up, USERS).peekable()),
        };
        Ok(Self {
            poll,
            connections,
            requests,
            end: (plan.seconds * 1e9) as i64,
            start: Instant::now() + Duration::from_secs_f64(plan.warm_up),
            schedule,
            in_flight: 0,
            tally: Tally::default(),
        })
    }

    /// Returns the nanoseconds since the start of the measurement, which are negative during the warm-up.
    fn now(&self) -> i64 {
        let (now, nanos) = (Instant::now(), |time: Duration| time.as_nanos() as i64);
        match now.checked_duration_since(self.start) {
            Some(since) => nanos(since),
            None => -nanos(self.start - now),
        }
    }

    fn measure(mut self, plan: &Plan) -> io::Result<Outcome> {
        let (mut events, mut buffer) = (Events::with_capacity(USERS), vec![0; 64 * 1024]);
        let (mut now, mut server_start) = (self.now(), None);
        if self.schedule.is_none() {
            (0..USERS).for_each(|user| self.submit(Due { at: now, user }, now));
            self.connections.iter_mut().try_for_each(Connection::flush)?;
        }
        while now < self.end {
            if now >= 0 && server_start.is_none() {
                server_start = Some((now, nanos_on_core(plan.server)?));
            }
            let worked = self.step(now, &mut events, &mut buffer)?;
            let then = mem::replace(&mut now, self.now());
            if worked && then >= 0 {
                self.tally.busy += now - then;
            }
        }
        let server_end = nanos_on_core(plan.server)?;
        let measured = now;
        // All remaining requests were due before the end.
        while self.in_flight > 0 && now < self.end + GRACE.as_nanos() as i64 {
            self.step(now.min(self.end), &mut events, &mut buffer)?;
            now = self.now();
        }
        let (server_from, server_before) = server_start.unwrap_or((now, server_end));
        let server_busy = (server_end - server_before) / (measured - server_from).max(1) as f64;
        Ok(self.tally.outcome(self.end, measured, server_busy))
    }

    /// Sends the requests that are due and handles the responses that have arrived. Returns whether there were any.
    fn step(&mut self, now: i64, events: &mut Events, buffer: &mut [u8]) -> io::Result<bool> {
        let mut worked = false;
        while let Some(due) = self.next_due(now) {
            self.submit(due, self.now());
            let connection = self.connection_of(due.user);
            self.connections[connection].flush()?;
            worked = true;
        }
        self.poll.poll(events, Some(Duration::ZERO))?;
        for event in events.iter() {
            self.handle(event.token().0, buffer)?;
            worked = true;
        }
        Ok(worked)
    }

    /// Returns the next request of an open loop if it is due.
    fn next_due(&mut self, now: i64) -> Option<Due> {
        let end = self.end;
        self.schedule.as_mut()?.next_if(|due| due.at <= now && due.at < end)
    }

    fn connection_of(&self, user: usize) -> usize {
        user % self.connections.len()
    }

    /// Sends a user's request with the next flush, or queues it if the user's connection is busy.
    fn submit(&mut self, due: Due, now: i64) {
        let with_new_key = self.schedule.is_some() && due.at >= self.end / 2 && due.user % 2 == 1;
        let request = Request { due: due.at, user: due.user, with_new_key };
        self.tally.scheduled(request, now);
        self.in_flight += 1;
        let connection = self.connection_of(due.user);
        if let Some(request) = self.connections[connection].queue(request) {
            self.send(connection, request);
        }
    }

    fn send(&mut self, connection: usize, request: Request) {
        let bytes = &self.requests[usize::from(request.with_new_key)][request.user];
        self.connections[connection].send(request, bytes);
    }

    fn handle(&mut self, connection: usize, buffer: &mut [u8]) -> io::Result<()> {
        let mut answered = Vec::new();
        self.connections[connection].receive(buffer, &mut answered)?;
        let now = self.now();
        self.in_flight -= answered.len();
        for (request, is_200) in answered {
            self.tally.answered(request, is_200, now, self.end);
            if self.schedule.is_none() && now < self.end {
                self.submit(Due { at: now, user: request.user }, now);
            }
        }
        while let Some(request) = self.connections[connection].next() {
            self.send(connection, request);
        }
        self.connections[connection].flush()
    }
}
