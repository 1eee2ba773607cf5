//! The schema of the problem document in the body of a rejection.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::middleware::AuthRejection;

/// The error codes of RFC 6750 §3.1 and RFC 9470 §3 that a rejection can have.
const ERROR_CODES: [&str; 4] =
    ["insufficient_scope", "insufficient_user_authentication", "invalid_request", "invalid_token"];

/// The schema `AuthProblem`: the problem document ([RFC 9457]) in the body of a rejection.
///
/// [`SecuritySchemes`](crate::openapi::SecuritySchemes) adds the schema to a document. If you do not use
/// `SecuritySchemes`, add the schema with `#[openapi(components(schemas(AuthRejection)))]`.
///
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
impl ToSchema for AuthRejection {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AuthProblem")
    }
}

impl PartialSchema for AuthRejection {
    fn schema() -> RefOr<Schema> {
        let text = |description| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let status = ObjectBuilder::new().schema_type(Type::Integer).description(Some("The HTTP status."));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("The reason why a request was rejected (RFC 9457)."))
            .property("type", text("The type of the problem.").enum_values(Some(["about:blank"])))
            .required("type")
            .property("title", text("The name of the HTTP status."))
            .required("title")
            .property("status", status)
            .required("status")
            .property("detail", text("A fixed text about the reason."))
            .required("detail")
            .property("error", text("The error code (RFC 6750, RFC 9470).").enum_values(Some(ERROR_CODES)))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::middleware::AuthRejectionKind::*;

    #[test]
    fn schema_describes_the_problem_document() {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let mut expected = json!({
            "type": "object",
            "description": "The reason why a request was rejected (RFC 9457).",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": text("The type of the problem."),
                "title": text("The name of the HTTP status."),
                "status": { "type": "integer", "description": "The HTTP status." },
                "detail": text("A fixed text about the reason."),
                "error": text("The error code (RFC 6750, RFC 9470)."),
            },
        });
        expected["properties"]["type"]["enum"] = json!(["about:blank"]);
        expected["properties"]["error"]["enum"] = json!(ERROR_CODES);
        assert_eq!(serde_json::to_value(AuthRejection::schema()).unwrap(), expected);
    }

    #[test]
    fn every_problem_document_matches_the_schema() {
        let schema = serde_json::to_value(AuthRejection::schema()).unwrap();
        let names = |value: &Value| value.as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
        let kinds =
            [InsufficientAuthentication, InsufficientScope, InvalidRequest, InvalidToken, MissingToken, Unavailable];
        for kind in kinds {
            let response = AuthRejection::new(kind).into_http_response::<bytes::Bytes>();
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            let members: BTreeSet<_> = body.as_object().unwrap().keys().map(|name| json!(name).to_string()).collect();
            assert!(members.is_superset(&names(&schema["required"])), "{kind}");
            for (name, value) in body.as_object().unwrap() {
                let property = &schema["properties"][name];
                assert_eq!(property["type"] == "integer", value.is_u64(), "{kind} {name}");
                assert!(
                    property.get("enum").is_none_or(|values| values.as_array().unwrap().contains(value)),
                    "{kind} {name}"
                );
            }
        }
    }
}
