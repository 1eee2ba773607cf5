//! Exports the crate's metrics to Prometheus, with a Grafana dashboard and alert rules.
//!
//! ```console
//! $ cargo run --bin metrics
//! ```
//!
//! The API listens on port 3000, and `GET /metrics` on port 9000. The program prints a token and `curl` commands that
//! change the counters. **Do not expose `/metrics` to the public network.** The metrics contain pool IDs and traffic
//! figures.
//!
//! | file in `observability` | use |
//! |---|---|
//! | `dashboard.json` | Import it in Grafana ("Dashboards", "New", "Import"), and select the Prometheus data source. |
//! | `alerts.yaml` | List it in `rule_files` of `prometheus.yml`. `promtool check rules alerts.yaml` checks the syntax of the file. |
//!
//! The scrape configuration for `prometheus.yml`:
//!
//! ```yaml
//! scrape_configs:
//!   - job_name: api
//!     static_configs: [{ targets: ["127.0.0.1:9000"] }]
//! ```
//!
//! The guide chapter "Deployment" lists all metrics.
#![forbid(unsafe_code)]

use std::{error::Error, time::Duration};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use axum_cognito::{CognitoAuth, CognitoClaims, Require, UserPool, testing::FakeUserPool};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};

/// The interval of the upkeep that the exporter's documentation requires.
const UPKEEP: Duration = Duration::from_secs(5);

fn app(pool: UserPool) -> Router {
    Router::new()
        .route("/me", get(async |claims: CognitoClaims| claims.username().unwrap_or("a machine").to_owned()))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")))
        .layer(CognitoAuth::new(pool).deny_by_default())
}

/// Serves the metrics in the Prometheus text format.
fn metrics_app(metrics: PrometheusHandle) -> Router {
    Router::new().route(
        "/metrics",
        get(async move || ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())),
    )
}

