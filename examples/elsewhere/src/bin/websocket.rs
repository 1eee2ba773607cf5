//! How does a WebSocket of a browser carry the token, and end when the token does?
//!
//! ```console
//! $ cargo run --bin websocket
//! ```
//!
//! prints tokens that last a minute. In the console of a browser's developer tools, on a page of `http://127.0.0.1` or an empty one:
//!
//! ```js
//! let socket = new WebSocket("ws://127.0.0.1:3000/chat", ["chat", "bearer." + token]);
//! socket.onmessage = event => console.log(event.data);
//! socket.onclose = event => console.log(event.code, event.reason); // a minute later: 1008 token expired
//! socket.send("hello");
//! ```
//!
//! A page cannot set headers of a WebSocket; the subprotocols are what it can set, and other than the URL they do not end up in logs.
//! Programs may use `Authorization`. The `curl` command that is printed shows the handshake: `chat` comes back, the token does not.
//!
//! No check of `Origin` is needed: a page of another site has no token to offer. **With the token in a cookie it is needed**, since
//! browsers send cookies along with every handshake; see the example `cookie`.
#![forbid(unsafe_code)]

use std::{error::Error, time::Duration};

use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    response::Response,
    routing::any,
};
use axum_cognito::{CognitoAuth, CognitoClaims, ConfigError, TokenSource, UserPool, testing::FakeUserPool};
use tokio::{net::TcpListener, time::timeout};

/// The largest message, in bytes. Frames need a limit of their own: theirs is 16 MiB otherwise, and each is kept until it is complete.
const LARGEST: usize = 64 * 1024;
/// How long a peer has for its part of the closing handshake (RFC 6455 §7.1.1).
const GOODBYE: Duration = Duration::from_secs(2);

fn app(pool: UserPool) -> Result<Router, ConfigError> {
    let sources = [TokenSource::authorization(), TokenSource::websocket_protocol("bearer.")];
    let auth = CognitoAuth::new(pool).token_sources(sources);
    Ok(Router::new().route("/chat", any(chat)).layer(auth.deny_by_default()))
}

/// Chooses `chat` of the offered subprotocols: the server's choice is sent back, and must not be the one with the token.
async fn chat(claims: CognitoClaims, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols(["chat"]).max_message_size(LARGEST).max_frame_size(LARGEST);
    upgrade.on_upgrade(|socket| converse(socket, claims))
}

/// The layer and its custom checks see the handshake only. From there on, nothing but this function ends what began with a valid token: a
/// sign-out elsewhere is not noticed until then, so these tokens should be short-lived.
async fn converse(mut socket: WebSocket, claims: CognitoClaims) {
    let left = claims.expires_in();
    // Around everything, sending as well: a peer that does not read cannot stay either.
    if timeout(left, answer(&mut socket, &claims)).await.is_err() {
        // RFC 6455 §7.4.1: 1008 is "policy violation". The client comes back with a fresh token.
        let frame = CloseFrame { code: close_code::POLICY, reason: "token expired".into() };
        let goodbye = async {
            let _ = socket.send(Message::Close(Some(frame))).await; // it may be gone already
            while let Some(Ok(_)) = socket.recv().await {}
        };
        let _ = timeout(GOODBYE, goodbye).await; // after that, the connection is dropped
    }
}

