//! [`Require`]: a rule that applications add to routes or check themselves.

use std::{fmt, panic::Location, sync::Arc, time::Duration, time::SystemTime};

use super::{
    missing::Missing,
    names::{Names, Quantity},
    rule::{Now, Rule},
};
#[cfg(feature = "utoipa")]
use crate::middleware::rejection::AuthRejectionKind;
use crate::{
    claims::{CognitoClaims, CustomClaims},
    middleware::rejection::{AuthRejection, Needed},
    token_use::TokenUse,
};

/// A rule that the claims of a request must satisfy.
///
/// A rule is a layer for routes. Add a rule inside of [`CognitoAuth`](crate::CognitoAuth), which verifies the token.
/// The rule rejects a request before extractors and the handler run and before the request body is read. In a handler,
/// apply a rule with [`claims.require(&rule)?`](CognitoClaims::require). In other code, use
/// [`rule.check(&claims)`](Self::check).
///
/// | the request has | response |
/// |---|---|
/// | no token, or an invalid token | 401; without a token, the challenge names the rule's scopes |
/// | a token that does not satisfy the rule | 403 `insufficient_scope`, with `scope` if scopes would satisfy the rule |
/// | a token from a sign-in that is too old or too weak | 401 `insufficient_user_authentication` ([RFC 9470]) |
///
/// Rules combine with [`and`](Self::and) and [`or`](Self::or). If both operands fail, `and` reports the more severe
/// failure and `or` the less severe one. From the least to the most severe, the failures are an insufficient sign-in, a
/// missing scope, and any other missing permission.
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
/// Names are compared exactly (case-sensitive). An empty list never matches.
///
/// [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
#[derive(Clone)]
#[must_use = "a rule does nothing until it is added to a route or checked"]
pub struct Require {
    rule: Arc<Rule>,
}

impl Require {
    fn new(rule: Rule) -> Self {
        Self { rule: Arc::new(rule) }
    }

    /// Requires only a valid token. Use this rule to protect a whole router.
    pub fn valid_token() -> Self {
        Self::new(Rule::ValidToken)
    }