async fn upkeep(metrics: PrometheusHandle) {
    let mut interval = interval(UPKEEP);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Install the recorder before the first verifier is built, so that the exporter gets the help texts.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    tokio::spawn(upkeep(metrics.clone()));
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let app = app(pool.user_pool());
    let (listener, metrics_listener) =
        (TcpListener::bind("127.0.0.1:3000").await?, TcpListener::bind("127.0.0.1:9000").await?);
    println!("TOKEN={}", pool.access_token("alice").sign());
    println!("curl -i http://127.0.0.1:3000/me -H \"authorization: Bearer $TOKEN\"     # accepted");
    println!("curl -i http://127.0.0.1:3000/admin -H \"authorization: Bearer $TOKEN\"  # rejected by a rule");
    println!("curl -i http://127.0.0.1:3000/me                                       # rejected by default");
    println!("curl -s http://127.0.0.1:9000/metrics");
    tokio::spawn(async { axum::serve(metrics_listener, metrics_app(metrics)).await });
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{body::Body, http::Request};
    use axum_cognito::{CheckError, Verifier, alb::AlbVerifier, keys::FnKeySource, testing::FakeLoadBalancer};
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    const ALERTS: &str = include_str!("../../observability/alerts.yaml");
    const DASHBOARD: &str = include_str!("../../observability/dashboard.json");

    /// The name of a metric, the name of a label, and a value of the label.
    type Label = (String, String, String);

    /// Returns the names of this crate's metrics that occur in a text.
    fn names(text: &str) -> BTreeSet<String> {
        text.match_indices("axum_cognito_").map(|(start, _)| name_at(&text[start..]).to_owned()).collect()
    }

    fn name_at(text: &str) -> &str {
        let end = text.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        &text[..end.unwrap_or(text.len())]
    }

    /// Returns the labels of this crate's metrics that occur in a text with any operator (`=`, `!=`, `=~`).
    /// Alternatives in a value are returned one by one.
    fn labels(text: &str) -> BTreeSet<Label> {
        let mut labels = BTreeSet::new();
        for (start, _) in text.match_indices("axum_cognito_") {
            let name = name_at(&text[start..]);
            let Some(selector) = text[start + name.len()..].strip_prefix('{') else { continue };
            let selector = selector.split_once('}').expect("a selector ends").0;
            for condition in selector.split(',') {
                let (label, values) = condition.split_once('"').expect("a value in quotes");
                let label = label.trim_end_matches(['=', '!', '~']);
                for value in values.trim_end_matches('"').split('|') {
                    labels.insert((name.to_owned(), label.to_owned(), value.to_owned()));
                }
            }
        }
        labels
    }

    /// Returns the values of all members with the name `expr`.
    fn expressions(document: &Value) -> Vec<&str> {
        match document {
            Value::Object(members) => {
                let own = members.get("expr").and_then(Value::as_str);
                own.into_iter().chain(members.values().flat_map(expressions)).collect()
            }
            Value::Array(items) => items.iter().flat_map(expressions).collect(),
            _ => Vec::new(),
        }
    }

    async fn get(app: Router, path: &str, authorization: &str) -> u16 {
        let request = Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().status().as_u16()
    }

    /// Causes each outcome that the alert rules and the dashboard name.
    async fn cause_each_outcome() {
        let fake = FakeUserPool::new();
        let token = || fake.access_token("alice");
        let bearer = || format!("Bearer {}", token().sign());
        assert_eq!(get(app(fake.user_pool()), "/me", &bearer()).await, 200);
        assert_eq!(get(app(fake.user_pool()), "/admin", &bearer()).await, 403);
        assert_eq!(get(app(fake.user_pool()), "/me", "Basic x").await, 401);
        assert_eq!(get(app(fake.user_pool()), "/me", "Bearer a b").await, 400);
        let unprotected = Router::new().route("/", axum::routing::get(async |_: CognitoClaims| ()));
        assert_eq!(get(unprotected, "/", &bearer()).await, 500);
        let unavailable = async |_: CognitoClaims, _| Err(CheckError::unavailable("the database is offline"));
        let auth = CognitoAuth::new(fake.user_pool()).custom_check_async(unavailable);
        assert_eq!(get(Router::new().layer(auth.deny_by_default()), "/", &bearer()).await, 503);

        let verifier = Verifier::new(fake.user_pool());
        for token in [
            token().header("kid", "another"),
            token().claim("iss", "https://example.com"),
            token().client_id("another"),
            token().claim("aud", "https://example.com"),
            fake.id_token("alice"),
            token().signed_with_wrong_key(),
            token().claim("nbf", 9_999_999_999_u64),
        ] {
            assert!(verifier.check(&token.sign()).is_err());
        }
        let repeated = token().sign();
        for _ in 0..2 {
            verifier.check(&repeated).unwrap();
        }

        let balancer = FakeLoadBalancer::new();
        let arn = balancer.arn().replace("123456789012", "999999999999");
        let verifier = AlbVerifier::new(balancer.config());
        assert!(verifier.check(&balancer.token("alice").signer(&arn).sign()).is_err());
        let server = balancer.serve_keys().await.unwrap();
        let verifier = AlbVerifier::new(server.config());
        assert!(verifier.verify(&balancer.token("alice").sign()).await.is_ok());
        let unknown = balancer.token("alice").header("kid", "00000000-0000-0000-0000-000000000000");
        assert!(verifier.verify(&unknown.sign()).await.is_err());

        let jwks = fake.jwks_json();
        let fetched = FnKeySource::new("a test", move || {
            let jwks = jwks.clone();
            async move { Ok::<_, std::io::Error>(jwks) }
        });
        Verifier::new(fake.user_pool().key_source(fetched)).ready().await.unwrap();
        let offline = FnKeySource::new("a test", async || Err::<String, _>(std::io::Error::other("offline")));
        let offline = Verifier::new(fake.user_pool().key_source(offline));
        assert!(offline.verify(&token().sign()).await.is_err());
    }

    #[tokio::test]
    async fn dashboard_and_alert_rules_name_only_exported_metrics_and_labels() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let guard = metrics::set_default_local_recorder(&recorder);
        cause_each_outcome().await;
        drop(guard);
        let response = metrics_app(recorder.handle()).oneshot(Request::get("/metrics").body(Body::empty()).unwrap());
        let output = response.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let output = std::str::from_utf8(&output).unwrap();
        let exported = names(output);
        assert_eq!(exported.len(), 8, "{output}");
        for name in &exported {
            assert!(output.contains(&format!("# HELP {name} ")), "{name} has no help text: {output}");
        }

        let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
        let alerts: Value = serde_norway::from_str(ALERTS).unwrap();
        let exported_labels = labels(output);
        for (file, document) in [("dashboard.json", &dashboard), ("alerts.yaml", &alerts)] {
            let expressions = expressions(document);
            assert!(expressions.len() >= 8, "{file}");
            for expression in &expressions {
                let unknown: Vec<_> = names(expression).difference(&exported).cloned().collect();
                assert!(unknown.is_empty(), "{file}: {unknown:?} in {expression}");
                let unknown: Vec<_> = labels(expression).difference(&exported_labels).cloned().collect();
                assert!(unknown.is_empty(), "{file}: {unknown:?} in {expression}");
            }
            let used: BTreeSet<_> = expressions.iter().flat_map(|expression| names(expression)).collect();
            assert_eq!(used, exported, "{file} uses every metric");
        }
    }

    #[test]
    fn each_alert_rule_has_a_summary_and_a_severity() {
        let alerts: Value = serde_norway::from_str(ALERTS).unwrap();
        let rules = alerts["groups"][0]["rules"].as_array().unwrap();
        for rule in rules {
            let name = rule["alert"].as_str().unwrap();
            assert!(name.starts_with("Cognito"), "{name}");
            assert!(["info", "warning", "critical"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
            assert!(rule["annotations"]["summary"].as_str().unwrap().ends_with('.'), "{name}");
        }
    }

    #[test]
    fn guide_shows_the_alert_rules_of_the_file() {
        let guide = include_str!("../../../../src/guide/deployment.md");
        let rules = guide.split("```yaml\n").find(|block| block.starts_with("groups:")).unwrap();
        assert_eq!(rules.split("```\n").next().unwrap(), ALERTS);
    }
}
