use std::time::Duration;

/// The settings of key refresh. The guide chapter `keys` explains their defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshSettings {
    pub(crate) refresh_interval: Duration,
    pub(crate) max_stale: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) request_wait: Duration,
    pub(crate) unknown_key_cooldown: Duration,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(60 * 60),
            max_stale: Duration::from_secs(24 * 60 * 60),
            fetch_timeout: Duration::from_secs(10),
            request_wait: Duration::from_secs(3),
            unknown_key_cooldown: Duration::from_secs(5),
        }
    }
}
