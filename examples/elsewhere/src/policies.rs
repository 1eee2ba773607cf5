//! [`Policies`]: decisions by Cedar policies about the caller of a request.

use std::{
    collections::HashSet,
    error::Error,
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use axum_cognito::{CheckError, CognitoClaims, UserPoolId};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    ParseErrors, PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;

/// A set of Cedar policies with its schema. Clones share the set.
///
/// Entities and context have the form that Amazon Verified Permissions derives from a Cognito access token, so the same
/// policies and the same schema work in both. See "Mapping Amazon Cognito tokens to schema" in the Amazon Verified
/// Permissions User Guide.
///
/// | Cedar | value |
/// |---|---|
/// | `principal` | `User::"<pool ID>\|<sub>"` |
/// | parents of `principal` | `UserGroup::"<pool ID>\|<group>"` for each group in `cognito:groups` |
/// | `context.token.client_id` | the app client |
/// | `context.token.scope` | the set of scopes; absent if the token has no scopes |
#[derive(Clone)]
pub struct Policies(Arc<Inner>);

struct Inner {
    schema: Schema,
    policies: PolicySet,
    authorizer: Authorizer,
}

impl Policies {
    /// Parses the policies and validates them against the schema.
    ///
    /// Warnings are errors as well. Cedar warns, for example, about a policy that can never apply, which would be a
    /// serious mistake in a `forbid` policy.
    ///
    /// # Errors
    /// [`PolicyError`] if the schema or the policies have a syntax error, if a policy has no `@id` or the `@id` of
    /// another policy, or if a policy does not match the schema. If a policy causes the error, the message names this
    /// policy.
    pub fn new(schema: &str, policies: &str) -> Result<Self, PolicyError> {
        let (schema, _warnings) =
            Schema::from_cedarschema_str(schema).map_err(|error| PolicyError(format!("invalid schema: {error}")))?;
        let policies = with_ids(policies)?;
        let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        let errors = result.validation_errors().map(ToString::to_string);
        let problems: Vec<_> = errors.chain(result.validation_warnings().map(ToString::to_string)).collect();
        if !problems.is_empty() {
            return Err(PolicyError(problems.join("; ")));
        }
        let authorizer = Authorizer::new();
        Ok(Self(Arc::new(Inner { schema, policies, authorizer })))
    }

    /// Decides whether the caller may perform the action on the resource.
    ///
    /// Each denial is logged with the IDs of the policies that caused it, but not with the caller. If the log contains
    /// no ID, no policy permits the action.
    ///
    /// # Errors
    /// `Forbidden` (403) if the policies deny the request. The method fails closed, so the error is also `Forbidden` if
    /// the schema does not contain the action for this resource, or if the evaluation of any policy fails. Cedar itself
    /// ignores a policy whose evaluation fails, for example because of an integer overflow, even if it is a `forbid`
    /// policy.
    pub fn authorize(&self, claims: &CognitoClaims, action: &str, resource: Entity) -> Result<(), CheckError> {
        let Ok((request, entities)) = self.request(claims, action, resource) else {
            // The error can contain claim values, so it is not logged.
            tracing::error!(action, "denied a request, because the schema does not have this action for the resource");
            return Err(CheckError::forbidden("the request does not match the schema of the policies"));
        };
        let response = self.0.authorizer.is_authorized(&request, &self.0.policies, &entities);
        // The errors can contain claim values, so only the IDs of the failed policies are logged.
        let failed =
            response.diagnostics().errors().map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id());
        let failed: Vec<_> = failed.map(ToString::to_string).collect();
        if !failed.is_empty() {
            tracing::error!(action, policies = failed.join(","), "denied a request because policies failed");
            return Err(CheckError::forbidden("the evaluation of a policy failed"));
        }
        if response.decision() == Decision::Allow {
            return Ok(());
        }
        let policies: Vec<_> = response.diagnostics().reason().map(ToString::to_string).collect();
        tracing::info!(action, policies = policies.join(","), "denied a request");
        Err(CheckError::forbidden("the policies deny the action"))
    }

    fn request(
        &self,
        claims: &CognitoClaims,
        action: &str,
        resource: Entity,
    ) -> Result<(Request, Entities), Box<dyn Error>> {
        let principal = user(claims.pool(), claims.sub());
        let groups: HashSet<_> = claims.groups().map(|group| uid(&GROUP, &in_pool(claims.pool(), group))).collect();
        let schema = Some(&self.0.schema);
        let action = uid(&ACTION, action);
        let request = Request::new(principal.clone(), action, resource.uid(), context(claims)?, schema)?;
        let parents = groups.iter().cloned().map(|group| Entity::new_no_attrs(group, HashSet::new()));
        let caller = Entity::new_no_attrs(principal, groups.clone());
        let entities = Entities::from_entities(parents.chain([caller, resource]), schema)?;
        Ok((request, entities))
    }
}

/// Returns the entity ID of a user, for example the owner of a resource.
#[must_use]
pub fn user(pool: &UserPoolId, sub: &str) -> EntityUid {
    uid(&USER, &in_pool(pool, sub))
}

/// Returns the ID of an entity. The text is not parsed, so it may contain any characters.
#[must_use]
pub fn uid(entity_type: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(entity_type.clone(), EntityId::new(id))
}

/// Parses the name of an entity type. Keep the result, because parsing takes longer than a decision.
///
/// # Panics
/// Panics if the name is not a valid type name.
#[must_use]
pub fn entity_type(name: &'static str) -> EntityTypeName {
    name.parse().expect("expected the name of an entity type")
}

static USER: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("User"));
static GROUP: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("UserGroup"));
static ACTION: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Action"));

/// A pool ID contains no `|`, so the result is unambiguous.
fn in_pool(pool: &UserPoolId, id: &str) -> String {
    format!("{pool}|{id}")
}

fn context(claims: &CognitoClaims) -> Result<Context, Box<dyn Error>> {
    let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let mut token = vec![("client_id".to_owned(), string(claims.client_id()))];
    let scopes: Vec<_> = claims.scopes().map(string).collect();
    if !scopes.is_empty() {
        token.push(("scope".to_owned(), RestrictedExpression::new_set(scopes)));
    }
    Ok(Context::from_pairs([("token".to_owned(), RestrictedExpression::new_record(token)?)])?)
}

/// Parses policies and gives each policy the ID in its annotation `@id`. By default, the ID is the position in the
/// file, which changes when a policy is added.
fn with_ids(text: &str) -> Result<PolicySet, PolicyError> {
    let parsed = PolicySet::from_str(text).map_err(|errors| syntax_error(text, &errors))?;
    let mut named = PolicySet::new();
    for policy in parsed.policies() {
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| PolicyError(format!("a policy has no @id: {policy}")))?;
        let result = named.add(policy.new_id(PolicyId::new(id)));
        result.map_err(|_| PolicyError(format!("two policies have the @id `{id}`")))?;
    }
    Ok(named)
}

/// Returns an error that names the line of the syntax error and the last `@id` before the line.
fn syntax_error(text: &str, errors: &ParseErrors) -> PolicyError {
    let offset = errors.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    let before = text.get(..offset).unwrap_or(text);
    let (line, id) = (before.lines().count(), before.rsplit("@id(\"").next().and_then(|rest| rest.split('"').next()));
    PolicyError(format!("syntax error in line {line}, in policy `{}`: {errors}", id.unwrap_or_default()))
}

/// The error if the schema or a policy is not valid.
#[derive(Clone, Debug)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PolicyError {}
