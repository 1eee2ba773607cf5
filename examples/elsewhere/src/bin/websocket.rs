//! Accepts a browser's token in a WebSocket subprotocol, and closes the connection when the token expires.
//!
//! ```console
//! $ cargo run --bin websocket
//! ```
//!
//! The program prints a `curl` command and a line of JavaScript with a token that is valid for a minute. Open
//! `about:blank` or a page of `http://127.0.0.1` in a browser, and paste that line and the following lines into the
//! developer tools:
//!
//! ```js
//! let socket = new WebSocket("ws://127.0.0.1:3000/chat", ["chat", "bearer." + token]);
//! socket.onmessage = event => console.log(event.data);
//! socket.onclose = event => console.log(event.code, event.reason); // after a minute: 1008 token expired
//! socket.onopen = () => socket.send("hello");                      // "alice: hello"
//! ```
//!
//! A web page cannot set the headers of a WebSocket handshake, but it can set the subprotocols. Access logs usually
//! contain the URL, but not the subprotocols. Other clients can send the `Authorization` header instead. The `curl`
//! command shows the handshake. The response selects `chat` and does not contain the token.
//!
//! The server does not need to check `Origin`, because pages on other sites have no token to send. **If the token were
//! in a cookie, the server would have to check `Origin`**, because browsers add cookies to every handshake. The example
//! `cookie` contains such a check.
#![forbid(unsafe_code)]

use std::{error::Error, time::Duration};

use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    response::Response,
    routing::any,
};
use axum_cognito::{CognitoAuth, CognitoClaims, TokenSource, UserPool, testing::FakeUserPool};
use tokio::{net::TcpListener, time::timeout};

/// The maximum size of a message and of a frame, in bytes. The frame limit would otherwise be 16 MiB, and a frame is
/// buffered until it is complete.
const MAX_SIZE: usize = 64 * 1024;
/// The time limit for the closing handshake (RFC 6455 §7.1.1).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

fn app(pool: UserPool) -> Router {
    let sources = [TokenSource::authorization(), TokenSource::websocket_protocol("bearer.")];
    let auth = CognitoAuth::new(pool).token_sources(sources);
    Router::new().route("/chat", any(chat)).layer(auth.deny_by_default())
}

/// Selects the subprotocol `chat`. The response contains the selected subprotocol, so the subprotocol with the token
/// must not be selected.
async fn chat(claims: CognitoClaims, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols(["chat"]).max_message_size(MAX_SIZE).max_frame_size(MAX_SIZE);
    upgrade.on_upgrade(|socket| serve_socket(socket, claims))
}

/// Echoes messages until the token expires.
///
/// The layer and its custom checks only run for the handshake. A sign-out does not end an open connection, so use
/// short-lived tokens.
async fn serve_socket(mut socket: WebSocket, claims: CognitoClaims) {
    let left = claims.expires_in();
    // The time limit includes sending, so a peer that does not read is disconnected as well.
    if timeout(left, echo(&mut socket, &claims)).await.is_err() {
        // 1008 is "policy violation" (RFC 6455 §7.4.1). The client can connect again with a new token.
        let frame = CloseFrame { code: close_code::POLICY, reason: "token expired".into() };
        let closing = async {
            let _ = socket.send(Message::Close(Some(frame))).await; // the peer may have disconnected
            while let Some(Ok(_)) = socket.recv().await {}
        };
        let _ = timeout(CLOSE_TIMEOUT, closing).await; // then the connection is dropped
    }
}

/// Echoes messages until the peer disconnects.
async fn echo(socket: &mut WebSocket, claims: &CognitoClaims) {
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
    Ok(axum::serve(listener, app(pool.user_pool())).await?)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum_cognito::clock::{Clock, SystemClock};
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpStream;
    use tokio_tungstenite::{
        MaybeTlsStream, WebSocketStream, connect_async,
        tungstenite::{self, Error, client::IntoClientRequest, handshake::client},
    };

    use super::*;

    /// The lifetime of short-lived tokens, which must be long enough to connect on a slow machine.
    const SHORT: Duration = Duration::from_secs(8);
    /// The maximum time that a test waits for an expected event.
    const LONG: Duration = Duration::from_secs(60);

    async fn serve(pool: &FakeUserPool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(pool.user_pool());
        tokio::spawn(async { axum::serve(listener, app).await });
        address
    }

    type Connected = (WebSocketStream<MaybeTlsStream<TcpStream>>, client::Response);

    async fn connect(address: SocketAddr, header: &str, value: &str) -> Result<Connected, Error> {
        let mut request = format!("ws://{address}/chat").into_client_request()?;
        request.headers_mut().insert(header.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        connect_async(request).await
    }

    async fn send_hello(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> String {
        socket.send(tungstenite::Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_its_token_expires_and_accepts_a_new_token() {
        let pool = FakeUserPool::new();
        let address = serve(&pool).await;
        let short = pool.access_token("alice").expires_in(SHORT).sign();
        let ends = CognitoAuth::new(pool.user_pool()).verifier().check(&short).unwrap().expires_at();
        let offer = format!("chat, bearer.{short}");

        let (mut socket, response) = connect(address, "sec-websocket-protocol", &offer).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat", "the response must not contain the token");
        assert_eq!(send_hello(&mut socket).await, "alice: hello");

        let closed = timeout(LONG, socket.next()).await.expect("the server did not close the connection");
        assert!(SystemClock.now() >= ends, "closed before the token expired");
        let tungstenite::Message::Close(Some(frame)) = closed.unwrap().unwrap() else { panic!("not a close frame") };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "token expired"));

        let again = connect(address, "sec-websocket-protocol", &offer).await.unwrap_err();
        assert!(matches!(again, Error::Http(response) if response.status() == 401));
        let fresh = format!("chat, bearer.{}", pool.access_token("alice").sign());
        let (mut socket, _) = connect(address, "sec-websocket-protocol", &fresh).await.unwrap();
        assert_eq!(send_hello(&mut socket).await, "alice: hello");
    }

    /// Fills all buffers, so the server is blocked in `send` when the token expires.
    #[tokio::test]
    async fn a_peer_that_does_not_read_is_disconnected_when_its_token_expires() {
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
        timeout(LONG, flood).await.expect("the server did not drop the connection");
    }

    #[tokio::test]
    async fn the_authorization_header_works_and_handshakes_without_a_valid_token_are_rejected() {
        let pool = FakeUserPool::new();
        let address = serve(&pool).await;
        let token = pool.access_token("alice").sign();
        let (mut socket, _) = connect(address, "authorization", &format!("Bearer {token}")).await.unwrap();
        assert_eq!(send_hello(&mut socket).await, "alice: hello");

        let forged = pool.access_token("alice").signed_with_wrong_key().sign();
        for (offer, status) in [
            ("chat".to_owned(), 401),
            (format!("chat, bearer.{forged}"), 401),
            (format!("chat, bearer.{token}, bearer.{token}"), 400),
        ] {
            let error = connect(address, "sec-websocket-protocol", &offer).await.unwrap_err();
            let Error::Http(response) = error else { panic!("{error}") };
            assert_eq!(response.status(), status, "{offer}");
        }
    }
}
