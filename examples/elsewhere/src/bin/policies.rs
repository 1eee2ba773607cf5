//! Authorizes requests with Cedar, the policy language of Amazon Verified Permissions, without a call to AWS.
//!
//! ```console
//! $ cargo run --bin policies
//! ```
//!
//! The program prints tokens and `curl` commands. Run them, and compare the log with `policies/policies.cedar`. Change
//! a policy, and start the program again. A policy that does not match `policies/schema.cedarschema` is a start-up
//! error.
//!
//! [`Policies`], in `src/policies.rs`, can be copied into an application. The program uses it in two places:
//!
//! - **A custom check** decides whether the caller may use the route, before the handler runs. The action is `get
//!   /orders/{id}`, and the resource is the application. Verified Permissions uses the same form for APIs in API
//!   Gateway. A route that the schema does not name is denied, so a new route stays closed until a policy permits it.
//! - **A rule in a handler** decides whether the caller may read the loaded order. The action is `readOrder`, and the
//!   resource is the order with its owner and amount.
//!
//! A denied request gets 403. The log contains the IDs of the policies that caused the denial. The response does not
//! contain the IDs.
#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, HashSet},
    env,
    error::Error,
    fs,
    path::Path as FilePath,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{MatchedPath, Path, State},
    http::{Method, StatusCode, request::Parts},
    routing::{get, post},
};
use axum_cognito::{AuthRejection, CheckError, CognitoAuth, CognitoClaims, UserPoolId, testing::FakeUserPool};
use cedar_policy::{Entity, EntityTypeName, RestrictedExpression};
use elsewhere::policies::{Policies, entity_type, uid, user};
use tokio::net::TcpListener;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// The ID of the pool whose groups occur in the policies.
const POOL: &str = "us-east-1_Example1";

/// The entity types of the resources.
static APPLICATION: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Application"));
static ORDER: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Order"));

/// An order, as a database would return it.
struct Order {
    owner: String,
    cents: i64,
}

type Orders = Arc<HashMap<u32, Order>>;

#[derive(Clone)]
struct Site {
    policies: Policies,
    orders: Orders,
}

fn app(auth: CognitoAuth, policies: Policies, orders: Orders) -> Router {
    let checked = policies.clone();
    let auth = auth.custom_check(move |claims, request| check_route(&checked, claims, request));
    Router::new()
        .route("/orders/{id}", get(read_order))
        .route("/orders/{id}/refund", post(refund_order))
        .route("/reports", get(async || "a route that the schema does not name"))
        .layer(auth.deny_by_default())
        .with_state(Site { policies, orders })
}

/// Decides whether the caller may use the route.
fn check_route(policies: &Policies, claims: &CognitoClaims, request: &Parts) -> Result<(), CheckError> {
    let route = request.extensions.get::<MatchedPath>().ok_or_else(|| CheckError::forbidden("no such route"))?;
    let method = match request.method {
        Method::GET | Method::HEAD => "get", // axum's `get` also handles `HEAD`
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        // The action appears in the log, and clients can send any method name.
        _ => return Err(CheckError::forbidden("no such method")),
    };
    let action = format!("{method} {}", route.as_str());
    policies.authorize(claims, &action, Entity::with_uid(uid(&APPLICATION, "orders")))
}

async fn read_order(
    State(site): State<Site>,
    claims: CognitoClaims,
    Path(id): Path<u32>,
) -> Result<Result<String, StatusCode>, AuthRejection> {
    let order = site.order(&claims, "readOrder", id)?;
    Ok(order.map(|order| format!("{} cents\n", order.cents)).ok_or(StatusCode::NOT_FOUND))
}

async fn refund_order(
    State(site): State<Site>,
    claims: CognitoClaims,
    Path(id): Path<u32>,
) -> Result<StatusCode, AuthRejection> {
    let order = site.order(&claims, "refundOrder", id)?;
    Ok(order.map_or(StatusCode::NOT_FOUND, |_start_the_refund| StatusCode::NO_CONTENT))
}

impl Site {
    /// Returns the order if the policies permit the action, or [`None`] if the order does not exist.
    fn order(&self, claims: &CognitoClaims, action: &str, id: u32) -> Result<Option<&Order>, CheckError> {
        let order = self.orders.get(&id);
        if let Some(order) = order {
            self.policies.authorize(claims, action, order.entity(claims.pool(), id)?)?;
        }
        Ok(order)
    }
}

impl Order {
    /// Returns the order as policies see it.
    fn entity(&self, pool: &UserPoolId, id: u32) -> Result<Entity, CheckError> {
        let owner = RestrictedExpression::new_entity_uid(user(pool, &self.owner));
        let amount = RestrictedExpression::new_long(self.cents);
        let attributes = HashMap::from([("owner".to_owned(), owner), ("amount".to_owned(), amount)]);
        Entity::new(uid(&ORDER, &id.to_string()), attributes, HashSet::new())
            .map_err(|_| CheckError::forbidden("an attribute of the order is not valid"))
    }
}

