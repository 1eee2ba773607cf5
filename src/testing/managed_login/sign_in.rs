//! Signs a user in without a browser.

use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use oauth2::url::{Url, form_urlencoded};

use super::server::ManagedLoginServer;

impl ManagedLoginServer {
    /// Signs a user in as a browser without cookies would, and returns the URL of the final redirect. The redirect
    /// leads to the callback URL with `code` and `state`, or with `error`.
    ///
    /// The endpoints handle the requests without a network connection, so this method also works with paused Tokio
    /// time.
    ///
    /// # Panics
    /// Panics if the URL belongs to another server, if the user does not exist, or if the server shows an error page.
    pub async fn sign_in(&self, authorization_url: &str, username: &str) -> String {
        let password = self.password(username).unwrap_or_else(|| panic!("the server has no user `{username}`"));
        let form = [("username", username), ("password", password)];
        self.submit_login(authorization_url, &form).await
    }

    /// Opens the sign-in page, cancels the sign-in, and returns the callback URL with `error=access_denied`.
    ///
    /// # Panics
    /// Panics if the URL belongs to another server, or if the server shows an error page.
    pub async fn cancel_sign_in(&self, authorization_url: &str) -> String {
        self.submit_login(authorization_url, &[("action", "cancel")]).await
    }

    async fn submit_login(&self, authorization_url: &str, form: &[(&str, &str)]) -> String {
        let url = Url::parse(authorization_url).expect("the authorization URL is absolute");
        let server = self.url();
        assert_eq!(url.origin().ascii_serialization(), server, "the authorization URL must belong to this server");
        let location = redirect_of(&self.respond(get(&authorization_url[server.len()..])).await);
        if !location.starts_with("/login?") {
            return location; // an error that the client receives
        }
        let page = self.respond(get(&location)).await;
        assert_eq!(page.status(), StatusCode::OK, "the server shows an error page instead of the sign-in page");
        redirect_of(&self.respond(post(&location, form)).await)
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("the path is valid")
}

fn post(path: &str, form: &[(&str, &str)]) -> Request<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).expect("the path is valid")
}

fn redirect_of(response: &Response<Body>) -> String {
    let status = response.status();
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    location
        .unwrap_or_else(|| panic!("the server shows a page with the status {status} instead of a redirect"))
        .to_owned()
}
