//! Attacks with raw bytes over a socket are rejected.
//!
//! After each attack the server must still run and accept a valid request. It must not have echoed or logged any part
//! of a token. `tests/oracles/wire.py` tests the example program in the same way.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use axum_cognito::{CognitoAuth, CognitoClaims, testing::FakeUserPool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tracing_subscriber::filter::LevelFilter;

const INVALID_REQUEST: &str = r#"Bearer error="invalid_request", error_description="send exactly one bearer token""#;
const INVALID_TOKEN: &str = r#"Bearer error="invalid_token", error_description="the token is not valid here""#;
const MISSING: &str = "Bearer";

/// Records all log output of this thread, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends bytes and reads until the server closes the connection.
async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let exchange = async {
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let mut response = Vec::new();
        // A server may close the connection before it has read everything, so I/O errors are ignored.
        let _ = tokio::join!(
            async {
                let _ = write.write_all(bytes).await;
                // The server drops a request if the client closes its sending side, so only close it after an
                // incomplete request.
                if !bytes.ends_with(b"\r\n\r\n") {
                    let _ = write.shutdown().await;
                }
            },
            read.read_to_end(&mut response),
        );
        response
    };
    timeout(Duration::from_secs(20), exchange).await.expect("the server closes the connection")
}

/// Returns the status and the challenge of a response.
fn outcome(response: &[u8]) -> (u16, Option<String>) {
    let text = String::from_utf8_lossy(response);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let challenge = text.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
    (status, challenge.map(str::to_owned))
}