/// Reads and validates the policies. Cargo runs the program and its tests in this project's folder.
fn load_policies() -> Result<Policies, Box<dyn Error>> {
    let read = |file| fs::read_to_string(FilePath::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(file));
    Ok(Policies::new(&read("schema.cedarschema")?, &read("policies.cedar")?)?)
}

/// Returns the filter in `RUST_LOG`. The default filter includes the library's `debug` lines, which say why a token was
/// rejected.
fn log_filter() -> EnvFilter {
    let directives = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(log_filter()).init();
    let pool = FakeUserPool::with_ids(POOL, "1exampleclient"); // in production: UserPool::from_env()?
    let alice = pool.access_token("alice").claim("sub", "a1").sign();
    let bob = pool.access_token("bob").claim("sub", "b2").group("support").sign();
    let orders = HashMap::from([
        (1, Order { owner: "a1".to_owned(), cents: 1_999 }),
        (2, Order { owner: "c3".to_owned(), cents: 90_000 }),
    ]);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("ALICE={alice}\nBOB={bob}");
    for (user, method, path) in [
        ("ALICE", "GET", "orders/1"),
        ("ALICE", "GET", "orders/2"),
        ("ALICE", "POST", "orders/1/refund"),
        ("BOB", "POST", "orders/1/refund"),
        ("BOB", "POST", "orders/2/refund"),
    ] {
        println!("curl -i -X {method} http://127.0.0.1:3000/{path} -H \"authorization: Bearer ${user}\"");
    }
    let app = app(CognitoAuth::new(pool.user_pool()), load_policies()?, Arc::new(orders));
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, MutexGuard, PoisonError},
        time::Duration,
    };

    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::{KeyPair, KeySize},
        signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
    };
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tokio::time::Instant;
    use tower::ServiceExt;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    struct Test {
        pool: FakeUserPool,
        app: Router,
    }

    impl Test {
        fn new(policies: Policies) -> Self {
            let pool = FakeUserPool::with_ids(POOL, "1exampleclient");
            let order = |owner: &str, cents| Order { owner: owner.to_owned(), cents };
            let orders = [(1, order("alice", 1_999)), (2, order("carol", 90_000)), (3, order("bob", 500))];
            let app = app(CognitoAuth::new(pool.user_pool()), policies, Arc::new(HashMap::from(orders)));
            Self { pool, app }
        }

        fn token(&self, user: &str) -> String {
            let token = |name: &str| self.pool.access_token(name).claim("sub", name);
            match user {
                "bob" => token("bob").group("support").sign(),
                "a machine" => self.pool.machine_token().scope("orders/read").sign(),
                "a machine without scopes" => self.pool.machine_token().sign(),
                name => token(name).sign(),
            }
        }

        async fn send(&self, user: &str, method: &str, path: &str) -> (u16, String) {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("authorization", format!("Bearer {}", self.token(user)));
            let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.bytes())).unwrap()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// Collects the log of this thread until the guard is dropped.
    fn collect_log() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_env_filter(log_filter());
        (log.clone(), tracing::subscriber::set_default(subscriber.with_writer(log).finish()))
    }

    /// Each row contains a request, the expected status, and the policies that the log must name.
    #[tokio::test]
    async fn the_policies_decide_by_user_action_and_resource() {
        let (read, refund) = (|id| ("GET", format!("/orders/{id}")), |id| ("POST", format!("/orders/{id}/refund")));
        let table = [
            // alice is a customer
            ("alice", read(1), 200, ""),
            ("alice", read(2), 403, "action=\"readOrder\" policies=\"\""),
            ("alice", refund(1), 403, "action=\"post /orders/{id}/refund\" policies=\"\""),
            // bob is in the group support
            ("bob", read(1), 200, ""),
            ("bob", read(2), 200, ""),
            ("bob", refund(1), 204, ""),
            ("bob", refund(2), 403, "action=\"refundOrder\" policies=\"no-large-refunds\""),
            ("bob", refund(3), 403, "action=\"refundOrder\" policies=\"no-refunds-of-own-orders\""),
            // machines
            ("a machine", read(1), 200, ""),
            ("a machine", refund(1), 403, "policies=\"\""),
            ("a machine without scopes", read(1), 403, "action=\"readOrder\" policies=\"\""),
            // other requests
            ("bob", ("HEAD", "/orders/1".to_owned()), 200, ""),
            ("bob", read(9), 404, ""),
            ("bob", ("GET", "/reports".to_owned()), 403, "the schema does not have this action"),
            ("bob", ("GET", "/no-such-route".to_owned()), 403, "no such route"),
            ("bob", ("DELETE", "/orders/1".to_owned()), 403, "the schema does not have this action"),
            ("bob", ("INVENTED", "/orders/1".to_owned()), 403, "no such method"),
        ];
        let test = Test::new(load_policies().unwrap());
        let (log, _guard) = collect_log();
        for (user, (method, path), status, logged) in table {
            let name = format!("{user}: {method} {path}");
            let (actual, body) = test.send(user, method, &path).await;
            let log = log.take();
            assert_eq!(actual, status, "{name}: {log}");
            assert!(log.contains(logged), "{name}: {log}");
            if status == 403 {
                assert!(body.contains("the caller is not allowed to do this"), "{name}: {body}");
            }
            for private in ["policies", "refund", "support"] {
                assert!(!body.contains(private), "{name}: {body}");
            }
            for private in ["us-east-1_Example1|", "alice", "carol", "invented", "INVENTED"] {
                assert!(!log.contains(private), "{name}: {log}");
            }
        }
    }

    #[tokio::test]
    async fn a_user_of_another_pool_has_no_groups_of_this_pool() {
        let other = FakeUserPool::with_ids("us-east-1_Example2", "1exampleclient");
        let policies = load_policies().unwrap();
        let claims = |pool: &FakeUserPool| {
            let token = pool.access_token("bob").group("support").sign();
            axum_cognito::Verifier::new(pool.user_pool()).check(&token).unwrap()
        };
        let order = Order { owner: "alice".to_owned(), cents: 1 };
        for (pool, allowed) in [(FakeUserPool::with_ids(POOL, "1exampleclient"), true), (other, false)] {
            let claims = claims(&pool);
            let resource = order.entity(claims.pool(), 1).unwrap();
            assert_eq!(policies.authorize(&claims, "readOrder", resource).is_ok(), allowed, "{}", pool.id());
        }
    }

    fn with_policy(policy: &str) -> Result<Policies, Box<dyn Error>> {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let policies = fs::read_to_string(folder.join("policies.cedar"))? + policy;
        Ok(Policies::new(&fs::read_to_string(folder.join("schema.cedarschema"))?, &policies)?)
    }

    /// Cedar ignores a policy whose evaluation fails, so the `forbid` policy alone would not deny anything.
    #[tokio::test]
    async fn a_policy_whose_evaluation_fails_denies_the_request() {
        let overflow = "@id(\"overflow\") forbid (principal, action == Action::\"readOrder\", resource) \
                        when { resource.amount * 9223372036854775807 > 0 };";
        let test = Test::new(with_policy(overflow).unwrap());
        let (log, _guard) = collect_log();
        assert_eq!(test.send("bob", "GET", "/orders/2").await.0, 403);
        let log = log.take();
        assert!(log.contains("policies=\"overflow\"") && !log.contains("90000"), "{log}");
    }

    #[test]
    fn an_invalid_policy_is_a_start_up_error_that_names_the_policy() {
        let table = [
            (r#"@id("typo") permit (principal, action == Action::"raedOrder", resource);"#, "typo"),
            (
                r#"@id("amont") forbid (principal, action == Action::"readOrder", resource) when { resource.amont > 1 };"#,
                "amont",
            ),
            (r#"@id("never") forbid (principal is Order, action == Action::"readOrder", resource);"#, "never"),
            (r#"@id("no-large-refunds") permit (principal, action, resource);"#, "no-large-refunds"),
            ("permit (principal, action, resource);", "no @id: permit"),
            (r#"@id("broken") permit (principal, action resource);"#, "broken"),
        ];
        for (policy, named) in table {
            let error = with_policy(policy).map(drop).unwrap_err().to_string();
            assert!(error.contains(named), "{policy}: {error}");
        }
    }

    /// To run this test, use `cargo test --release --bin policies -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures the time of a decision"]
    fn cost_of_a_decision() {
        const ROUNDS: u32 = 20_000;
        let per_call = |work: &dyn Fn()| {
            (0..5)
                .map(|_| {
                    let start = Instant::now();
                    (0..ROUNDS).for_each(|_| work());
                    start.elapsed() / ROUNDS
                })
                .min()
                .unwrap()
        };
        let pool = FakeUserPool::with_ids(POOL, "1exampleclient");
        let token = pool.access_token("bob").group("support").sign();
        let verifier = axum_cognito::Verifier::new(pool.user_pool());
        let claims = verifier.check(&token).unwrap();
        let policies = load_policies().unwrap();
        let order = Order { owner: "alice".to_owned(), cents: 1_999 };
        let route = "post /orders/{id}/refund";
        let on_route = per_call(&|| {
            policies.authorize(&claims, route, Entity::with_uid(uid(&APPLICATION, "orders"))).unwrap();
        });
        let on_order = per_call(&|| {
            policies.authorize(&claims, "refundOrder", order.entity(claims.pool(), 1).unwrap()).unwrap();
        });
        let on_signature = per_call(&signature_check(token.len()));
        let ratio = |time: Duration| time.as_secs_f64() / on_signature.as_secs_f64();
        println!("one RSA-2048 signature check: {on_signature:?}");
        println!("decision about a route: {on_route:?}, ratio {:.2}", ratio(on_route));
        println!("decision about an order: {on_order:?}, ratio {:.2}", ratio(on_order));
    }

    /// Returns a function that checks an RSA-2048 signature of a message with this length. The key is parsed only once.
    fn signature_check(length: usize) -> impl Fn() {
        let (key, message) = (KeyPair::generate(KeySize::Rsa2048).unwrap(), vec![b'a'; length]);
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature).unwrap();
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref()).unwrap();
        move || key.verify_sig(&message, &signature).unwrap()
    }
}
