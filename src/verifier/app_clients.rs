//! Adds and removes app clients while the program runs.
//!
//! An application that registers an app client for each partner does not have to restart to accept the new client's
//! tokens.

use super::{handle::Verifier, pipeline::Pool};
use crate::error::ConfigError;

/// App clients.
impl Verifier {
    /// Starts accepting tokens issued to this client. Returns `true` if the client was newly added.
    ///
    /// The change applies to all clones of the verifier, and to all layers that were built from it. The change is not
    /// persistent, so also add the client to the configuration that the program reads when it starts.
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
    /// assert_eq!(verifier.client_ids(fake.id())?.len(), 2);
    /// assert!(verifier.check(&token).is_ok());
    ///
    /// assert!(verifier.remove_client(fake.id(), "2partner3456789")?);
    /// assert!(verifier.check(&token).is_err());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::UnknownPool`] if the verifier has no pool with this ID. Returns
    /// [`ConfigError::AnyClientAllowed`] if the pool accepts any client. Returns [`ConfigError::InvalidClientId`] if
    /// the client ID does not have Cognito's form.
    pub fn add_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let mut added = false;
        for pool in self.pools_with_client_list(pool_id.as_ref())? {
            added |= pool.clients.add(client_id.as_ref())? == Some(true);
        }
        if added {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was added");
        }
        Ok(added)
    }

    /// Stops accepting tokens issued to this client. Returns `true` if the client was accepted before.
    ///
    /// After this method has returned, every new check rejects the client's tokens, including cached tokens. A check
    /// that is already running may still accept one of the client's tokens, and handlers keep the claims that they
    /// already have. The pool's other cached tokens are verified again on their next use.
    ///
    /// If the last client is removed, every token of the pool is rejected, and a warning is logged. See
    /// [`add_client`](Self::add_client) for an example.
    ///
    /// # Errors
    /// Returns [`ConfigError::UnknownPool`] if the verifier has no pool with this ID. Returns
    /// [`ConfigError::AnyClientAllowed`] if the pool accepts any client.
    pub fn remove_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let left: Vec<_> = self
            .pools_with_client_list(pool_id.as_ref())?
            .into_iter()
            .filter_map(|pool| pool.clients.remove(client_id.as_ref()))
            .collect();
        if !left.is_empty() {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was removed");
        }
        if left.contains(&0) {
            tracing::warn!(pool = %pool_id.as_ref(), "the last app client was removed: every token of the pool is rejected");
        }
        Ok(!left.is_empty())
    }

    /// Returns the IDs of the app clients whose tokens are accepted, in sorted order.
    ///
    /// # Errors
    /// Returns [`ConfigError::UnknownPool`] if the verifier has no pool with this ID. Returns
    /// [`ConfigError::AnyClientAllowed`] if the pool accepts any client.
    pub fn client_ids(&self, pool_id: impl AsRef<str>) -> Result<Vec<String>, ConfigError> {
        let mut all = Vec::new();
        for pool in self.pools_with_client_list(pool_id.as_ref())? {
            all.extend(pool.clients.now().list.ids().into_iter().flatten().map(ToString::to_string));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Returns the pools with this ID. Usually, only one pool has the ID, but a pool can be configured twice with
    /// different issuers.
    fn pools_with_client_list(&self, pool_id: &str) -> Result<Vec<&Pool>, ConfigError> {
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
