//! Compares the generated JSON of security schemes and rules with the expected JSON.

use serde_json::json;
use utoipa::openapi::{
    InfoBuilder, OpenApiBuilder, PathItem, PathsBuilder, ResponseBuilder,
    path::{HttpMethod, Operation, OperationBuilder, PathItemBuilder},
};

use super::*;

const DOMAIN: &str = "https://app.auth.eu-west-1.amazoncognito.com";

fn api(operations: impl IntoIterator<Item = (&'static str, Operation)>) -> OpenApi {
    let item = |operation| PathItem::new(HttpMethod::Get, operation);
    let paths =
        operations.into_iter().fold(PathsBuilder::new(), |paths, (path, operation)| paths.path(path, item(operation)));
    OpenApiBuilder::new().info(InfoBuilder::new().title("t").version("1").build()).paths(paths.build()).build()
}

fn oauth2() -> SecuritySchemes {
    SecuritySchemes::oauth2(DOMAIN, [("openid", "Sign in"), ("orders/read", "Read orders")]).unwrap()
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn schemes_are_added_to_the_components() {
    let token = format!("{DOMAIN}/oauth2/token");
    let bearer = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token from the Amazon Cognito user pool.",
        },
    });
    let code = json!({
        "oauth2": {
            "type": "oauth2",
            "description": "Sign-in with Amazon Cognito, with PKCE.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": format!("{DOMAIN}/oauth2/authorize"),
                    "tokenUrl": token,
                    "refreshUrl": token,
                    "scopes": { "openid": "Sign in", "orders/read": "Read orders" },
                },
            },
        },
    });
    let machine = json!({
        "client_credentials": {
            "type": "oauth2",
            "description": "A machine's own token from Amazon Cognito.",
            "flows": { "clientCredentials": { "tokenUrl": token, "scopes": { "orders/read": "Read orders" } } },
        },
    });
    #[cfg(feature = "sign-in")]
    let session = json!({
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-session",
            "description": "The session cookie of a signed-in browser. The browser sends it automatically.",
        },
    });
    for (schemes, expected) in [
        (SecuritySchemes::bearer(), &bearer),
        (oauth2(), &code),
        (SecuritySchemes::client_credentials(DOMAIN, [("orders/read", "Read orders")]).unwrap(), &machine),
        #[cfg(feature = "sign-in")]
        (SecuritySchemes::session_cookie(), &session),
        (SecuritySchemes::bearer().or(oauth2()), &json!({ "bearer": bearer["bearer"], "oauth2": code["oauth2"] })),
    ] {
        let mut api = api([]);
        schemes.modify(&mut api);
        assert_eq!(json(&api)["components"]["securitySchemes"], *expected);
        assert_eq!(json(&api)["components"]["schemas"], json!({ "AuthProblem": json(AuthRejection::schema()) }));
    }
}

#[test]
fn domain_of_oauth2_schemes_is_checked() {
    let scopes = [("a", "b")];
    for result in [
        SecuritySchemes::oauth2("https://auth.example.com/login", scopes),
        SecuritySchemes::client_credentials("http://auth.example.com", scopes),
    ] {
        assert!(matches!(result, Err(ConfigError::InvalidDomain { .. })), "{result:?}");
    }
}

