#!/usr/bin/env python3
"""Tests the contract of the `dashboard` example against ministack's managed login, with and without Redis.

The script `run` creates the environment for this program, calls it, and stops the processes that are left
afterwards.
"""

import argparse
import base64
import html
import http.client
import os
import re
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urljoin, urlsplit

import pool as cognito
from stage import HOST, Emulator, Process, Response, eventually, free_port, interrupt_on_terminate

OPTIONS = None
MEMBER, OUTSIDER = "ada.lovelace", "grace.hopper"
NAVIGATION = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Site", "none")]
SAME_ORIGIN = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]


def send(url, method="GET", headers=(), body=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.putrequest(method, parts.path + (f"?{parts.query}" if parts.query else ""))
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Response(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


class Browser:
    """Keeps cookies by origin, and checks the attributes of each cookie that the example sets."""

    secrets = set()  # the codes and the values of cookies that any browser has received

    def __init__(self):
        self.jar = {}

    def cookies(self, url):
        return self.jar.setdefault(urlsplit(url).netloc, {})

    def open(self, url, method="GET", headers=NAVIGATION, body=None):
        cookies = self.cookies(url)
        sent = list(headers)
        if cookies:
            sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        if body is not None:
            sent.append(("Content-Type", "application/x-www-form-urlencoded"))
        response = send(url, method, sent, body)
        set_cookies = response.all("set-cookie")
        for cookie in set_cookies:
            pair, *attributes = cookie.split("; ")
            name, value = pair.split("=", 1)
            attributes = {attribute.lower() for attribute in attributes}
            if not url.startswith(world.emulator.url):
                assert name.startswith("__Host-"), f"another subdomain could set {name}"
                assert {"path=/", "secure", "httponly", "samesite=lax"} <= attributes, cookie
                assert len(cookie) < 4096, f"a browser would drop {name}"
            if "max-age=0" in attributes or not value:
                cookies.pop(name, None)
            else:
                cookies[name] = value
                Browser.secrets.add(value)
        if set_cookies and any("__Host-" in cookie for cookie in set_cookies):
            assert "no-store" in (response.header("cache-control") or ""), f"{url}: cookies without no-store"
        return response

    def post(self, url, headers=SAME_ORIGIN, body=b""):
        return self.open(url, "POST", headers, body)

    def follow(self, url):
        """Opens a URL and follows redirects. Returns the last response and its URL."""
        for _ in range(10):
            response = self.open(url)
            location = response.header("location")
            if response.status not in (302, 303):
                return response, url
            url = urljoin(url, location)
        raise AssertionError("more than ten redirects")

    def log_in(self, page, url, username=MEMBER, password=cognito.PASSWORD):
        """Fills in the form of the managed login. Returns the URL of the callback."""
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.body.decode()))
        form = {name: html.unescape(value) for name, value in fields.items()}
        form |= {"username": username, "password": password}
        response = self.open(urljoin(url, "/login"), "POST", NAVIGATION, urlencode(form).encode())
        assert response.status == 302, response
        callback = response.header("location")
        Browser.secrets.add(parse_qs(urlsplit(callback).query)["code"][0])
        return callback

    def sign_in(self, app, return_to="/dashboard", **user):
        """Signs in. Returns the last response and its URL."""
        page, url = self.follow(f"{app.url}/auth/sign-in?return_to={quote(return_to, safe='')}")
        assert b"password" in page.body, page
        return self.follow(self.log_in(page, url, **user))

    def session(self, app):
        return self.open(f"{app.url}/api/session", headers=SAME_ORIGIN)


class Dashboard(Process):
    binary = None

    def __init__(self, name, pool, client, **settings):
        self.port = int(settings.pop("port", 0)) or free_port()
        self.url = f"http://{HOST}:{self.port}"
        settings = {
            "DASHBOARD_ADDR": f"{HOST}:{self.port}",
            "AWS_COGNITO_USER_POOL_ID": pool.id,
            "AWS_COGNITO_USER_POOL_CLIENT_ID": client["ClientId"],
            "AWS_COGNITO_USER_POOL_CLIENT_SECRET": client.get("ClientSecret"),
            "AWS_COGNITO_JWKS_PATH": pool.jwks_url,
            "AWS_COGNITO_DOMAIN": pool.emulator.url,
            "AWS_COGNITO_REDIRECT_URL": f"{self.url}/auth/callback",
            "AWS_COGNITO_LOGOUT_URL": f"{self.url}/",
            "AWS_COGNITO_SCOPES": "openid email",
            "RUST_LOG": "debug,axum_cognito=trace",
            "NO_COLOR": "1",
            **settings,
        }
        super().__init__(name, [str(self.binary)], {name: value for name, value in settings.items() if value})

    def start(self):
        super().start()
        self.until_reachable(f"{self.url}/healthz")
        return self


