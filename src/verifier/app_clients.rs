//! App clients that are added and removed while the program runs.
//!
//! An application that registers an app client for each partner needs no restart.

use super::{handle::Verifier, pipeline::Pool};
use crate::error::ConfigError;

/// App clients at run time.
impl Verifier {
    /// Accepts the tokens of one more app client of this pool from now on. Whether it was not accepted before.
    ///
    /// All clones of the verifier, and layers made from it, share the change. It lasts as long as they do: write it into the configuration
    /// too, which is read at the next start.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// let token = fake.access_token("alice").client_id("2partner3456789").sign();
    /// assert!(verifier.check(&token).is_err());
    ///
    /// assert!(verifier.add_client(fake.id(), "2partner3456789")?);
    /// assert!(verifier.check(&token).is_ok());
    ///
    /// assert!(verifier.remove_client(fake.id(), "2partner3456789")?);
    /// assert!(verifier.check(&token).is_err());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClientAllowed`] if that pool accepts every client,
    /// [`ConfigError::InvalidClientId`] if the id is not of the form that Cognito gives out.
    pub fn add_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let mut added = false;
        for pool in self.listing_clients(pool_id.as_ref())? {
            added |= pool.clients.add(client_id.as_ref())? == Some(true);
        }
        if added {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was added");
        }
        Ok(added)
    }

    /// Accepts the tokens of this app client no longer. Whether it was accepted before.
    ///
    /// When this returns, no token of the client passes any more, remembered or not; only a check that began before may still be under
    /// way. What else is remembered of the pool's tokens is verified once more. Handlers that have their claims already keep them.
    ///
    /// Removing the last client lets nobody in. At the start that is an error, since an empty list there is a mistake; here somebody has
    /// asked for it, and it is logged as a warning.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClientAllowed`] if that pool accepts every client, so
    /// that removing one would change nothing.
    pub fn remove_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let left: Vec<_> = self
            .listing_clients(pool_id.as_ref())?
            .into_iter()
            .filter_map(|pool| pool.clients.remove(client_id.as_ref()))
            .collect();
        if !left.is_empty() {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was removed");
        }
        if left.contains(&0) {
            tracing::warn!(pool = %pool_id.as_ref(), "the last app client was removed: no token of the pool is accepted");
        }
        Ok(!left.is_empty())
    }

    /// The app clients of this pool whose tokens are accepted at the moment, sorted.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClientAllowed`] if that pool accepts every client.
    pub fn client_ids(&self, pool_id: impl AsRef<str>) -> Result<Vec<String>, ConfigError> {
        let mut all = Vec::new();
        for pool in self.listing_clients(pool_id.as_ref())? {
            all.extend(pool.clients.now().list.ids().into_iter().flatten().map(ToString::to_string));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The pools of this id that have a list of clients. Usually one: a pool can be configured twice, with different issuers.
    fn listing_clients(&self, pool_id: &str) -> Result<Vec<&Pool>, ConfigError> {
        let pools = &self.inner.pools;
        let named: Vec<_> = pools.iter().filter(|pool| pool.id.as_str() == pool_id).collect();
        if named.is_empty() {
            let configured = pools.iter().map(|pool| pool.id.to_string()).collect();
            return Err(ConfigError::UnknownPool { value: pool_id.to_owned(), configured });
        }
        if named.iter().any(|pool| pool.clients.now().list.ids().is_none()) {
            return Err(ConfigError::AnyClientAllowed { pool_id: pool_id.to_owned() });
        }
        Ok(named)
    }
}