#[test]
fn scopes_of_operations_are_added_to_oauth2_schemes() {
    let rule = Require::scope("orders/read").and(Require::scope("orders/write"));
    let mut api = api([("/orders", oauth2().document(&rule, Operation::new()))]);
    oauth2().or(SecuritySchemes::bearer()).modify(&mut api);
    assert_eq!(
        json(&api)["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]["scopes"],
        json!({ "openid": "Sign in", "orders/read": "Read orders", "orders/write": "" }),
    );
}

#[test]
fn rule_adds_requirements_and_responses() {
    let any = ["400", "401", "503"].as_slice();
    let forbidden = ["400", "401", "403", "503"].as_slice();
    let both = || SecuritySchemes::bearer().or(oauth2());
    for (schemes, rule, security, statuses) in [
        (oauth2(), Require::valid_token(), json!([{ "oauth2": [] }]), any),
        (both(), Require::valid_token(), json!([{ "bearer": [] }, { "oauth2": [] }]), any),
        (oauth2(), Require::group("admins"), json!([{ "oauth2": [] }]), forbidden),
        (oauth2(), Require::scope("a"), json!([{ "oauth2": ["a"] }]), forbidden),
        (both(), Require::scope("a"), json!([{ "bearer": ["a"] }, { "oauth2": ["a"] }]), forbidden),
        (oauth2(), Require::all_scopes(["a", "b"]), json!([{ "oauth2": ["a", "b"] }]), forbidden),
        (oauth2(), Require::any_scope(["a", "b"]), json!([{ "oauth2": ["a"] }, { "oauth2": ["b"] }]), forbidden),
        // No token satisfies this rule. Without requirements, the operation would be documented as public.
        (oauth2(), Require::any_scope(["a"; 0]), json!([{ "oauth2": [] }]), forbidden),
        (
            oauth2(),
            Require::scope("a").or(Require::group("admins")),
            json!([{ "oauth2": ["a"] }, { "oauth2": [] }]),
            forbidden,
        ),
    ] {
        let operation = json(schemes.document(&rule, Operation::new()));
        assert_eq!(operation["security"], security, "{rule:?}");
        assert!(operation["responses"].as_object().unwrap().keys().eq(statuses), "{rule:?}");
    }
}

#[test]
fn only_rules_about_the_sign_in_ask_for_another_one() {
    let step_up = "/responses/401/content/application~1problem+json/examples/insufficient_authentication";
    for (rule, expected) in [(Require::user(), false), (Require::acr("urn:cognito:loa:2"), true)] {
        let operation = json(oauth2().document(&rule, Operation::new()));
        assert_eq!(operation.pointer(step_up).is_some(), expected, "{rule:?}");
    }
}

#[test]
fn own_responses_are_kept_and_requirements_replaced() {
    let operation = OperationBuilder::new()
        .response("403", ResponseBuilder::new().description("You are no admin."))
        .security(SecurityRequirement::new("oauth2", ["old"]))
        .build();
    let operation = json(oauth2().document(&Require::group("admins"), operation));
    assert_eq!(operation["responses"]["403"], json!({ "description": "You are no admin." }));
    assert_eq!(operation["security"], json!([{ "oauth2": [] }]));
}

#[test]
fn every_operation_of_a_value_is_documented() {
    let methods = [
        HttpMethod::Get,
        HttpMethod::Put,
        HttpMethod::Post,
        HttpMethod::Delete,
        HttpMethod::Options,
        HttpMethod::Head,
        HttpMethod::Patch,
        HttpMethod::Trace,
    ];
    let item =
        methods.into_iter().fold(PathItemBuilder::new(), |item, method| item.operation(method, Operation::new()));
    let item = item.query(Some(Operation::new())).additional_operation("PURGE", Operation::new()).build();
    let paths = PathsBuilder::new().path("/a", item.clone()).path("/b", item.clone()).build();
    let api = OpenApiBuilder::new().paths(paths.clone()).build();

    let schemes = oauth2();
    let rule = Require::scope("a");
    let documented = |value: Value| value.to_string().matches(r#""security":[{"oauth2":["a"]}]"#).count();
    assert_eq!(documented(json(schemes.document(&rule, item.clone()))), 10);
    assert_eq!(documented(json(schemes.document(&rule, &mut item.clone()))), 10);
    assert_eq!(documented(json(schemes.document(&rule, paths.clone()))), 20);
    assert_eq!(documented(json(schemes.document(&rule, api))), 20);
    assert_eq!(documented(json(schemes.document(&rule, ((), paths, ())).1)), 20);
}
