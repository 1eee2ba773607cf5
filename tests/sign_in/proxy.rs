//! [`Proxy`]: an attacker between the application and the token endpoint.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri, header::AUTHORIZATION, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use oauth2::url::form_urlencoded;
use serde_json::Value;

/// A request to the token endpoint or to the revocation endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) form: Vec<(String, String)>,
}

impl Received {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Records the requests and responses, and replaces parts of them.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    responses: Vec<String>,
    secrets: BTreeSet<String>,
    /// The body of the next responses, instead of the endpoint's.
    body: Option<String>,
    /// The code verifier of the next requests. An empty text removes it.
    verifier: Option<String>,
}

impl Proxy {
    /// Serves on loopback, and forwards to the server with this origin.
    pub(crate) async fn start(server: String) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self { url: format!("http://{}", listener.local_addr().unwrap()), state: Arc::default() };
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).pool_max_idle_per_host(0);
        let (client, handler) = (client.build().unwrap(), proxy.clone());
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (handler, client, url) = (handler.clone(), client.clone(), format!("{server}{}", uri.path()));
            async move { handler.forward(client, url, uri.path(), headers, body).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forward(
        &self,
        client: reqwest::Client,
        url: String,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let authorization = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        let mut form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        let received = Received { path: path.to_owned(), authorization: authorization.clone(), form: form.clone() };
        let replaced = {
            let mut state = self.state();
            for name in ["code", "code_verifier", "refresh_token", "token", "client_secret"] {
                state.secrets.extend(received.parameter(name).map(str::to_owned));
            }
            let basic = authorization.as_deref().and_then(|value| value.strip_prefix("Basic "));
            state.secrets.extend(basic.map(str::to_owned));
            state.received.push(received);
            if let Some(verifier) = state.verifier.clone() {
                form.retain(|(name, _)| name != "code_verifier");
                form.extend((!verifier.is_empty()).then(|| ("code_verifier".to_owned(), verifier)));
            }
            state.body.clone()
        };
        if let Some(body) = replaced {
            return ([(CONTENT_TYPE, "application/json")], body).into_response();
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let Ok(response) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
        let (status, headers) = (response.status(), response.headers().clone());
        // A broken response stays broken.
        let Ok(body) = response.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
        self.learn(&body);
        let content_type = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap()).to_owned();
        (status, [(CONTENT_TYPE, content_type)], body).into_response()
    }

    fn learn(&self, body: &[u8]) {
        let Ok(json) = serde_json::from_slice::<Value>(body) else { return };
        let mut state = self.state();
        for name in ["access_token", "id_token", "refresh_token"] {
            state.secrets.extend(json[name].as_str().map(str::to_owned));
        }
        state.responses.push(json.to_string());
    }

    /// Returns the requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Returns the number of token requests.
    pub(crate) fn token_requests(&self) -> usize {
        self.state().received.iter().filter(|request| request.path == "/oauth2/token").count()
    }

    /// Waits for this number of revocations, and returns the revoked tokens.
    pub(crate) async fn revoked(&self, count: usize) -> Vec<String> {
        for _ in 0..5_000 {
            let received = self.received();
            let revocations = received.iter().filter(|request| request.path == "/oauth2/revoke");
            let tokens: Vec<_> = revocations.filter_map(|request| request.parameter("token")).collect();
            if tokens.len() >= count {
                return tokens.into_iter().map(str::to_owned).collect();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the endpoint has not received {count} revocations");
    }

    /// Returns the last response of the endpoint.
    pub(crate) fn last_response(&self) -> String {
        self.state().responses.last().unwrap().clone()
    }

    /// Responds with this body from now on, or with the endpoint's again.
    pub(crate) fn respond(&self, body: Option<String>) {
        self.state().body = body;
    }

    /// Replaces the code verifier of further requests. An empty text removes it.
    pub(crate) fn replace_verifier(&self, verifier: Option<&str>) {
        self.state().verifier = verifier.map(str::to_owned);
    }

    /// Adds a text that must not be in any log, page or redirect.
    pub(crate) fn add_secret(&self, secret: &str) {
        self.state().secrets.insert(secret.to_owned());
    }

    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        self.state().secrets.clone()
    }
}