fn request(line: &str, headers: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("{line}\r\nhost: localhost\r\nconnection: close\r\n").into_bytes();
    for header in headers {
        request.extend(*header);
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    request
}

fn get_me(headers: &[&[u8]]) -> Vec<u8> {
    request("GET /me HTTP/1.1", headers)
}

struct Server {
    address: SocketAddr,
    fake: FakeUserPool,
    log: Log,
}

impl Server {
    async fn start(log: Log) -> Self {
        let fake = FakeUserPool::new();
        let app = Router::new()
            .route("/me", get(async |claims: CognitoClaims| claims.username().unwrap_or_default().to_owned()))
            .layer(CognitoAuth::new(fake.user_pool()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, fake, log }
    }

    /// Sends the attack, then checks that the server still works and has not revealed any part of the token.
    async fn expect(&self, name: &str, attack: &[u8], secret: &str, expected: &[(u16, Option<&str>)]) {
        let response = send(self.address, attack).await;
        let (status, challenge) = outcome(&response);
        assert!(expected.contains(&(status, challenge.as_deref())), "{name}: {}", response.escape_ascii());
        let valid = self.fake.access_token("alice").sign();
        let next = send(self.address, &get_me(&[format!("authorization: Bearer {valid}").as_bytes()])).await;
        assert_eq!(outcome(&next), (200, None), "after {name}");
        let log = self.log.0.lock().unwrap();
        for token in [secret, &valid] {
            for part in token.split('.').filter(|part| part.len() > 20) {
                for output in [&response[..], &next, &log] {
                    assert!(!contains(output, part.as_bytes()), "{name}: a part of the token was revealed");
                }
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn attacks_over_a_socket_are_rejected() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(move || writer.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let server = Server::start(log.clone()).await;

    let token = server.fake.access_token("mallory").sign();
    let t = token.as_bytes();
    let auth = |value: &[u8]| [b"authorization: ", value].concat();
    let good = auth(&[b"Bearer ", t].concat());
    let invalid_request = &[(400, Some(INVALID_REQUEST))][..];
    let missing = &[(401, Some(MISSING))][..];
    let rejected_by_hyper = &[(400, None), (431, None), (0, None)][..];
    let accepted = &[(200, None)][..];

    let cases: Vec<(&str, Vec<u8>, &[(u16, Option<&str>)])> = vec![
        ("two headers", get_me(&[&good, &good]), invalid_request),
        ("two headers, one of another scheme", get_me(&[&good, b"authorization: Basic YTpi"]), invalid_request),
        ("two headers, one empty", get_me(&[b"authorization:", &good]), invalid_request),
        ("sixty headers", get_me(&vec![&good[..]; 60]), invalid_request),
        (
            "two hundred headers",
            get_me(&vec![&b"authorization: Bearer x"[..]; 200]),
            &[(431, None), (400, Some(INVALID_REQUEST))],
        ),
        ("two tokens", get_me(&[&auth(&[b"Bearer ", t, b" ", t].concat())]), invalid_request),
        ("two tokens with a comma", get_me(&[&auth(&[b"Bearer ", t, b", Bearer ", t].concat())]), invalid_request),
        ("a scheme alone", get_me(&[b"authorization: Bearer"]), invalid_request),
        ("a scheme twice", get_me(&[&auth(&[b"Bearer Bearer ", t].concat())]), invalid_request),
        ("a tab after the scheme", get_me(&[&auth(&[b"Bearer\t", t].concat())]), invalid_request),
        ("a tab and a space", get_me(&[&auth(&[b"Bearer \t", t].concat())]), invalid_request),
        ("a tab within", get_me(&[&auth(&[b"Bearer ", &t[..40], b"\t", &t[40..]].concat())]), invalid_request),
        ("quotes", get_me(&[&auth(&[b"Bearer \"", t, b"\""].concat())]), invalid_request),
        ("a parameter", get_me(&[&auth(&[b"Bearer token=", t].concat())]), invalid_request),
        ("Latin-1", get_me(&[&auth(&[b"Bearer ", t, b"\xe9"].concat())]), invalid_request),
        ("UTF-8", get_me(&[&auth(&[b"Bearer ", t, "é".as_bytes()].concat())]), invalid_request),
        ("bytes that are not text", get_me(&[b"authorization: Bearer \xff\xfe\x80"]), invalid_request),
        ("percent signs", get_me(&[&auth(&[b"Bearer ", t, b"%0d%0a"].concat())]), invalid_request),
        ("a no-break space", get_me(&[&auth(&[b"Bearer\xa0", t].concat())]), invalid_request),
        ("another scheme", get_me(&[&auth(&[b"Token ", t].concat())]), missing),
        ("DPoP", get_me(&[&auth(&[b"DPoP ", t].concat())]), missing),
        ("a scheme that starts with Bearer", get_me(&[&auth(&[b"BearerToken ", t].concat())]), missing),
        ("no scheme", get_me(&[&auth(t)]), missing),
        ("the query", request(&format!("GET /me?access_token={token} HTTP/1.1"), &[]), missing),
        ("a cookie", get_me(&[&[b"cookie: access_token=", t].concat()]), missing),
        ("another header", get_me(&[&[b"x-authorization: Bearer ", t].concat()]), missing),
        ("the proxy's header", get_me(&[&[b"proxy-authorization: Bearer ", t].concat()]), missing),
        ("a header of a load balancer", get_me(&[&[b"x-amzn-oidc-accesstoken: ", t].concat()]), missing),
        (
            "a trailer",
            [
                &request("GET /me HTTP/1.1", &[b"transfer-encoding: chunked", b"trailer: authorization"])[..],
                b"0\r\nauthorization: Bearer ",
                t,
                b"\r\n\r\n",
            ]
            .concat(),
            missing,
        ),
        ("a space before the colon", get_me(&[&[b"authorization : Bearer ", t].concat()]), rejected_by_hyper),
        ("NUL", get_me(&[&auth(&[b"Bearer ", t, b"\0"].concat())]), rejected_by_hyper),
        (
            "a bare line feed",
            get_me(&[&auth(&[b"Bearer ", &t[..40], b"\nx: y"].concat())]),
            &[(400, None), (401, Some(INVALID_TOKEN))],
        ),
        ("a bare carriage return", get_me(&[&auth(&[b"Bearer ", &t[..40], b"\rx: y"].concat())]), rejected_by_hyper),
        ("a folded line", get_me(&[&auth(&[b"Bearer ", &t[..40], b"\r\n ", &t[40..]].concat())]), rejected_by_hyper),
        ("a name with a line break", get_me(&[&[b"author\r\nization: Bearer ", t].concat()]), rejected_by_hyper),
        ("delete", get_me(&[&auth(&[b"Bearer ", t, b"\x7f"].concat())]), rejected_by_hyper),
        ("a megabyte", get_me(&[&auth(&[b"Bearer ", &b"a".repeat(1024 * 1024)[..]].concat())]), rejected_by_hyper),
        (
            "a hundred kilobytes",
            get_me(&[&auth(&[b"Bearer ", &b"a".repeat(100_000)[..]].concat())]),
            &[(401, Some(INVALID_TOKEN))],
        ),
        (
            "a thousand dots",
            get_me(&[&auth(&[b"Bearer ", &b".".repeat(1000)[..]].concat())]),
            &[(401, Some(INVALID_TOKEN))],
        ),
        ("a TLS handshake", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), rejected_by_hyper),
        ("an empty request", Vec::new(), rejected_by_hyper),
        ("half a request", good.clone(), rejected_by_hyper),
        ("mixed case in name and scheme", get_me(&[&[b"AuThOrIzAtIoN: bEaReR ", t].concat()]), accepted),
        ("spaces around the value", get_me(&[&[b"authorization: \t Bearer   ", t, b" \t "].concat()]), accepted),
        ("no space before the value", get_me(&[&[b"authorization:Bearer ", t].concat()]), accepted),
        ("HTTP/1.0", request("GET /me HTTP/1.0", &[&good]), accepted),
    ];
    for (name, attack, expected) in cases {
        server.expect(name, &attack, &token, expected).await;
    }

    // One tampered token for each kind of error. The log contains the reason, but no part of the token.
    let fake = &server.fake;
    let tampered_tokens = [
        fake.access_token("mallory").signed_with_wrong_key(),
        fake.access_token("mallory").header("kid", "a-secret-key-id-0123456789"),
        fake.access_token("mallory").header("alg", "a-secret-algorithm-0123456789"),
        fake.access_token("mallory").claim("iss", "https://a-secret-issuer-0123456789.example"),
        fake.access_token("mallory").client_id("a-secret-client-0123456789"),
        fake.access_token("mallory").claim("token_use", "a-secret-use-0123456789"),
        fake.access_token("a-secret-name-0123456789").without("exp"),
        fake.access_token("mallory").payload_json("a-secret-payload-0123456789"),
    ];
    for tampered in tampered_tokens {
        let tampered = tampered.sign();
        let attack = get_me(&[&auth(&[b"Bearer ", tampered.as_bytes()].concat())]);
        server.expect("a tampered token", &attack, &tampered, &[(401, Some(INVALID_TOKEN))]).await;
    }
    let log = log.0.lock().unwrap();
    assert!(contains(&log, b"rejected a token"), "the log was not captured");
    for secret in [&b"a-secret-"[..], b"mallory", b"eyJ"] {
        assert!(!contains(&log, secret), "logged: {}", secret.escape_ascii());
    }
}
