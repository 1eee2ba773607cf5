#!/usr/bin/env python3
"""Tests the contract of the `activities` example against ministack, an independent emulator of Amazon Cognito.

The script `run` creates the environment for this program, calls it, and stops the processes that are left afterwards.
"""

import argparse
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pool as cognito
from stage import (
    HOST, REGION, Emulator, Example, KeyServer, Process, challenge, eventually, identity_provider,
    interrupt_on_terminate, request,
)

OPTIONS = None
MEMBER, OUTSIDER, NON_ASCII = "ada.lovelace", "grace.hopper", "zoë.müller.名"
PROTECTED = ("/api/me", "/api/admin")


class World:
    """An emulator with the pool of most tests, and tokens of every kind."""

    def __init__(self):
        self.emulator = Emulator("emulator").start()
        self.pool = cognito.Pool(self.emulator, "activities")
        self.web = self.pool.client("web")
        self.other = self.pool.client("other")
        self.short = self.pool.client(
            "short-lived", AccessTokenValidity=3, TokenValidityUnits={"AccessToken": "seconds"})
        self.machine, secret = self.pool.machine_client("machine")
        self.pool.idp.create_group(UserPoolId=self.pool.id, GroupName="admins")
        self.pool.idp.create_group(UserPoolId=self.pool.id, GroupName="readers")
        self.subs = {
            MEMBER: self.pool.user(MEMBER, "admins", "readers"),
            OUTSIDER: self.pool.user(OUTSIDER, "readers"),
            NON_ASCII: self.pool.user(NON_ASCII),
        }
        self.sessions = {name: self.pool.sign_in(self.web, name) for name in self.subs}
        self.machine_token = self.pool.machine_token(self.machine, secret)
        self.elsewhere = cognito.Pool(self.emulator, "elsewhere")
        client = self.elsewhere.client("web")
        self.elsewhere.user(MEMBER)
        self.other_pools_token = self.elsewhere.sign_in(client, MEMBER)["AccessToken"]

    def access(self, user):
        return self.sessions[user]["AccessToken"]

    def settings(self, **changes):
        """Returns the environment of an example for this pool. A change to None removes a variable."""
        settings = {
            "AWS_COGNITO_USER_POOL_ID": self.pool.id,
            "AWS_COGNITO_USER_POOL_CLIENT_ID": ",".join((self.web, self.machine, self.short)),
            "AWS_COGNITO_JWKS_PATH": self.pool.jwks_url,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.emulator.url,
            **changes,
        }
        return {name: value for name, value in settings.items() if value is not None}


world = None


class Contract(unittest.TestCase):
    """Assertions about whole responses."""

    def problem(self, response, status):
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.media_type, "application/problem+json", response)
        body = response.json()
        self.assertEqual(body["status"], status)
        self.assertTrue(body["title"], body)

    def no_credentials(self, response):
        """Asserts a challenge without an error code (RFC 6750, section 3.1)."""
        self.problem(response, 401)
        self.assertEqual(response.all("www-authenticate"), ["Bearer"])

    def rejected(self, response, status, error):
        self.problem(response, status)
        self.assertEqual((challenge(response) or {}).get("error"), error, response)

    def anonymous(self, response):
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.header("x-viewer"), "anonymous")
        self.assertIsNone(challenge(response))
        return self.feed(response)

    def feed(self, response):
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.media_type, "application/json")
        activities = response.json()
        self.assertIsInstance(activities, list)
        self.assertTrue(activities)
        for activity in activities:
            self.assertIsInstance(activity, dict)
        return activities

    def bad_token(self, example, token):
        """Asserts that protected routes reject the token and that the public route treats it as anonymous."""
        for path in PROTECTED:
            self.rejected(example.bearer(path, token), 401, "invalid_token")
        self.anonymous(example.bearer("/api/activities/home", token))

    def me(self, example, token, **expected):
        response = example.bearer("/api/me", token)
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.media_type, "application/json")
        claims = cognito.claims_of(token)
        body = response.json()
        self.assertEqual(body, {
            "sub": claims["sub"],
            "username": claims.get("username", claims.get("cognito:username")),
            "client_id": claims.get("client_id", claims.get("aud")),
            "token_use": claims["token_use"],
            "groups": claims.get("cognito:groups", []),
            "scopes": claims.get("scope", "").split(),
            "expires_at": claims["exp"],
            **expected,
        })


