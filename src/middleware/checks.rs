//! [`Checks`]: the custom checks of a layer.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;
use tokio::time::timeout;

use super::{check_error::CheckError, rejection::AuthRejection};
use crate::claims::CognitoClaims;

type SyncCheck = dyn Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync;
type AsyncCheck = dyn Fn(CognitoClaims, Arc<Parts>) -> CheckFuture + Send + Sync;
type CheckFuture = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send>>;

/// The custom checks of a layer. All sync checks run before the async checks. Checks of the same kind run in the order
/// in which they were added.
#[derive(Clone)]
pub(super) struct Checks {
    synchronous: Vec<Arc<SyncCheck>>,
    asynchronous: Vec<Arc<AsyncCheck>>,
    /// The time limit of each async check.
    pub(super) timeout: Duration,
}

impl Default for Checks {
    /// Sets the time limit to one second, because backends usually respond within milliseconds.
    fn default() -> Self {
        Self { synchronous: Vec::new(), asynchronous: Vec::new(), timeout: Duration::from_secs(1) }
    }
}

impl Checks {
    pub(super) fn add(
        &mut self,
        check: impl Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync + 'static,
    ) {
        self.synchronous.push(Arc::new(check));
    }

    pub(super) fn add_async<C, F>(&mut self, check: C)
    where
        C: FnOnce(CognitoClaims, Arc<Parts>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        let check = move |claims, request| Box::pin(check.clone()(claims, request)) as CheckFuture;
        self.asynchronous.push(Arc::new(check));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.synchronous.is_empty() && self.asynchronous.is_empty()
    }

    /// Returns `true` if a request may have to wait for a check.
    pub(super) fn may_wait(&self) -> bool {
        !self.asynchronous.is_empty()
    }

    /// Runs the sync checks until one rejects the request.
    pub(super) fn run_sync(&self, claims: &CognitoClaims, request: &Parts) -> Result<(), AuthRejection> {
        Ok(self.synchronous.iter().try_for_each(|check| check(claims, request))?)
    }

    /// Runs the async checks one after the other until one rejects the request or exceeds the time limit.
    pub(super) async fn run_async(&self, claims: &CognitoClaims, request: &Arc<Parts>) -> Result<(), AuthRejection> {
        for check in &self.asynchronous {
            let result = timeout(self.timeout, check(claims.clone(), Arc::clone(request))).await;
            result.unwrap_or_else(|_| Err(CheckError::unavailable("the check exceeded its time limit")))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("synchronous", &self.synchronous.len())
            .field("asynchronous", &self.asynchronous.len())
            .field("timeout", &self.timeout)
            .finish()
    }
}
