//! Measures requests over loopback sockets. `wrk` runs on one core and a server with one thread on another.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::{
    candidates::{Backend, PATH},
    cases,
    endpoint::Endpoint,
    material::Material,
    worker::{Purpose, Worker, on_core},
};

const CONNECTIONS: &str = "32";

/// One served application.
struct Site {
    name: String,
    address: SocketAddr,
    server: usize,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Load {
    pub requests_per_second: f64,
    /// The CPU time of the server's thread per request.
    pub server_nanos: f64,
}

pub struct Sockets {
    servers: Vec<Worker>,
    sites: Vec<Site>,
    bearer: String,
}

pub fn is_generator_installed() -> bool {
    Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Sockets {
    /// Starts the servers, and checks that each application accepts the valid token and rejects the invalid ones.
    pub fn start(material: &Material, endpoint: &Endpoint) -> io::Result<Self> {
        let (mut servers, mut sites) = (Vec::new(), Vec::new());
        for backend in Backend::ALL {
            let mut server = Worker::start(Purpose::Serve, backend, Some("0"), material, endpoint)?;
            let addresses: Vec<(String, SocketAddr)> = server.receive()?;
            sites.extend(addresses.into_iter().map(|(name, address)| Site { name, address, server: servers.len() }));
            servers.push(server);
        }
        for site in &sites {
            let protected = !cases::is_baseline(&site.name);
            for (token, good) in [(&material.good, true), (&material.tampered, false), (&material.expired, false)] {
                let status = status_of(site.address, token)?;
                let expected = good || !protected;
                assert_eq!(status == 200, expected, "{} responded with {status} over a socket", site.name);
            }
        }
        Ok(Self { servers, sites, bearer: material.good.clone() })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| site.name.as_str())
    }

    /// Sends requests to one application for a number of seconds.
    pub fn load(&self, site: usize, seconds: u64) -> io::Result<Load> {
        let site = &self.sites[site];
        let server = self.servers[site.server].id();
        let busy_before = nanos_on_core(server)?;
        let output = on_core(Some("1"), "wrk".into())
            .args(["-t", "1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")])
            .args(["-H", &format!("Authorization: Bearer {}", self.bearer)])
            .arg(format!("http://{}{PATH}", site.address))
            .output()?;
        let busy = nanos_on_core(server)? - busy_before;
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(!report.contains("Non-2xx"), "{} rejected requests under load:\n{report}", site.name);
        let number =
            |label: &str| report.lines().find_map(|line| line.trim().strip_prefix(label)?.trim().parse::<f64>().ok());
        let total = report.lines().find_map(|line| {
            let (requests, rest) = line.trim().split_once(" requests in ")?;
            rest.contains("read").then(|| requests.parse::<f64>().ok())?
        });
        let (Some(requests_per_second), Some(requests)) = (number("Requests/sec:"), total) else {
            return Err(io::Error::other(format!("unexpected output of wrk:\n{report}")));
        };
        Ok(Load { requests_per_second, server_nanos: busy / requests })
    }
}

/// Returns the CPU time of a server's only thread, in nanoseconds.
pub fn nanos_on_core(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn status_of(address: SocketAddr, token: &str) -> io::Result<u16> {
    let mut connection = TcpStream::connect(address)?;
    let head =
        format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes())?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
