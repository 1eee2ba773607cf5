//! The processes of a run: the servers, one after another, and the generator.

use std::{io, net::SocketAddr};

use axum_cognito::testing::FakeUserPool;

use super::plan::{Outcome, Plan, Protocol, Tokens};
use crate::{
    candidates::{Backend, Subject},
    endpoint::Endpoint,
    material::Material,
    worker::{Purpose, Worker, on_core},
};

const SERVER_CORE: &str = "0";
const GENERATOR_CORE: &str = "1";

/// How long requests are sent to check that a server accepts or rejects their token, in seconds.
const CHECK: f64 = 0.05;

/// The key endpoint, the tokens and the generator.
pub struct Bench {
    pub material: Material,
    endpoint: Endpoint,
    old_keys: String,
    all_keys: String,
    generator: Worker,
}

/// A running server, which stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub protocol: Protocol,
    process: Worker,
}

impl Server {
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Bench {
    pub fn start() -> io::Result<Self> {
        let pool = FakeUserPool::new();
        let old_keys = pool.jwks_json();
        let endpoint = Endpoint::start(old_keys.clone())?;
        let material = Material::make(&pool, endpoint.jwks_url.clone());
        pool.rotate();
        let tokens = Tokens { old_key: material.several.clone(), new_key: Material::several(&pool) };
        let mut command = on_core(Some(GENERATOR_CORE), std::env::current_exe()?);
        command.arg("generate");
        let generator = Worker::spawn(command, &tokens)?;
        Ok(Self { material, endpoint, old_keys, all_keys: pool.jwks_json(), generator })
    }

    /// Starts a server, and checks that it accepts the valid tokens and rejects the invalid ones.
    pub fn serve(&mut self, subject: Subject, protocol: Protocol) -> io::Result<Server> {
        let purpose = Purpose::ServeOne(subject);
        let mut process = Worker::start(purpose, Backend::AwsLcRs, Some(SERVER_CORE), &self.material, &self.endpoint)?;
        let server = Server { address: process.receive()?, protocol, process };
        let (tampered, expired) = (self.material.tampered.clone(), self.material.expired.clone());
        for (token, is_valid) in [(Some(&*tampered), false), (Some(&*expired), false), (None, true)] {
            let counts = self.generate(&server.closed(token, 0.0, CHECK))?.old_key;
            let expected = if is_valid || !subject.is_protected() { counts.accepted } else { counts.rejected };
            assert!(counts.total() > 0 && expected == counts.total(), "{}: {counts:?}", subject.name());
        }
        Ok(server)
    }

    pub fn generate(&mut self, plan: &Plan) -> io::Result<Outcome> {
        self.generate_and(plan, |_| ())
    }

    /// Runs the generator and calls the closure while it runs.
    pub fn generate_and(&mut self, plan: &Plan, meanwhile: impl FnOnce(&Self)) -> io::Result<Outcome> {
        self.generator.send(plan)?;
        meanwhile(self);
        self.generator.receive()
    }

    pub fn publish_old_keys(&self) {
        self.endpoint.publish(self.old_keys.clone());
    }

    pub fn publish_all_keys(&self) {
        self.endpoint.publish(self.all_keys.clone());
    }

    pub fn fetches(&self) -> u64 {
        self.endpoint.fetches()
    }
}
