//! Fetches one key over HTTP, and logs and counts the outcome.

use std::{borrow::Cow, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    alb::{
        key::{KeyName, Kid, PEM_MAX, VerifyingKey},
        product::Product,
    },
    keys::{FetchError, FetchErrorKind, HttpKeySource, KeySource},
    metrics,
};

/// The time limit of one fetch, including the connection.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

pub(in crate::alb) struct Endpoints {
    pub(in crate::alb) product: &'static Product,
    /// [`KeyName::endpoint`] is an index into this list. The list is empty if only preloaded keys are used.
    pub(in crate::alb) sources: Vec<HttpKeySource>,
    /// Preloaded keys never become stale and are never fetched.
    pub(in crate::alb) preloaded: Vec<(Kid, Arc<VerifyingKey>)>,
}

/// The fetched key, or [`None`] if the endpoint does not have the key.
pub(super) type Fetched = Result<Option<Arc<VerifyingKey>>, FetchError>;

impl Endpoints {
    /// Returns the base URL of a key's endpoint. Metrics use the URL as a label. The URL contains no key ID.
    pub(super) fn url(&self, name: KeyName) -> Cow<'_, str> {
        self.sources.get(name.endpoint).map_or(Cow::Borrowed(""), KeySource::describe)
    }

    pub(super) async fn fetch(&self, name: KeyName) -> Fetched {
        let error = |kind, message| FetchError::new(kind, message);
        let source = self.sources.get(name.endpoint);
        let source = source.ok_or_else(|| error(FetchErrorKind::Other, "there is no such endpoint"))?;
        let kid = name.kid.to_string();
        let pem = timeout(FETCH_TIMEOUT, source.get_below(&kid, PEM_MAX)).await;
        let pem = pem.map_err(|_| error(FetchErrorKind::Timeout, "no complete response within 5 s"))??;
        let Some(pem) = pem else { return Ok(None) };
        let key = VerifyingKey::from_pem(&pem, self.product);
        let unusable = || error(FetchErrorKind::NoUsableKeys, "the document is not the PEM text of a key");
        Ok(Some(Arc::new(key.ok_or_else(unusable)?)))
    }
}

/// Counts a completed fetch. `age` is the time since the last fetch that found the key, if the key is cached.
pub(super) fn count(source: &str, result: &Fetched, age: Option<Duration>) {
    let outcome = match result {
        Ok(Some(_)) => "ok",
        Ok(None) => "absent",
        Err(error) => error.kind().as_str(),
    };
    metrics::alb_key_fetch(source, outcome, age);
}

/// Logs the outcome of a fetch. The log line omits the key ID, which comes from a client.
pub(super) fn report(result: &Fetched, failures: u32, is_outage: bool) {
    match result {
        Ok(Some(_)) => tracing::debug!("fetched a key of the load balancer"),
        Ok(None) => tracing::debug!("the key endpoint has no key with the ID that a token names"),
        Err(error) if is_outage => {
            tracing::warn!(kind = error.kind().as_str(), %error, "could not fetch a key of the load balancer");
        }
        Err(error) => {
            tracing::debug!(kind = error.kind().as_str(), failures, %error, "could not fetch a key of the load balancer");
        }
    }
}
