//! [`Require`]: who may use a route.
//!
//! A rule is decided in two steps. [`admits`](Require::admits) answers yes or no and is all that a permitted request costs. Only after a no,
//! [`shortfall`](Require::shortfall) works out what is missing, and so what the answer says.

use std::{
    fmt,
    panic::Location,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::ResponseBody,
    gate::GateFuture,
    rejection::{AuthRejection, Needed},
    service::outcome,
};
use crate::{claims::CognitoClaims, policy::CLOCK_TOLERANCE, token_use::TokenUse};

/// A rule that the claims of a caller must satisfy: as a layer for routes, inside a handler, or without either.
///
/// As a layer it goes inside of [`CognitoAuth`](super::CognitoAuth), which finds out who the caller is, and answers before the handler, its
/// extractors and the body are touched. In a handler, [`claims.require(&rule)?`](CognitoClaims::require) does the same, and anywhere
/// else [`rule.check(&claims)`](Self::check).
///
/// | who asks | answer |
/// |---|---|
/// | nobody | 401, with the scopes to ask for where the rule is about scopes |
/// | somebody without the right | 403 `insufficient_scope`, with the scopes needed where scopes would do |
/// | somebody whose sign-in is too old or too weak | 401 `insufficient_user_authentication` ([RFC 9470]), with `max_age` or `acr_values` |
///
/// Rules combine with [`and`](Self::and) and [`or`](Self::or). If several are not satisfied, `and` tells the worst shortfall (what signing in
/// again cannot cure), `or` the mildest.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, Require, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fake = FakeUserPool::new();
/// let staff = Require::any_group(["support", "admins"]);
/// let app = Router::new()
///     .route("/tickets", get(async || "tickets").route_layer(staff.or(Require::scope("tickets/read"))))
///     .layer(CognitoAuth::new(fake.user_pool()));
///
/// let status = |token: String| {
///     let request = Request::get("/tickets").header("authorization", format!("Bearer {token}"));
///     let response = app.clone().oneshot(request.body(Body::empty()).unwrap());
///     async { response.await.unwrap().status() }
/// };
/// assert_eq!(status(fake.access_token("alice").group("admins").sign()).await, StatusCode::OK);
/// assert_eq!(status(fake.machine_token().scope("tickets/read").sign()).await, StatusCode::OK);
/// assert_eq!(status(fake.access_token("bob").sign()).await, StatusCode::FORBIDDEN);
/// # });
/// ```
///
/// Names are compared to the letter. A list without a name in it lets nobody in.
///
/// [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
#[derive(Clone)]
#[must_use = "a rule does nothing until it is added to a route or checked"]
pub struct Require {
    rule: Arc<Rule>,
}

enum Rule {
    ValidToken,
    Groups(Quantity, Names),
    NoGroup(Box<str>),
    Scopes(Quantity, Names),
    TokenUse(TokenUse),
    User,
    Machine,
    MaxAge(Duration),
    Acr(Names),
    Client(Box<str>),
    Pool(Box<str>),
    That(Predicate, &'static Location<'static>),
    Both(Require, Require),
    Either(Require, Require),
}

type Predicate = Box<dyn Fn(&CognitoClaims) -> bool + Send + Sync>;

#[derive(Clone, Copy)]
enum Quantity {
    Any,
    All,
}

/// The names that a rule lists.
struct Names(Box<[Box<str>]>);

impl Names {
    fn of<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Whether so many of them are held. Of none, none is.
    fn held(&self, quantity: Quantity, mut holds: impl FnMut(&str) -> bool) -> bool {
        match quantity {
            Quantity::Any => self.iter().any(holds),
            Quantity::All => !self.0.is_empty() && self.iter().all(&mut holds),
        }
    }
}

/// What a caller lacks, the mildest first; as an [`Option`], whose [`None`] comes before all of them, nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shortfall {
    /// A sign-in that is more recent or stronger: signing in again helps.
    Authentication,
    /// Scopes that a client can ask for.
    Scope,
    /// Something that the caller can do nothing about.
    Right,
}

impl Require {
    fn of(rule: Rule) -> Self {
        Self { rule: Arc::new(rule) }
    }

    /// The caller has a valid token, whatever it says: [`CognitoClaims`] as a rule, for whole routers.
    pub fn valid_token() -> Self {
        Self::of(Rule::ValidToken)
    }