class WithExample(Contract):
    """Tests that share a running example."""

    name = ""
    changes = {}

    @classmethod
    def setUpClass(cls):
        cls.example = Example(cls.name, **world.settings(**cls.changes))
        cls.addClassCleanup(cls.example.stop)
        cls.example.start()


class AccessTokens(WithExample):
    """An example that accepts access tokens only, which is the default."""

    name = "access"

    def test_page_is_public(self):
        response = self.example.get("/")
        self.assertEqual((response.status, response.media_type), (200, "text/html"))
        self.assertIn(b"<!doctype html", response.body[:200].lower())

    def test_health_checks_return_200(self):
        response = self.example.get("/healthz")
        self.assertEqual(response.status, 200)
        response = self.example.get("/readyz")
        self.assertEqual((response.status, response.media_type), (200, "application/json"))
        self.assertIsInstance(response.json(), dict)

    def test_public_paths_ignore_bad_tokens(self):
        for path in ("/", "/healthz", "/readyz"):
            self.assertEqual(self.example.bearer(path, "abc").status, 200)

    def test_no_credentials_get_a_challenge_without_an_error(self):
        for path in PROTECTED:
            self.no_credentials(self.example.get(path))
        self.anonymous(self.example.get("/api/activities/home"))

    def test_other_schemes_count_as_no_credentials(self):
        for value in ("Basic YWRhOmxvdmVsYWNl", "Digest username=ada", "Bearerish abc", "Token " + world.access(MEMBER)):
            with self.subTest(scheme=value.split()[0]):
                for path in PROTECTED:
                    self.no_credentials(self.example.get(path, value))
                self.anonymous(self.example.get("/api/activities/home", value))

    def test_token_in_the_query_is_ignored(self):
        for path in PROTECTED:
            self.no_credentials(self.example.get(f"{path}?access_token={world.access(MEMBER)}"))

    def test_malformed_and_repeated_credentials_are_rejected_with_400(self):
        good = f"Bearer {world.access(MEMBER)}"
        requests = {
            "the same header twice": (good, good),
            "two tokens": (good, f"Bearer {world.access(OUTSIDER)}"),
            "good and bad": (good, "Bearer abc"),
            "bad and good": ("Bearer abc", good),
            "two schemes": ("Basic YWRhOmxvdmVsYWNl", good),
            "two schemes in the other order": (good, "Basic YWRhOmxvdmVsYWNl"),
            "two tokens in one header": (f"{good}, {good}",),
            "two words": (f"{good} again",),
            "only the scheme": ("Bearer",),
            "quoted": (f'Bearer "{world.access(MEMBER)}"',),
            "a tab": (f"Bearer\t{world.access(MEMBER)}",),
            "non-ASCII letters": ("Bearer a\u00e9b",),
        }
        for name, values in requests.items():
            with self.subTest(name):
                for path in PROTECTED:
                    self.rejected(self.example.get(path, *values), 400, "invalid_request")
                self.anonymous(self.example.get("/api/activities/home", *values))

    def test_scheme_is_case_insensitive(self):
        for scheme in ("bearer", "BEARER", "bEaReR"):
            self.assertEqual(self.example.get("/api/me", f"{scheme} {world.access(MEMBER)}").status, 200)

    def test_me_returns_the_verified_claims(self):
        for user in world.subs:
            with self.subTest(user):
                self.me(self.example, world.access(user), sub=world.subs[user], username=user, client_id=world.web)

    def test_me_returns_the_groups(self):
        groups = self.example.bearer("/api/me", world.access(MEMBER)).json()["groups"]
        self.assertEqual(sorted(groups), ["admins", "readers"])
        self.assertEqual(self.example.bearer("/api/me", world.access(NON_ASCII)).json()["groups"], [])

    def test_machine_tokens_have_no_username(self):
        self.me(self.example, world.machine_token,
                username=None, client_id=world.machine, groups=[], scopes=[cognito.SCOPE])
        response = self.example.bearer("/api/activities/home", world.machine_token)
        self.feed(response)
        self.assertEqual(response.header("x-viewer"), world.machine)
        self.rejected(self.example.bearer("/api/admin", world.machine_token), 403, "insufficient_scope")

    def test_home_includes_the_users_own_activity(self):
        everyone = self.anonymous(self.example.get("/api/activities/home"))
        for user in world.subs:
            with self.subTest(user):
                response = self.example.bearer("/api/activities/home", world.access(user))
                self.assertEqual(response.header("x-viewer"), quote(user, safe="!\"#$&'()*+,/:;<=>?@[\\]^_`{|}~"))
                own = self.feed(response)
                self.assertGreater(len(own), len(everyone))

    def test_admin_requires_the_group(self):
        response = self.example.bearer("/api/admin", world.access(MEMBER))
        self.assertEqual((response.status, response.media_type), (200, "application/json"))
        for user in (OUTSIDER, NON_ASCII):
            self.rejected(self.example.bearer("/api/admin", world.access(user)), 403, "insufficient_scope")

    def test_groups_match_by_exact_name_only(self):
        token = world.access(OUTSIDER)
        for groups in (["Admins"], ["admins "], ["admins,readers"], ["administrators"], [], [["admins"]], "admins",
                       {"admins": True}, None, [None], ["readers", 7]):
            with self.subTest(groups=groups):
                response = self.example.bearer("/api/admin", world.pool.resign(token, **{"cognito:groups": groups}))
                self.assertIn(response.status, (401, 403), response)

    def test_unusual_valid_tokens_are_accepted(self):
        for name, token in cognito.unusual(world.pool, world.access(MEMBER)).items():
            with self.subTest(name):
                response = self.example.bearer("/api/me", token)
                self.assertEqual(response.status, 200, response)
                self.assertEqual(response.json()["username"], MEMBER)

    def test_forged_tokens_are_rejected(self):
        for name, token in cognito.forgeries(world.pool, world.access(MEMBER)).items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_signed_but_invalid_tokens_are_rejected(self):
        tokens = cognito.signed_but_invalid(world.pool, world.access(MEMBER), world.other, world.elsewhere.issuer)
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_tokens_of_other_kinds_clients_and_pools_are_rejected(self):
        tokens = {
            "ID token": world.sessions[MEMBER]["IdToken"],
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "another client": world.pool.sign_in(world.other, MEMBER)["AccessToken"],
            "another pool": world.other_pools_token,
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_oversized_token_is_rejected(self):
        self.bad_token(self.example, "a" * 200_000)

    def test_token_is_rejected_once_it_expires(self):
        token = world.pool.sign_in(world.short, MEMBER)["AccessToken"]
        expiry = cognito.claims_of(token)["exp"]
        for _ in range(2):  # the second result may come from the token cache
            self.me(self.example, token, client_id=world.short)
        self.assertLess(time.time(), expiry, "the token expired before the test sent it")
        time.sleep(max(0, expiry - time.time() + 0.01))
        self.bad_token(self.example, token)

    def test_pages_of_other_origins_can_call_the_api(self):
        origin = ("Origin", "http://localhost:5173")
        response = self.example.get("/api/me", method="OPTIONS", headers=[
            origin, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")])
        self.assertIn(response.status, (200, 204), response)
        self.assertIn(response.header("access-control-allow-origin"), ("*", origin[1]))
        self.assertIn("authorization", (response.header("access-control-allow-headers") or "").lower())
        # Pages of other origins must also be able to read rejections.
        response = self.example.get("/api/me", headers=[origin])
        self.no_credentials(response)
        self.assertIn(response.header("access-control-allow-origin"), ("*", origin[1]))
        self.assertIn("www-authenticate", (response.header("access-control-expose-headers") or "").lower())

    def test_other_methods_get_405(self):
        self.assertEqual(self.example.get("/api/me", f"Bearer {world.access(MEMBER)}", method="DELETE").status, 405)


class IdTokens(WithExample):
    name = "id"
    changes = {"AWS_COGNITO_TOKEN_USE": "id"}

    def test_id_tokens_are_accepted(self):
        for user in world.subs:
            with self.subTest(user):
                token = world.sessions[user]["IdToken"]
                self.me(self.example, token, sub=world.subs[user], username=user, client_id=world.web,
                        token_use="id", scopes=[])
                response = self.example.bearer("/api/activities/home", token)
                self.feed(response)
                self.assertNotEqual(response.header("x-viewer"), "anonymous")

    def test_admin_requires_the_group(self):
        self.assertEqual(self.example.bearer("/api/admin", world.sessions[MEMBER]["IdToken"]).status, 200)
        self.rejected(self.example.bearer("/api/admin", world.sessions[OUTSIDER]["IdToken"]), 403, "insufficient_scope")

    def test_other_tokens_are_rejected(self):
        tokens = {
            "access token": world.access(MEMBER),
            "machine token": world.machine_token,
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "another client": world.pool.sign_in(world.other, MEMBER)["IdToken"],
            "aud a list": world.pool.resign(world.sessions[MEMBER]["IdToken"], aud=[world.web]),
            "aud of another client, but client_id is ours": world.pool.resign(
                world.sessions[MEMBER]["IdToken"], aud=world.other, client_id=world.web),
            "access token with token_use id": world.pool.resign(world.access(MEMBER), token_use="id"),
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)


class AnyTokens(WithExample):
    name = "any"
    changes = {"AWS_COGNITO_TOKEN_USE": "any"}

    def test_both_token_uses_are_accepted(self):
        self.me(self.example, world.sessions[MEMBER]["IdToken"], token_use="id", username=MEMBER)
        self.me(self.example, world.access(MEMBER), token_use="access", username=MEMBER)
        self.me(self.example, world.machine_token, token_use="access", username=None)

    def test_other_tokens_are_rejected(self):
        tokens = {
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "ID token of another client": world.pool.sign_in(world.other, MEMBER)["IdToken"],
            "no token_use": world.pool.resign(world.access(MEMBER), drop=["token_use"]),
            "access token with aud instead of client_id": world.pool.resign(
                world.access(MEMBER), drop=["client_id"], aud=world.web),
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)


class Keys(Contract):
    """The key sources, and changed or unavailable keys."""

    def started(self, name, ready=True, **changes):
        example = Example(name, **world.settings(**changes))
        self.addCleanup(example.stop)
        return example.start(ready)

    def second_pool(self, name):
        """Starts another emulator with an app client and a user. Returns the pool, the client and the settings."""
        emulator = Emulator(name)
        self.addCleanup(emulator.stop)
        emulator.start()
        pool = cognito.Pool(emulator, name)
        client = pool.client("web")
        pool.user(MEMBER)
        return pool, client, {
            "AWS_COGNITO_USER_POOL_ID": pool.id,
            "AWS_COGNITO_USER_POOL_CLIENT_ID": client,
            "AWS_COGNITO_JWKS_PATH": pool.jwks_url,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": emulator.url,
        }

    def test_keys_are_read_from_a_file(self):
        path = Process.work / "jwks.json"
        path.write_bytes(request(world.pool.jwks_url).body)
        example = self.started("file", AWS_COGNITO_JWKS_PATH=str(path))
        self.me(example, world.access(MEMBER))
        self.bad_token(example, world.other_pools_token)

    def test_jwks_url_follows_from_the_issuer(self):
        example = self.started(
            "issuer", AWS_COGNITO_JWKS_PATH=None, AWS_COGNITO_ISSUER=f"{world.emulator.url}/{world.pool.id}")
        token = world.access(MEMBER)
        self.me(example, world.pool.resign(token, iss=f"{world.emulator.url}/{world.pool.id}"))
        self.bad_token(example, world.pool.resign(token, iss=f"{world.emulator.url}/{world.elsewhere.id}"))

    def test_service_region_may_differ_from_the_pools(self):
        """Lambda and ECS set `AWS_REGION` to the Region of the service itself."""
        example = self.started(
            "region", AWS_COGNITO_REGION=REGION, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")
        self.me(example, world.access(MEMBER))

    def test_key_rotation_is_picked_up_by_the_first_token(self):
        pool, client, settings = self.second_pool("rotation")
        example = self.started("rotation", **settings)
        before = pool.sign_in(client, MEMBER)["AccessToken"]
        self.me(example, before)
        pool.emulator.rotate_access_key(pool.id)
        after = pool.sign_in(client, MEMBER)["AccessToken"]
        self.assertNotEqual(cognito.header_of(before)["kid"], cognito.header_of(after)["kid"])
        # The first token with the new key triggers a fetch. Tokens of the removed key are rejected from then on.
        self.me(example, after)
        self.bad_token(example, before)
        # Loaded keys continue to work while the endpoint is offline.
        pool.emulator.stop()
        self.me(example, after)
        self.assertEqual(example.get("/readyz").status, 200)

    def key_server(self):
        server = KeyServer(request(world.pool.jwks_url).body)
        self.addCleanup(server.stop)
        return server

    def test_unknown_kids_trigger_few_fetches(self):
        server = self.key_server()
        example = self.started("flood", AWS_COGNITO_JWKS_PATH=server.url)
        at_first = before = server.fetches
        token = world.access(MEMBER)
        floods = [
            [world.pool.resign(token, header={"kid": f"unknown-key-{number}"}) for number in range(200)],
            [world.pool.resign(token, header={"kid": "unknown-key"}, jti=str(number)) for number in range(200)],
        ]
        for flood in floods:
            began = time.monotonic()
            with ThreadPoolExecutor(8) as pool:
                for response in pool.map(lambda forged: example.bearer("/api/me", forged), flood):
                    self.rejected(response, 401, "invalid_token")
            # All requests share one fetch. A retry may follow, and then a cooldown of several seconds.
            self.assertLessEqual(server.fetches - before, 2 + (time.monotonic() - began) / 3)
            before = server.fetches
        self.assertGreater(before, at_first, "unknown kids triggered no fetch")
        self.me(example, token)

    def test_known_keys_do_not_wait_for_a_hanging_endpoint(self):
        server = self.key_server()
        example = self.started("hang", AWS_COGNITO_JWKS_PATH=server.url)
        token = world.access(MEMBER)
        unknown = world.pool.resign(token, header={"kid": "unknown-key-hang"})
        before = server.fetches
        server.open.clear()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(example.bearer, "/api/me", unknown)
            eventually(lambda: server.fetches > before, 10, "a fetch for the unknown kid")
            # Requests with a known key do not wait for the fetch that another request triggered.
            began = time.monotonic()
            for _ in range(20):
                self.me(example, token)
                self.anonymous(example.get("/api/activities/home"))
            self.assertLess(time.monotonic() - began, 2)
            self.assertIn(waiting.result(20).status, (401, 503))

    def test_requests_get_503_until_the_keys_are_loaded(self):
        pool, client, settings = self.second_pool("outage")
        token = pool.sign_in(client, MEMBER)["AccessToken"]
        pool.emulator.stop()
        example = self.started("outage", ready=False, **settings)

        response = example.get("/readyz")
        self.assertEqual((response.status, response.media_type), (503, "application/json"))
        self.assertIsInstance(response.json(), dict)
        self.assertEqual(example.get("/healthz").status, 200)
        for path in PROTECTED:
            response = example.bearer(path, token)
            self.problem(response, 503)
            self.assertRegex(response.header("retry-after") or "", r"^[1-9][0-9]{0,3}$")
            self.no_credentials(example.get(path))
            self.rejected(example.bearer(path, "abc"), 401, "invalid_token")
            self.rejected(example.get(path, f"Bearer {token}", f"Bearer {token}"), 400, "invalid_request")
        self.anonymous(example.bearer("/api/activities/home", token))

        pool.emulator.start()
        example.until_ready(90)
        self.me(example, token)

    def test_retry_after_is_long_enough(self):
        pool, client, settings = self.second_pool("recovery")
        token = pool.sign_in(client, MEMBER)["AccessToken"]
        pool.emulator.stop()
        example = self.started("recovery", ready=False, **settings)
        response = example.bearer("/api/me", token)
        self.problem(response, 503)
        pool.emulator.start()
        # A client that waits as long as `Retry-After` says succeeds with its next request.
        time.sleep(int(response.header("retry-after")))
        self.me(example, token)


class Configuration(unittest.TestCase):
    """A bad value ends the program with an error that names the variable."""

    def bad(self, variable, **changes):
        example = Example("misconfigured", **world.settings(**changes))
        self.addCleanup(example.stop)
        Process.start(example)
        try:
            status = example.wait(15)
        except subprocess.TimeoutExpired:
            self.fail(f"the program did not end:\n{example.log()}")
        self.assertNotEqual(status, 0)
        self.assertGreaterEqual(status, 0, f"ended by a signal:\n{example.log()}")
        message = example.log(".err")
        self.assertNotIn("panicked", message)
        self.assertIn(variable, message)
        return message

    def test_bad_pool_id_is_rejected(self):
        for value in ("nonsense", "us-east-1", "us-east-1_", "_AbC123xyz", "us-east-1_AbC/123", "us-east-1 _AbC123", ""):
            with self.subTest(value):
                self.bad("AWS_COGNITO_USER_POOL_ID", AWS_COGNITO_USER_POOL_ID=value)

    def test_bad_client_id_is_rejected(self):
        for value in (None, "", ",", " , "):
            with self.subTest(value):
                self.bad("AWS_COGNITO_USER_POOL_CLIENT_ID", AWS_COGNITO_USER_POOL_CLIENT_ID=value)

    def test_contradicting_region_is_rejected(self):
        message = self.bad("AWS_COGNITO_REGION", AWS_COGNITO_REGION="eu-west-1")
        self.assertIn("eu-west-1", message)
        self.assertIn(REGION, message)
        self.bad("AWS_COGNITO_REGION", AWS_COGNITO_REGION="nonsense")

    def test_bad_sign_in_endpoint_is_rejected(self):
        for value in ("nonsense", "ftp://127.0.0.1", ""):
            with self.subTest(value):
                self.bad(
                    "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER=value)

    def test_unknown_token_use_is_rejected(self):
        for value in ("foo", "refresh", "access,id,foo"):
            with self.subTest(value):
                self.assertIn(value, self.bad("AWS_COGNITO_TOKEN_USE", AWS_COGNITO_TOKEN_USE=value))

    def test_bad_jwks_url_is_rejected(self):
        for value in ("http://keys.example.test/jwks.json", "ftp://127.0.0.1/jwks.json"):
            with self.subTest(value):
                self.bad("AWS_COGNITO_JWKS_PATH", AWS_COGNITO_JWKS_PATH=value)

    def test_bad_issuer_is_rejected(self):
        self.bad("AWS_COGNITO_ISSUER", AWS_COGNITO_ISSUER="nonsense")

    def test_bad_address_is_rejected(self):
        for value in ("nonsense", f"{HOST}:{world.emulator.port}"):
            with self.subTest(value):
                self.bad("ACTIVITIES_ADDR", ACTIVITIES_ADDR=value)


class End(unittest.TestCase):
    def test_sigterm_stops_the_server(self):
        example = Example("end", **world.settings())
        self.addCleanup(example.stop)
        example.start()
        example.get("/api/me")
        example.child.terminate()
        self.assertEqual(example.wait(10), 0, example.log())


class Embedded(Contract):
    """An example without a pool in the environment starts an embedded pool."""

    def test_embedded_pool_needs_no_set_up(self):
        example = Example("embedded")
        self.addCleanup(example.stop)
        example.start()
        self.assertIn(f"{example.url}/", example.log(), "the URL of the page is not printed")
        settings = example.get("/config.json").json()
        idp = identity_provider(example.url)
        groups = []
        for user in settings["users"]:
            self.assertIn(user["username"], example.log())
            self.assertIn(user["password"], example.log())
            session = idp.initiate_auth(
                ClientId=settings["client_ids"][0], AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": user["username"], "PASSWORD": user["password"]})["AuthenticationResult"]
            token = session["AccessToken"]
            self.me(example, token, username=user["username"], groups=user["groups"])
            groups.append(user["groups"])
            if "admins" in user["groups"]:
                self.assertEqual(example.bearer("/api/admin", token).status, 200)
            else:
                self.rejected(example.bearer("/api/admin", token), 403, "insufficient_scope")
            self.bad_token(example, session["IdToken"])
            self.bad_token(example, world.access(MEMBER))
            with self.assertRaises(idp.exceptions.NotAuthorizedException):
                idp.initiate_auth(
                    ClientId=settings["client_ids"][0], AuthFlow="USER_PASSWORD_AUTH",
                    AuthParameters={"USERNAME": user["username"], "PASSWORD": "not the password"})
        self.assertIn(["admins"], groups)
        self.assertIn([], groups)


class Silence(unittest.TestCase):
    """Checks the logs and responses of all other tests for credentials and personal data. Must run last."""

    def secrets(self):
        """Yields the parts of all sent credentials that are too long to occur by chance."""
        for authorization, _ in Example.exchanges:
            for value in authorization:
                for word in value.split()[1:]:
                    yield from (part[:60] for part in word.split(".") if len(part) >= 16)

    def test_logs_contain_no_credentials(self):
        log = "".join(process.log() for process in Process.started if isinstance(process, Example))
        self.assertIn("axum_cognito", log, "the log has no lines of the library")
        secrets = set(self.secrets())
        self.assertGreater(len(secrets), 100)
        for secret in secrets:
            self.assertNotIn(secret, log)

    def test_logs_contain_no_claims_and_no_kids(self):
        log = "".join(process.log() for process in Process.started if isinstance(process, Example))
        for name, sub in world.subs.items():
            self.assertNotIn(sub, log)
            self.assertNotIn(name, log)
        # Key IDs in forged tokens.
        self.assertNotIn(cognito.ATTACKER_KID, log)
        self.assertNotIn("unknown-key", log)

    def test_responses_contain_no_credentials(self):
        secrets = set(self.secrets())
        for _, response in Example.exchanges:
            text = repr(response.headers) + response.body.decode("utf-8", "replace")
            found = [secret for secret in secrets if secret in text]
            self.assertFalse(found, f"{response.status} {response.headers}")


class Page(WithExample):
    """The web page in a browser."""

    name = "page"

    def test_page_in_a_browser(self):
        script = Path(__file__).with_name("browser.mjs")
        browser = Process("browser", ["node", str(script)], {
            "E2E_PAGE": self.example.url,
            "E2E_USERNAME": MEMBER,
            "E2E_PASSWORD": cognito.PASSWORD,
            "E2E_CLIENT": world.web,
            "E2E_SHORT_CLIENT": world.short,
            "E2E_NODE_MODULES": str(OPTIONS.node_modules.resolve()),
            "E2E_CHROMIUM": str(OPTIONS.chromium.resolve()),
        })
        self.addCleanup(browser.stop)
        status = browser.start().wait(120)
        self.assertEqual(status, 0, browser.log())


class Counted(unittest.TextTestResult):
    """Counts each subtest, and each test without subtests, as one case."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = 0
        self.divided = set()

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        self.divided.add(test.id())
        self.passed += error is None

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += test.id() not in self.divided


def print_logs():
    for process in Process.started:
        if process.name != "misconfigured":  # those tests print their log
            print(f"--- {process.name}\n{process.log()[-6000:]}")


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
    Process.work, Example.binary = OPTIONS.work, OPTIONS.binary.resolve()
    interrupt_on_terminate()

    browser = [Page] if OPTIONS.chromium else []
    classes = [AccessTokens, IdTokens, AnyTokens, Keys, Configuration, End, Embedded, *browser, Silence]
    if OPTIONS.only:
        classes = [found for found in classes if found.__name__ in OPTIONS.only]
    began = time.monotonic()
    try:
        world = World()
        suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, classes))
        result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Counted).run(suite)
        failed = len(result.failures) + len(result.errors)
        if failed:
            print_logs()
    except Exception:
        print_logs()
        raise
    except KeyboardInterrupt:
        sys.exit("interrupted")
    finally:
        Process.stop_all()
    print(f"{time.monotonic() - began:.0f} s in total")
    print(f"{result.passed} passed, {failed} failed")
    sys.exit(1 if failed or not result.passed else 0)


if __name__ == "__main__":
    main()