    /// Requires membership in this group (`cognito:groups`). A token without `cognito:groups` has no groups.
    ///
    /// Group names and usernames are unique only within their pool. If the verifier has several pools, a group of this
    /// name in **any** of them satisfies the rule. Therefore, require the pool too:
    ///
    /// ```
    /// use axum_cognito::{Require, Verifier, testing::FakeUserPool};
    ///
    /// let rule = Require::pool("eu-west-1_Staff33").and(Require::group("admins"));
    ///
    /// let staff = FakeUserPool::with_ids("eu-west-1_Staff33", "1staffweb");
    /// let customers = FakeUserPool::with_ids("eu-west-1_Shop22", "1shopweb");
    /// let verifier = Verifier::builder().pool(staff.user_pool()).pool(customers.user_pool()).build()?;
    /// let admin_of = |fake: &FakeUserPool| verifier.check(&fake.access_token("alice").group("admins").sign());
    /// assert!(rule.check(&admin_of(&staff)?).is_ok());
    /// assert!(rule.check(&admin_of(&customers)?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(name: impl Into<Box<str>>) -> Self {
        Self::any_group([name])
    }

    /// Requires membership in at least one of these groups.
    pub fn any_group<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::new(Rule::Groups(Quantity::Any, Names::new(names)))
    }

    /// Requires membership in all these groups.
    pub fn all_groups<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::new(Rule::Groups(Quantity::All, Names::new(names)))
    }

    /// Rejects members of this group.
    ///
    /// Tokens without groups and machine tokens satisfy the rule. If the name is misspelled, every token satisfies the
    /// rule, so prefer a rule that lists the allowed groups.
    ///
    /// A token lists the groups that its user had when it was issued, so a group change takes effect with the next
    /// token. To lock a user out immediately, add a [custom check](crate::CognitoAuth::custom_check).
    pub fn no_group(name: impl Into<Box<str>>) -> Self {
        Self::new(Rule::NoGroup(name.into()))
    }

    /// Requires this scope, such as `orders/read`. ID tokens have no scopes.
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Self::any_scope([scope])
    }

    /// Requires at least one of these scopes. The challenge names only the first scope, so that a client does not
    /// request more than it needs.
    pub fn any_scope<N: Into<Box<str>>>(scopes: impl IntoIterator<Item = N>) -> Self {
        Self::new(Rule::Scopes(Quantity::Any, Names::new(scopes)))
    }

    /// Requires all these scopes. The challenge names all these scopes, even if the current token already has some of
    /// them.
    pub fn all_scopes<N: Into<Box<str>>>(scopes: impl IntoIterator<Item = N>) -> Self {
        Self::new(Rule::Scopes(Quantity::All, Names::new(scopes)))
    }

    /// Requires this `token_use`, for pools that [allow](crate::UserPool::allow_token_use) both access tokens and ID
    /// tokens.
    pub fn token_use(token_use: TokenUse) -> Self {
        Self::new(Rule::TokenUse(token_use))
    }

    /// Requires a user's token. Machine tokens are rejected.
    pub fn user() -> Self {
        Self::new(Rule::User)
    }

    /// Requires a machine token, from the client credentials grant.
    pub fn machine() -> Self {
        Self::new(Rule::Machine)
    }

    /// Requires that the user signed in at most this long ago (`auth_time`). Use this rule for step-up authentication
    /// before sensitive operations.
    ///
    /// A token with an older sign-in, or without `auth_time`, is rejected with 401 `insufficient_user_authentication`.
    /// The challenge contains `max_age` in seconds (RFC 9470 §3), which asks the client to sign the user in again. A
    /// refreshed token does not satisfy the rule, because it keeps `auth_time`. Machine tokens have no sign-in, so they
    /// are rejected with 403.
    ///
    /// With refresh token rotation, Cognito did not keep `auth_time` in 2025, according to a [report by a user]. Before
    /// relying on this rule, compare `auth_time` before and after a refresh with your app client.
    ///
    /// [report by a user]: https://github.com/authts/oidc-client-ts/issues/2107
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum_cognito::{AuthRejectionKind, Require, Verifier, testing::FakeUserPool};
    ///
    /// let rule = Require::max_age(Duration::from_secs(300));
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// let fresh = verifier.check(&fake.access_token("alice").sign())?;
    /// assert!(rule.check(&fresh).is_ok());
    /// let old = verifier.check(&fake.access_token("alice").claim("auth_time", 1_700_000_000).sign())?;
    /// assert_eq!(rule.check(&old).unwrap_err().kind(), AuthRejectionKind::InsufficientAuthentication);
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    pub fn max_age(age: Duration) -> Self {
        Self::new(Rule::MaxAge(age))
    }

    /// Requires this authentication context (`acr`), such as `urn:cognito:loa:2`.
    ///
    /// Cognito reports the [authentication level] in `acr` if the sign-in requested levels. Other tokens are rejected
    /// as for [`max_age`](Self::max_age), with `acr_values` in the challenge.
    ///
    /// [authentication level]: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-step-up-authentication.html
    pub fn acr(value: impl Into<Box<str>>) -> Self {
        Self::any_acr([value])
    }

    /// Requires one of these authentication contexts (`acr`), in order of preference; see [`acr`](Self::acr).
    pub fn any_acr<N: Into<Box<str>>>(values: impl IntoIterator<Item = N>) -> Self {
        Self::new(Rule::Acr(Names::new(values)))
    }

    /// Requires a token that was issued to this app client (`client_id` of access tokens, `aud` of ID tokens).
    pub fn client(id: impl Into<Box<str>>) -> Self {
        Self::new(Rule::Client(id.into()))
    }

    /// Requires a token that was issued by the user pool with this ID.
    pub fn pool(id: impl Into<Box<str>>) -> Self {
        Self::new(Rule::Pool(id.into()))
    }

    /// Requires that the function returns `true` for the claims.
    ///
    /// The function must be pure, because it may be called more than once for a rejected request. If the condition
    /// depends on more than the claims, for example on a database, use a [custom
    /// check](crate::CognitoAuth::custom_check). The log identifies the rule by the source location of this call.
    ///
    /// ```
    /// use axum_cognito::{Require, Verifier, testing::FakeUserPool};
    ///
    /// let rule = Require::that(|claims| {
    ///     let plan = claims.get::<String>("custom:plan");
    ///     plan.is_ok_and(|plan| plan.as_deref() == Some("gold"))
    /// });
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// let claims = verifier.check(&fake.access_token("alice").trigger_claim("custom:plan", "gold").sign())?;
    /// assert!(rule.check(&claims).is_ok());
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    #[track_caller]
    pub fn that(predicate: impl Fn(&CognitoClaims) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Rule::Predicate(Box::new(predicate), Location::caller()))
    }

    /// Requires both this rule and the other rule.
    pub fn and(self, other: Self) -> Self {
        Self::new(Rule::Both(self.rule, other.rule))
    }

    /// Requires this rule, the other rule, or both.
    pub fn or(self, other: Self) -> Self {
        Self::new(Rule::Either(self.rule, other.rule))
    }

    /// Checks claims against the rule. The verifier's clock provides the current time.
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
    /// Returns an [`AuthRejection`] with status 403, or 401 if the user must sign in again.
    pub fn check(&self, claims: &CognitoClaims) -> Result<(), AuthRejection> {
        self.decide(claims, &|| claims.now())
    }

    /// Checks claims against the rule at the given time.
    ///
    /// # Errors
    /// Returns the same errors as [`check`](Self::check).
    pub fn check_at(&self, claims: &CognitoClaims, now: SystemTime) -> Result<(), AuthRejection> {
        self.decide(claims, &|| now)
    }

    fn decide(&self, claims: &CognitoClaims, now: Now<'_>) -> Result<(), AuthRejection> {
        if self.rule.admits(claims, now) { Ok(()) } else { Err(self.reject(claims, now)) }
    }

    #[cold]
    fn reject(&self, claims: &CognitoClaims, now: Now<'_>) -> AuthRejection {
        tracing::debug!(rule = %self.rule, "rejected a request that does not satisfy a rule");
        let rejection = match self.rule.missing(claims, now) {
            Some(Missing::SignIn) => match Needed::authentication(&self.rule.sign_in(claims, now)) {
                Some(needed) => AuthRejection::step_up(needed),
                None => AuthRejection::insufficient(None),
            },
            Some(Missing::Scope) => AuthRejection::insufficient(Needed::scopes(&self.rule.scopes(claims, now))),
            // `None` means that a predicate has returned `true` after it returned `false`. The first result counts.
            Some(Missing::Permission) | None => AuthRejection::insufficient(None),
        };
        rejection.counted_as("rule")
    }

    /// Returns one or more alternative sets of scopes. A token needs all scopes of one set.
    #[cfg(feature = "utoipa")]
    pub(crate) fn scope_alternatives(&self) -> Vec<Vec<&str>> {
        self.rule.scope_alternatives()
    }

    /// Returns the kinds of rejection that the rule can return, including rejections of requests without a valid token.
    #[cfg(feature = "utoipa")]
    pub(crate) fn rejection_kinds(&self) -> Vec<AuthRejectionKind> {
        self.rule.rejection_kinds()
    }

    /// Adds the rule's scopes to the rejection of a request without a token, so that the client can request them
    /// immediately (RFC 6750 §3).
    pub(super) fn name_scopes(&self, rejection: AuthRejection) -> AuthRejection {
        rejection.needing(|| Needed::scopes(&self.rule.scopes_without_token()))
    }
}

impl fmt::Debug for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Require({})", self.rule)
    }
}

impl<T: CustomClaims> CognitoClaims<T> {
    /// Checks these claims against a rule, for handlers whose rule depends on more than the route.
    ///
    /// ```
    /// use axum_cognito::{AuthRejection, CognitoClaims, Require, Verifier, testing::FakeUserPool};
    ///
    /// fn refund(claims: &CognitoClaims, cents: u64) -> Result<&'static str, AuthRejection> {
    ///     if cents > 10_000 {
    ///         claims.require(&Require::group("managers"))?;
    ///     }
    ///     Ok("refunded")
    /// }
    ///
    /// let fake = FakeUserPool::new();
    /// let claims = Verifier::new(fake.user_pool()).check(&fake.access_token("alice").sign())?;
    /// assert!(refund(&claims, 500).is_ok());
    /// assert_eq!(refund(&claims, 50_000).unwrap_err().status(), 403);
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`Require::check`]. A handler can return the [`AuthRejection`] as its response.
    pub fn require(&self, rule: &Require) -> Result<(), AuthRejection> {
        rule.check(&self.without_custom())
    }
}