/// The conversation itself: here an echo. Ends when the peer does.
async fn answer(socket: &mut WebSocket, claims: &CognitoClaims) {
    let name = claims.username().unwrap_or("a machine");
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message
            && socket.send(Message::text(format!("{name}: {text}"))).await.is_err()
        {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let token = || pool.access_token("alice").expires_in(Duration::from_secs(60)).sign();
    println!("let token = {:?};", token());
    println!(
        "curl -i -N --http1.1 --max-time 1 http://127.0.0.1:3000/chat -H 'connection: upgrade' -H 'upgrade: websocket' \
         -H 'sec-websocket-version: 13' -H 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==' -H 'sec-websocket-protocol: chat, bearer.{}'",
        token()
    );
    Ok(axum::serve(listener, app(pool.user_pool())?).await?)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum_cognito::{Clock, SystemClock};
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpStream;
    use tokio_tungstenite::{
        MaybeTlsStream, WebSocketStream, connect_async,
        tungstenite::{self, Error, client::IntoClientRequest, handshake::client},
    };

    use super::*;

    /// The life of a token: a busy machine may need some of it to connect.
    const SHORT: Duration = Duration::from_secs(8);
    /// Longer than anything takes. What is never to happen takes for ever.
    const LONG: Duration = Duration::from_secs(60);

    async fn serve(pool: &FakeUserPool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(pool.user_pool()).unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        address
    }

    type Connected = (WebSocketStream<MaybeTlsStream<TcpStream>>, client::Response);

    async fn connect(address: SocketAddr, header: &str, value: &str) -> Result<Connected, Error> {
        let mut request = format!("ws://{address}/chat").into_client_request()?;
        request.headers_mut().insert(header.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        connect_async(request).await
    }

    async fn echo(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> String {
        socket.send(tungstenite::Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_connection_ends_with_its_token_and_comes_back_with_a_fresh_one() {
        let pool = FakeUserPool::new();
        let address = serve(&pool).await;
        let short = pool.access_token("alice").expires_in(SHORT).sign();
        let ends = CognitoAuth::new(pool.user_pool()).verifier().check(&short).unwrap().expires_at();
        let offer = format!("chat, bearer.{short}");

        let (mut socket, response) = connect(address, "sec-websocket-protocol", &offer).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat", "the token does not come back");
        assert_eq!(echo(&mut socket).await, "alice: hello");

        let closed = timeout(LONG, socket.next()).await.expect("closed by the server");
        assert!(SystemClock.now() >= ends, "open until the last moment");
        let tungstenite::Message::Close(Some(frame)) = closed.unwrap().unwrap() else { panic!("not a close frame") };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "token expired"));

        let again = connect(address, "sec-websocket-protocol", &offer).await.unwrap_err();
        assert!(matches!(again, Error::Http(response) if response.status() == 401));
        let fresh = format!("chat, bearer.{}", pool.access_token("alice").sign());
        let (mut socket, _) = connect(address, "sec-websocket-protocol", &fresh).await.unwrap();
        assert_eq!(echo(&mut socket).await, "alice: hello");
    }

    /// Fills every buffer, so that the server waits for its peer in the middle of a message when the token ends.
    #[tokio::test]
    async fn a_peer_that_does_not_read_ends_as_well() {
        let pool = FakeUserPool::new();
        let address = serve(&pool).await;
        let short = pool.access_token("alice").expires_in(SHORT).sign();
        let (mut socket, _) = connect(address, "authorization", &format!("Bearer {short}")).await.unwrap();
        let flood = async {
            loop {
                if socket.send(tungstenite::Message::text("x".repeat(60 * 1024))).await.is_err() {
                    return;
                }
            }
        };
        timeout(LONG, flood).await.expect("dropped by the server");
    }

    #[tokio::test]
    async fn programs_use_the_header_and_nobody_comes_without_a_token() {
        let pool = FakeUserPool::new();
        let address = serve(&pool).await;
        let token = pool.access_token("alice").sign();
        let (mut socket, _) = connect(address, "authorization", &format!("Bearer {token}")).await.unwrap();
        assert_eq!(echo(&mut socket).await, "alice: hello");

        let forged = pool.access_token("alice").signed_with_wrong_key().sign();
        for (offer, status) in [
            ("chat".to_owned(), 401),
            (format!("chat, bearer.{forged}"), 401),
            (format!("chat, bearer.{token}, bearer.{token}"), 400),
        ] {
            let refused = connect(address, "sec-websocket-protocol", &offer).await.unwrap_err();
            let Error::Http(response) = refused else { panic!("{refused}") };
            assert_eq!(response.status(), status, "{offer}");
        }
    }
}