class TokenEndpoint:
    """Passes token requests to the emulator, and accepts revocations, which the emulator does not know.

    While `open` is cleared, the responses are held back.
    """

    def __init__(self):
        self.requests = []  # (path, fields) of every request that has a response
        self.open = threading.Event()
        self.open.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                response = Response(200, [], b"")
                if self.path == "/oauth2/token":
                    names = [name for name in ("Authorization", "Content-Type") if name in self.headers]
                    sent = [(name, self.headers[name]) for name in names]
                    response = send(f"{world.emulator.url}{self.path}", "POST", sent, body)
                owner.requests.append((self.path, dict(parse_qsl(body.decode()))))
                owner.open.wait(60)
                self.send_response(response.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://{HOST}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fields(self, path, name):
        """Returns the values of a field in the requests to this path."""
        return [fields[name] for called, fields in self.requests if called == path and name in fields]

    def stop(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


class World:
    """An emulator with one pool, and a Redis server."""

    def __init__(self):
        self.emulator = Emulator("emulator").start()
        self.pool = cognito.Pool(self.emulator, "dashboard")
        self.pool.idp.create_group(UserPoolId=self.pool.id, GroupName="admins")
        self.pool.user(MEMBER, "admins")
        self.pool.user(OUTSIDER)
        port = free_port()
        self.redis_url = f"redis://{HOST}:{port}"
        self.redis = Process("redis", [
            "redis-server", "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no"], {}).start()

    def app(self, name, secret=True, seconds=3600, port=None, **settings):
        """Starts the example with its own app client."""
        port = port or free_port()
        url = f"http://{HOST}:{port}"
        client = self.client(name, [url], secret, seconds)
        return Dashboard(name, self.pool, client, port=port, **settings).start()

    def client(self, name, urls, secret=True, seconds=3600):
        return self.pool.idp.create_user_pool_client(
            UserPoolId=self.pool.id, ClientName=name, GenerateSecret=secret,
            AllowedOAuthFlows=["code"], AllowedOAuthFlowsUserPoolClient=True, AllowedOAuthScopes=["openid", "email"],
            CallbackURLs=[f"{url}/auth/callback" for url in urls], LogoutURLs=[f"{url}/" for url in urls],
            AccessTokenValidity=seconds, IdTokenValidity=3600,
            TokenValidityUnits={"AccessToken": "seconds", "IdToken": "seconds"})["UserPoolClient"]


class SignIn(unittest.TestCase):
    """The contract of the sign-in routes."""

    @classmethod
    def setUpClass(cls):
        cls.app = world.app("sign-in")

    def test_authorization_request_has_the_documented_parameters(self):
        response = send(f"{self.app.url}/auth/sign-in?return_to=/dashboard")
        self.assertEqual(response.status, 302)
        location = urlsplit(response.header("location"))
        self.assertEqual(f"{location.scheme}://{location.netloc}{location.path}", f"{world.emulator.url}/oauth2/authorize")
        parameters = dict(parse_qsl(location.query, strict_parsing=True))
        expected = {
            "response_type": "code", "scope": "openid email", "code_challenge_method": "S256",
            "redirect_uri": f"{self.app.url}/auth/callback",
            "client_id": self.app.environment["AWS_COGNITO_USER_POOL_CLIENT_ID"],
        }
        self.assertEqual({name: parameters[name] for name in expected}, expected)
        for name in ("state", "nonce", "code_challenge"):
            self.assertRegex(parameters[name], r"^[\w-]{43}$", name)
        self.assertEqual(set(parameters), set(expected) | {"state", "nonce", "code_challenge"})

    def test_user_signs_in_and_returns_to_the_page(self):
        for return_to, expected in [
            ("/dashboard", "/dashboard"), ("/dashboard?tab=2", "/dashboard?tab=2"), ("/", "/"),
            ("//example.com/", "/"), ("/\\example.com", "/"), ("https://example.com/", "/"), ("/%2f/example.com", "/"),
        ]:
            with self.subTest(return_to=return_to):
                browser = Browser()
                response, url = browser.sign_in(self.app, return_to)
                self.assertEqual((response.status, url), (200, self.app.url + expected))
                session = browser.session(self.app)
                self.assertEqual(session.status, 200)
                body = session.json()
                self.assertEqual((body["username"], body["groups"]), (MEMBER, ["admins"]))
                self.assertIn("@example.test", body["email"])
                self.assertGreater(body["access_expires_at"], time.time())
                self.assertEqual(set(body), {"sub", "username", "email", "groups", "access_expires_at"})

    def test_navigation_is_redirected_and_other_requests_get_401(self):
        redirected = send(f"{self.app.url}/dashboard", headers=NAVIGATION)
        self.assertEqual(redirected.status, 302)
        location = urlsplit(redirected.header("location"))
        self.assertEqual((location.path, parse_qs(location.query)["return_to"]), ("/auth/sign-in", ["/dashboard"]))
        for path, headers in [
            ("/dashboard", SAME_ORIGIN),
            ("/dashboard", [*NAVIGATION, ("Sec-Purpose", "prefetch")]),
            ("/dashboard", [*NAVIGATION, ("Authorization", "Bearer nonsense")]),
            ("/api/session", NAVIGATION),
            ("/api/session", []),
        ]:
            with self.subTest(path=path, headers=headers):
                self.assertEqual(send(self.app.url + path, headers=headers).status, 401)

    def test_unsolicited_callback_is_rejected(self):
        browser = Browser()
        page, url = browser.follow(f"{self.app.url}/auth/sign-in?return_to=/dashboard")
        callback = browser.log_in(page, url)
        code, state = (parse_qs(urlsplit(callback).query)[name][0] for name in ("code", "state"))
        own = f"{self.app.url}/auth/callback"
        script = quote("<script>alert(1)</script>")
        for name, query in [
            ("no parameters", ""),
            ("no state", f"code={code}"),
            ("another state", f"code={code}&state={'A' * 43}"),
            ("state twice", f"code={code}&state={state}&state={state}"),
            ("error without state", "error=access_denied"),
            ("script in the error", f"error={script}&error_description={script}&state={'A' * 43}"),
        ]:
            with self.subTest(name):
                response = browser.open(f"{own}?{query}")
                self.assertEqual(response.status, 400)
                self.assertNotIn(b"<script>", response.body)
        with self.subTest("another browser, with the code of this one"):
            self.assertEqual(Browser().open(callback).status, 400)
        self.assertEqual(browser.open(callback).status, 302)
        with self.subTest("replayed"):
            kept = [name for name in browser.cookies(self.app.url) if name.startswith("__Host-sign-in-")]
            self.assertEqual(kept, [], "the attempt is used up")
            self.assertEqual(browser.open(callback).status, 400)
            self.assertEqual(browser.session(self.app).status, 200, "the session continues")

    def test_error_of_managed_login_is_shown_and_uses_up_the_attempt(self):
        browser = Browser()
        start = browser.open(f"{self.app.url}/auth/sign-in")
        state = parse_qs(urlsplit(start.header("location")).query)["state"][0]
        response = browser.open(f"{self.app.url}/auth/callback?error=access_denied&state={state}")
        self.assertEqual((response.status, response.media_type), (400, "text/html"))
        self.assertEqual(browser.cookies(self.app.url), {})

    def test_parallel_tabs_do_not_disturb_each_other(self):
        browser = Browser()
        pages = [browser.follow(f"{self.app.url}/auth/sign-in?return_to=/dashboard?tab={tab}") for tab in range(3)]
        for tab, (page, url) in reversed(list(enumerate(pages))):
            response, at = browser.follow(browser.log_in(page, url))
            self.assertEqual((response.status, at), (200, f"{self.app.url}/dashboard?tab={tab}"))

    def test_cross_site_requests_are_rejected(self):
        browser = Browser()
        browser.sign_in(self.app)
        notes = f"{self.app.url}/api/notes"
        for status, headers in [
            (204, SAME_ORIGIN),
            (204, [("Origin", self.app.url)]),
            (403, [("Sec-Fetch-Site", "cross-site")]),
            (403, [("Sec-Fetch-Site", "same-site"), ("Origin", self.app.url)]),
            (403, [("Origin", "https://example.com")]),
            (403, [("Origin", "null")]),
            (403, []),
        ]:
            with self.subTest(headers=headers):
                self.assertEqual(browser.post(notes, headers, b"a note").status, status)
        self.assertEqual(send(notes, "POST", SAME_ORIGIN, b"").status, 401)

    def test_sign_out_ends_the_session_here_and_at_the_managed_login(self):
        browser = Browser()
        browser.sign_in(self.app)
        copy = dict(browser.cookies(self.app.url))
        self.assertEqual(browser.open(f"{self.app.url}/auth/sign-out").status, 405)
        self.assertEqual(browser.post(f"{self.app.url}/auth/sign-out", [("Sec-Fetch-Site", "cross-site")]).status, 403)
        response = browser.post(f"{self.app.url}/auth/sign-out")
        self.assertIn(response.status, (302, 303))
        location = urlsplit(response.header("location"))
        self.assertEqual(f"{location.scheme}://{location.netloc}{location.path}", f"{world.emulator.url}/logout")
        self.assertEqual(parse_qs(location.query)["logout_uri"], [f"{self.app.url}/"])
        self.assertEqual(browser.cookies(self.app.url), {})
        self.assertEqual(browser.session(self.app).status, 401)
        browser.cookies(self.app.url).update(copy)
        self.assertEqual(browser.session(self.app).status, 401, "a copied cookie must not work in this process")

    def test_api_client_uses_its_token_in_the_same_router(self):
        browser = Browser()
        browser.sign_in(self.app)

        def ask(client):
            token = world.pool.sign_in(client, OUTSIDER)["AccessToken"]
            return browser.open(f"{self.app.url}/api/session", headers=[("Authorization", f"Bearer {token}")])

        own = ask(self.app.environment["AWS_COGNITO_USER_POOL_CLIENT_ID"])
        self.assertEqual((own.status, own.json().get("username")), (200, OUTSIDER), "the token counts, not the session")
        self.assertEqual(ask(world.pool.client("api")).status, 401, "an invalid token never falls back to the session")


class PublicClient(unittest.TestCase):
    """An app client without a secret, with access tokens that live three seconds."""

    @classmethod
    def setUpClass(cls):
        cls.app = world.app("short-lived", secret=False, seconds=3)

    def test_expired_access_token_is_refreshed_once(self):
        browser = Browser()
        browser.sign_in(self.app)
        before = browser.session(self.app).json()["access_expires_at"]
        time.sleep(max(0, before - time.time()) + 1.1)
        old = dict(browser.cookies(self.app.url))
        jar = "; ".join(f"{name}={value}" for name, value in old.items())

        def ask(_):
            return send(f"{self.app.url}/api/session", headers=[*SAME_ORIGIN, ("Cookie", jar)])

        logged = len(self.app.log())
        with ThreadPoolExecutor(20) as threads:
            responses = list(threads.map(ask, range(20)))
        self.assertEqual({response.status for response in responses}, {200})
        self.assertEqual(len({response.json()["access_expires_at"] for response in responses}), 1)
        self.assertGreater(responses[0].json()["access_expires_at"], before)
        # The HTTP client logs each connection, and every refresh opens one.
        self.assertEqual(self.app.log()[logged:].count("starting new connection"), 1, "more than one refresh")

    def test_session_outlives_an_outage_of_the_token_endpoint(self):
        browser = Browser()
        browser.sign_in(self.app)
        world.emulator.stop()
        try:
            time.sleep(4.1)
            response = browser.session(self.app)
            self.assertEqual(response.status, 503)
            self.assertTrue(response.header("retry-after"))
            self.assertEqual(browser.open(f"{self.app.url}/dashboard").status, 503, "an outage must not redirect to sign-in")
        finally:
            world.emulator.start()
        eventually(lambda: browser.session(self.app).status == 200, 20, "the session to continue")


class Instances(unittest.TestCase):
    """Two instances with one Redis server. A third one cannot reach the token endpoint, and a fourth one uses the
    token endpoint of this test."""

    @classmethod
    def setUpClass(cls):
        ports = [free_port(), free_port()]
        urls = [f"http://{HOST}:{port}" for port in ports]
        client = world.client("fleet", urls, seconds=4)
        shared = {"COGNITO_SESSION_KEY": base64.b64encode(os.urandom(32)).decode(), "DASHBOARD_REDIS_URL": world.redis_url}
        # Both instances have one public origin, as behind a load balancer.
        shared |= {"AWS_COGNITO_REDIRECT_URL": f"{urls[0]}/auth/callback", "AWS_COGNITO_LOGOUT_URL": f"{urls[0]}/"}
        cls.apps = [
            Dashboard(f"instance-{index}", world.pool, client, port=port, **shared).start()
            for index, port in enumerate(ports)]
        shared["AWS_COGNITO_DOMAIN"] = f"http://{HOST}:{free_port()}"
        cls.offline = Dashboard("instance-offline", world.pool, client, **shared).start()
        cls.endpoint = TokenEndpoint()
        shared["AWS_COGNITO_DOMAIN"] = cls.endpoint.url
        cls.observed = Dashboard("instance-observed", world.pool, client, **shared).start()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.stop()

    def on(self, app, browser):
        """Sends the browser's cookies to this instance."""
        jar = "; ".join(f"{name}={value}" for name, value in browser.cookies(self.apps[0].url).items())
        return send(f"{app.url}/api/session", headers=[*SAME_ORIGIN, ("Cookie", jar)])

    def test_instances_share_sessions_refreshes_and_sign_outs(self):
        first, second = self.apps
        browser, phone = Browser(), Browser()
        browser.sign_in(first)
        phone.sign_in(first)
        self.assertLess(len(browser.cookies(first.url)["__Host-session"]), 300, "the cookie contains only a key")
        self.assertEqual(self.on(second, browser).status, 200)
        time.sleep(5.1)
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(lambda index: self.on(self.apps[index % 2], browser), range(8)))
        self.assertEqual({response.status for response in responses}, {200})
        self.assertEqual(self.on(first, browser).json()["access_expires_at"], self.on(second, browser).json()["access_expires_at"])
        self.assertEqual(self.on(self.offline, browser).status, 200, "a refresh takes effect on the other instances")
        self.assertEqual(self.on(self.offline, phone).status, 503, "this instance cannot refresh a session itself")
        copy = Browser()
        copy.cookies(first.url).update(browser.cookies(first.url))
        browser.post(f"{first.url}/auth/sign-out")
        self.assertEqual(self.on(second, copy).status, 401, "a sign-out takes effect on the other instance")
        self.assertEqual(self.on(second, phone).status, 200)
        self.assertEqual(phone.post(f"{first.url}/api/sign-out-everywhere").status, 204)
        self.assertEqual(self.on(second, phone).status, 401)

    def test_sign_out_revokes_the_refresh_token(self):
        browser = Browser()
        browser.sign_in(self.apps[0])
        self.endpoint.requests.clear()
        self.assertEqual(self.on(self.observed, browser).status, 200)
        used = self.endpoint.fields("/oauth2/token", "refresh_token")
        self.assertEqual(len(used), 1, "the session was refreshed once")
        browser.cookies(self.observed.url).update(browser.cookies(self.apps[0].url))
        browser.post(f"{self.observed.url}/auth/sign-out")
        self.assertEqual(self.endpoint.fields("/oauth2/revoke", "token"), used)

    def test_refresh_does_not_revive_a_session_that_was_signed_out(self):
        browser, copy = Browser(), Browser()
        browser.sign_in(self.apps[0])
        copy.cookies(self.apps[0].url).update(browser.cookies(self.apps[0].url))
        time.sleep(5.1)
        self.endpoint.requests.clear()
        self.endpoint.open.clear()
        with ThreadPoolExecutor(1) as threads:
            try:
                waiting = threads.submit(self.on, self.observed, copy)
                used = eventually(lambda: self.endpoint.fields("/oauth2/token", "refresh_token"), 8, "a refresh")
                browser.post(f"{self.apps[0].url}/auth/sign-out")
            finally:
                self.endpoint.open.set()
            self.assertEqual(waiting.result().status, 401, "the session ended during its refresh")
        for app in [*self.apps, self.observed]:
            self.assertEqual(self.on(app, copy).status, 401, f"{app.name} must not revive the session")
        self.assertEqual(self.endpoint.fields("/oauth2/revoke", "token"), used, "the new refresh token is revoked")


class Settings(unittest.TestCase):
    """Invalid settings stop the program with a message that names the variable."""

    def test_invalid_variable_is_named(self):
        for variable, value in [
            ("AWS_COGNITO_DOMAIN", "http://login.example.com"),
            ("AWS_COGNITO_DOMAIN", "app.auth.eu-west-1.amazoncognito.com"),
            ("AWS_COGNITO_REDIRECT_URL", "/auth/callback"),
            ("AWS_COGNITO_REDIRECT_URL", "http://app.example.com/auth/callback"),
            ("AWS_COGNITO_LOGOUT_URL", "nowhere"),
            ("AWS_COGNITO_SCOPES", "email"),
            ("AWS_COGNITO_USER_POOL_CLIENT_SECRET", "two words of a secret"),
            ("COGNITO_SESSION_KEY", "c2hvcnQ="),
            ("DASHBOARD_REDIS_URL", "nonsense"),
        ]:
            with self.subTest(variable=variable, value=value):
                client = {"ClientId": "1example23456789"}
                app = Dashboard("misconfigured", world.pool, client, **{variable: value})
                Process.start(app)
                self.assertNotEqual(app.wait(20), 0)
                self.assertIn(variable, app.log())
                if variable.endswith(("SECRET", "KEY")):
                    self.assertNotIn(value, app.log())


class Page(unittest.TestCase):
    """The pages in a browser, with the emulator and with the embedded pool."""

    def visit(self, name, url, username, password, seconds):
        browser = Process(f"browser-{name}", ["node", str(Path(__file__).with_name("dashboard.mjs"))], {
            "E2E_PAGE": url, "E2E_USERNAME": username, "E2E_PASSWORD": password, "E2E_SECONDS": str(seconds),
            "E2E_CHROMIUM": str(OPTIONS.chromium.resolve()), "E2E_NODE_MODULES": str(OPTIONS.node_modules.resolve()),
            "TMPDIR": str(OPTIONS.work),
        })
        self.addCleanup(browser.stop)
        self.assertEqual(browser.start().wait(180), 0, browser.log())

    def test_pages_with_the_emulator(self):
        app = world.app("page", seconds=5)
        self.visit("emulator", app.url, MEMBER, cognito.PASSWORD, 5)

    def test_pages_with_the_embedded_pool(self):
        port = free_port()
        app = Process("embedded", [str(Dashboard.binary)], {
            "DASHBOARD_ADDR": f"{HOST}:{port}", "RUST_LOG": "info", "NO_COLOR": "1"}).start()
        app.until_reachable(f"http://{HOST}:{port}/healthz")
        user, password = re.search(r"demo user: (\S+)  password: (\S+)", app.log(".out")).groups()
        self.visit("embedded", f"http://{HOST}:{port}", user, password, 0)


class Silence(unittest.TestCase):
    """The logs contain no secret, token or code."""

    def test_no_log_contains_a_secret(self):
        apps = [process for process in Process.started if process.command == [str(Dashboard.binary)]]
        secrets = Browser.secrets | {
            secret for app in apps for name, secret in app.environment.items() if name.endswith(("SECRET", "SESSION_KEY"))}
        logs = "".join(app.log() for app in apps)
        self.assertGreater(len(logs), 1000)
        self.assertEqual([secret for secret in secrets if len(secret) > 20 and secret in logs], [])
        self.assertNotRegex(logs, r"eyJ[\w-]+\.[\w-]+\.", "a token in a log")
        self.assertNotRegex(logs, r"[?&]code=", "a code in a log")
        self.assertNotIn("panicked", logs)


def main():
    global OPTIONS, world
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="the built example")
    parser.add_argument("--work", type=Path, required=True, help="an empty directory for logs and states")
    parser.add_argument("--only", action="append", help="run only this class; may be repeated")
    parser.add_argument("--chromium", type=Path, help="the browser for the page tests")
    parser.add_argument("--node-modules", type=Path, help="the directory with playwright-core, for --chromium")
    OPTIONS = parser.parse_args()
    (OPTIONS.work / "pids").mkdir(parents=True, exist_ok=True)
    Process.work, Dashboard.binary = OPTIONS.work, OPTIONS.binary.resolve()
    interrupt_on_terminate()
    classes = [SignIn, PublicClient, Instances, Settings, *([Page] if OPTIONS.chromium else []), Silence]
    if OPTIONS.only:
        classes = [found for found in classes if found.__name__ in OPTIONS.only]
    failed = True
    try:
        world = World()
        suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, classes))
        result = unittest.TextTestRunner(sys.stdout, verbosity=2).run(suite)
        failed = bool(result.failures or result.errors or not result.testsRun)
    finally:
        if failed:
            for process in Process.started:
                if process.name != "misconfigured":
                    print(f"--- {process.name}\n{process.log()[-4000:]}")
        Process.stop_all()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