    /// Requires membership in this group (`cognito:groups`). A token without groups has none.
    ///
    /// With several pools in one verifier, the rule holds for a group of this name in **any** of them, since group names and usernames are
    /// unique only within their pool. Require the pool too:
    ///
    /// ```
    /// use axum_cognito::{Require, Verifier, testing::FakeUserPool};
    ///
    /// let rule = Require::pool("eu-west-1_Staff33").and(Require::group("admins"));
    ///
    /// let staff = FakeUserPool::with_ids("eu-west-1_Staff33", "1staffweb");
    /// let customers = FakeUserPool::with_ids("eu-west-1_Shop22", "1shopweb");
    /// let verifier = Verifier::builder().pool(staff.user_pool()).pool(customers.user_pool()).build()?;
    /// let of = |fake: &FakeUserPool| verifier.check(&fake.access_token("alice").group("admins").sign());
    /// assert!(rule.check(&of(&staff)?).is_ok());
    /// assert!(rule.check(&of(&customers)?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(name: impl Into<Box<str>>) -> Self {
        Self::any_group([name])
    }

    /// The caller is a member of one of these groups at least.
    pub fn any_group<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::of(Rule::Groups(Quantity::Any, Names::of(names)))
    }

    /// The caller is a member of all these groups.
    pub fn all_groups<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::of(Rule::Groups(Quantity::All, Names::of(names)))
    }

    /// The caller is not a member of this group. Satisfied by tokens without groups, and by machines; and by everybody if the name is
    /// misspelled, so prefer to name who may.
    ///
    /// A token names the groups that its user had when it was issued, so a group change takes effect with the next token. To lock a user out
    /// immediately, add a [custom check](crate::CognitoAuth::custom_check).
    pub fn no_group(name: impl Into<Box<str>>) -> Self {
        Self::of(Rule::NoGroup(name.into()))
    }

    /// The token was granted this scope, such as `orders/read`. ID tokens have no scopes.
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Self::any_scope([scope])
    }

    /// The token was granted one of these scopes at least. The challenge names the first, so that a client does not ask for more than it
    /// needs.
    pub fn any_scope<N: Into<Box<str>>>(scopes: impl IntoIterator<Item = N>) -> Self {
        Self::of(Rule::Scopes(Quantity::Any, Names::of(scopes)))
    }

    /// The token was granted all these scopes. The challenge names all of them, since the next token needs them all.
    pub fn all_scopes<N: Into<Box<str>>>(scopes: impl IntoIterator<Item = N>) -> Self {
        Self::of(Rule::Scopes(Quantity::All, Names::of(scopes)))
    }

    /// The token is of this kind, where the pool [accepts](crate::UserPool::allow_token_use) both.
    pub fn token_use(token_use: TokenUse) -> Self {
        Self::of(Rule::TokenUse(token_use))
    }

    /// A person, not a machine.
    pub fn user() -> Self {
        Self::of(Rule::User)
    }

    /// A machine that signed in for itself (client credentials).
    pub fn machine() -> Self {
        Self::of(Rule::Machine)
    }

    /// The user proved who they are at most this long ago (`auth_time`): step-up for what is dangerous.
    ///
    /// Otherwise the answer is 401 `insufficient_user_authentication` with `max_age` in seconds (RFC 9470 §3), upon which a client sends the
    /// user to sign in again; refreshing the token does not help, since it keeps `auth_time`. So does a token without `auth_time`.
    /// Machines do not sign in interactively and get 403.
    pub fn max_age(age: Duration) -> Self {
        Self::of(Rule::MaxAge(age))
    }

    /// The user was authenticated this strongly (`acr`), such as `urn:cognito:loa:2`. Otherwise as [`max_age`](Self::max_age), with
    /// `acr_values`.
    pub fn acr(value: impl Into<Box<str>>) -> Self {
        Self::any_acr([value])
    }

    /// As [`acr`](Self::acr) with several values that will do, the preferred first.
    pub fn any_acr<N: Into<Box<str>>>(values: impl IntoIterator<Item = N>) -> Self {
        Self::of(Rule::Acr(Names::of(values)))
    }

    /// The token was issued to this app client.
    pub fn client(id: impl Into<Box<str>>) -> Self {
        Self::of(Rule::Client(id.into()))
    }

    /// The token comes from this user pool, by its id.
    pub fn pool(id: impl Into<Box<str>>) -> Self {
        Self::of(Rule::Pool(id.into()))
    }

    /// Whatever the application decides by the claims. The log names the place in the source where the rule was written.
    ///
    /// For conditions that need more than the claims, such as a database, use a [custom check](crate::CognitoAuth::custom_check).
    /// It may be asked more than once for a caller who is refused.
    ///
    /// ```
    /// use axum_cognito::{Require, Verifier, testing::FakeUserPool};
    ///
    /// let rule = Require::that(|claims| claims.get("custom:plan").is_ok_and(|plan: Option<String>| plan.as_deref() == Some("gold")));
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// let claims = verifier.check(&fake.access_token("alice").trigger_claim("custom:plan", "gold").sign())?;
    /// assert!(rule.check(&claims).is_ok());
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    #[track_caller]
    pub fn that(predicate: impl Fn(&CognitoClaims) -> bool + Send + Sync + 'static) -> Self {
        Self::of(Rule::That(Box::new(predicate), Location::caller()))
    }

    /// Both this rule and the other.
    pub fn and(self, other: Self) -> Self {
        Self::of(Rule::Both(self, other))
    }

    /// This rule or the other.
    pub fn or(self, other: Self) -> Self {
        Self::of(Rule::Either(self, other))
    }

    /// Applies the rule to claims, at the present time of the verifier's clock.
    ///
    /// ```
    /// use axum_cognito::{AuthRejectionKind, Require, Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let claims = Verifier::new(fake.user_pool()).check(&fake.access_token("alice").group("users").sign())?;
    ///
    /// assert!(Require::group("users").check(&claims).is_ok());
    /// let rejection = Require::group("admins").check(&claims).unwrap_err();
    /// assert_eq!(rejection.kind(), AuthRejectionKind::InsufficientScope);
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    ///
    /// # Errors
    /// An [`AuthRejection`] that answers 403, or 401 for step-up.
    pub fn check(&self, claims: &CognitoClaims) -> Result<(), AuthRejection> {
        self.decide(claims, &|| claims.now())
    }

    /// As [`check`](Self::check), at this time. Pure.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_at(&self, claims: &CognitoClaims, now: SystemTime) -> Result<(), AuthRejection> {
        self.decide(claims, &|| now)
    }

    fn decide(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> Result<(), AuthRejection> {
        if self.admits(claims, now) { Ok(()) } else { Err(self.refuse(claims, now)) }
    }

    fn admits(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> bool {
        match &*self.rule {
            Rule::ValidToken => true,
            Rule::Groups(quantity, names) => names.held(*quantity, |name| claims.in_group(name)),
            Rule::NoGroup(name) => !claims.in_group(name),
            Rule::Scopes(quantity, names) => names.held(*quantity, |name| claims.has_scope(name)),
            Rule::TokenUse(token_use) => claims.token_use() == *token_use,
            Rule::User => !claims.is_machine(),
            Rule::Machine => claims.is_machine(),
            // What a machine's token says of a sign-in is not that of a person.
            Rule::MaxAge(_) | Rule::Acr(_) if claims.is_machine() => false,
            Rule::MaxAge(max_age) => claims.auth_time().is_some_and(|then| is_within(*max_age, then, now())),
            Rule::Acr(values) => claims.acr().is_some_and(|acr| values.iter().any(|value| value == acr)),
            Rule::Client(id) => claims.client_id() == &**id,
            Rule::Pool(id) => claims.pool().as_str() == &**id,
            Rule::That(predicate, _) => predicate(claims),
            Rule::Both(one, other) => one.admits(claims, now) && other.admits(claims, now),
            Rule::Either(one, other) => one.admits(claims, now) || other.admits(claims, now),
        }
    }

    #[cold]
    fn refuse(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> AuthRejection {
        tracing::debug!(rule = %self.rule, "refused a caller without the right");
        match self.shortfall(claims, now) {
            Some(Shortfall::Authentication) => match Needed::authentication(&self.sign_in(claims, now)) {
                Some(needed) => AuthRejection::step_up(needed),
                None => AuthRejection::insufficient(None),
            },
            Some(Shortfall::Scope) => AuthRejection::insufficient(Needed::scopes(&self.scopes(claims, now))),
            // Nothing is missing any more only if a predicate has changed its mind in between; the first answer counts.
            Some(Shortfall::Right) | None => AuthRejection::insufficient(None),
        }
    }

    /// What is missing.
    fn shortfall(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> Option<Shortfall> {
        match &*self.rule {
            Rule::Both(one, other) => one.shortfall(claims, now).max(other.shortfall(claims, now)),
            Rule::Either(one, other) => one.shortfall(claims, now).min(other.shortfall(claims, now)),
            _ if self.admits(claims, now) => None,
            Rule::Scopes(_, names) if !names.0.is_empty() => Some(Shortfall::Scope),
            Rule::MaxAge(_) if !claims.is_machine() => Some(Shortfall::Authentication),
            Rule::Acr(values) if !claims.is_machine() && !values.0.is_empty() => Some(Shortfall::Authentication),
            _ => Some(Shortfall::Right),
        }
    }

    /// The scopes of a token that would do, as few as possible. The next token needs also those that this one has.
    fn scopes(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> Vec<&str> {
        match &*self.rule {
            Rule::Scopes(Quantity::All, names) => names.iter().collect(),
            Rule::Scopes(Quantity::Any, names) => {
                let held = names.iter().find(|name| claims.has_scope(name));
                held.or(names.iter().next()).into_iter().collect()
            }
            Rule::Both(one, other) => {
                let mut scopes = one.scopes(claims, now);
                scopes.extend(other.scopes(claims, now));
                scopes
            }
            Rule::Either(one, other) => Self::nearer(one, other, claims, now).scopes(claims, now),
            _ => Vec::new(),
        }
    }

    /// The scopes that would do for somebody of whom nothing is known; of alternatives, the first that is about scopes.
    fn scopes_of_anybody(&self) -> Vec<&str> {
        match &*self.rule {
            Rule::Scopes(Quantity::All, names) => names.iter().collect(),
            Rule::Scopes(Quantity::Any, names) => names.iter().take(1).collect(),
            Rule::Both(one, other) => [one.scopes_of_anybody(), other.scopes_of_anybody()].concat(),
            Rule::Either(one, other) => {
                let scopes = one.scopes_of_anybody();
                if scopes.is_empty() { other.scopes_of_anybody() } else { scopes }
            }
            _ => Vec::new(),
        }
    }

    /// The sign-in that would do. The next one has to satisfy also what this one does.
    fn sign_in(&self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> SignIn<'_> {
        match &*self.rule {
            Rule::MaxAge(age) => SignIn { max_age: Some(*age), acr_values: None },
            Rule::Acr(values) => SignIn { max_age: None, acr_values: Some(values.iter().collect()) },
            Rule::Both(one, other) => one.sign_in(claims, now).and(other.sign_in(claims, now)),
            Rule::Either(one, other) => Self::nearer(one, other, claims, now).sign_in(claims, now),
            _ => SignIn::default(),
        }
    }

    /// The side of an alternative that the caller lacks less for.
    fn nearer<'r>(one: &'r Self, other: &'r Self, claims: &CognitoClaims, now: &dyn Fn() -> SystemTime) -> &'r Self {
        if other.shortfall(claims, now) < one.shortfall(claims, now) { other } else { one }
    }
}

/// What a sign-in must be like; [`None`] where it does not matter.
#[derive(Default)]
pub(super) struct SignIn<'r> {
    pub(super) max_age: Option<Duration>,
    /// One of these.
    pub(super) acr_values: Option<Vec<&'r str>>,
}

impl SignIn<'_> {
    fn and(self, other: Self) -> Self {
        let acr_values = match (self.acr_values, other.acr_values) {
            (Some(mut one), Some(other)) => {
                one.retain(|value| other.contains(value));
                Some(one)
            }
            (one, other) => one.or(other),
        };
        Self { max_age: self.max_age.into_iter().chain(other.max_age).min(), acr_values }
    }
}

/// Whether `then` is at most so long ago. A time ahead counts as now as far as clocks differ; beyond that it says nothing.
fn is_within(max_age: Duration, then: SystemTime, now: SystemTime) -> bool {
    match now.duration_since(then) {
        Ok(age) => age <= max_age,
        Err(ahead) => ahead.duration() <= CLOCK_TOLERANCE,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValidToken => f.write_str("valid token"),
            Self::Groups(quantity, names) => write!(f, "{quantity} of the groups {names}"),
            Self::NoGroup(name) => write!(f, "not in the group {name:?}"),
            Self::Scopes(quantity, names) => write!(f, "{quantity} of the scopes {names}"),
            Self::TokenUse(token_use) => write!(f, "token use {token_use}"),
            Self::User => f.write_str("user"),
            Self::Machine => f.write_str("machine"),
            Self::MaxAge(age) => write!(f, "signed in at most {} s ago", age.as_secs()),
            Self::Acr(values) => write!(f, "any of the acr {values}"),
            Self::Client(id) => write!(f, "client {id:?}"),
            Self::Pool(id) => write!(f, "pool {id:?}"),
            Self::That(_, written_at) => write!(f, "the rule at {written_at}"),
            Self::Both(one, other) => write!(f, "({} and {})", one.rule, other.rule),
            Self::Either(one, other) => write!(f, "({} or {})", one.rule, other.rule),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::All => "all",
        })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Require({})", self.rule)
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, require: self.clone() }
    }
}

/// Lets requests through that satisfy a rule. Made by [`Require`].
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: Require,
}

impl<S, B, ResBody> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let verdict = match outcome(request.extensions()) {
            Ok(claims) => self.require.check(claims),
            // Who has no token yet learns which scopes to ask for (RFC 6750 §3), and so does not have to come twice.
            Err(rejection) => Err(rejection.needing(|| Needed::scopes(&self.require.scopes_of_anybody()))),
        };
        match verdict {
            Ok(()) => GateFuture::forwarded(self.inner.call(request)),
            Err(rejection) => {
                // Releases what `poll_ready` has reserved, such as a permit of a concurrency limit.
                self.inner = self.inner.clone();
                GateFuture::rejected(rejection.answer(&request))
            }
        }
    }
}
