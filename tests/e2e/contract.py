#!/usr/bin/env python3
"""The contract of the `activities` example, asserted against a Cognito that this project did not write.

`run` calls it: it makes the environment that this needs and stops what is left over.
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
MEMBER, OUTSIDER, FOREIGN_LETTERS = "ada.lovelace", "grace.hopper", "zoë.müller.名"
PROTECTED = ("/api/me", "/api/admin")


class World:
    """One emulator with one pool that everybody uses, and tokens of all kinds."""

    def __init__(self):
        self.emulator = Emulator("emulator").start()
        self.pool = cognito.Pool(self.emulator, "activities")
        self.web = self.pool.client("web")
        self.other = self.pool.client("somebody else's")
        self.short = self.pool.client(
            "short-lived", AccessTokenValidity=3, TokenValidityUnits={"AccessToken": "seconds"})
        self.machine, secret = self.pool.machine_client("machine")
        self.pool.idp.create_group(UserPoolId=self.pool.id, GroupName="admins")
        self.pool.idp.create_group(UserPoolId=self.pool.id, GroupName="readers")
        self.subs = {
            MEMBER: self.pool.user(MEMBER, "admins", "readers"),
            OUTSIDER: self.pool.user(OUTSIDER, "readers"),
            FOREIGN_LETTERS: self.pool.user(FOREIGN_LETTERS),
        }
        self.sessions = {name: self.pool.sign_in(self.web, name) for name in self.subs}
        self.machine_token = self.pool.machine_token(self.machine, secret)
        self.elsewhere = cognito.Pool(self.emulator, "elsewhere")
        client = self.elsewhere.client("web")
        self.elsewhere.user(MEMBER)
        self.stranger = self.elsewhere.sign_in(client, MEMBER)["AccessToken"]

    def access(self, user):
        return self.sessions[user]["AccessToken"]

    def settings(self, **changes):
        """The environment of an example for this pool; a change to None leaves a variable out."""
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
    """What every answer of a kind has in common."""

    def problem(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.media_type, "application/problem+json", answer)
        body = answer.json()
        self.assertEqual(body["status"], status)
        self.assertTrue(body["title"], body)

    def bare(self, answer):
        """Nothing was sent: a challenge without an error."""
        self.problem(answer, 401)
        self.assertEqual(answer.all("www-authenticate"), ["Bearer"])

    def refused(self, answer, status, error):
        self.problem(answer, status)
        self.assertEqual((challenge(answer) or {}).get("error"), error, answer)

    def anonymous(self, answer):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("x-viewer"), "anonymous")
        self.assertIsNone(challenge(answer))
        return self.feed(answer)

    def feed(self, answer):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.media_type, "application/json")
        activities = answer.json()
        self.assertIsInstance(activities, list)
        self.assertTrue(activities)
        for activity in activities:
            self.assertIsInstance(activity, dict)
        return activities

    def bad_token(self, example, token):
        """A token that must open nothing: refused where one is needed, anonymous where not."""
        for path in PROTECTED:
            self.refused(example.bearer(path, token), 401, "invalid_token")
        self.anonymous(example.bearer("/api/activities/home", token))

    def me(self, example, token, **expected):
        answer = example.bearer("/api/me", token)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.media_type, "application/json")
        claims = cognito.claims_of(token)
        body = answer.json()
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
    """Tests that share one running example."""

    name = ""
    changes = {}

    @classmethod
    def setUpClass(cls):
        cls.example = Example(cls.name, **world.settings(**cls.changes))
        cls.addClassCleanup(cls.example.stop)
        cls.example.start()


class AccessTokens(WithExample):
    """The example as it is without further settings: access tokens only."""

    name = "access"

    def test_page(self):
        answer = self.example.get("/")
        self.assertEqual((answer.status, answer.media_type), (200, "text/html"))
        self.assertIn(b"<!doctype html", answer.body[:200].lower())

    def test_health(self):
        answer = self.example.get("/healthz")
        self.assertEqual(answer.status, 200)
        answer = self.example.get("/readyz")
        self.assertEqual((answer.status, answer.media_type), (200, "application/json"))
        self.assertIsInstance(answer.json(), dict)

    def test_health_with_a_bad_token(self):
        for path in ("/", "/healthz", "/readyz"):
            self.assertEqual(self.example.bearer(path, "abc").status, 200)

    def test_nothing_sent(self):
        for path in PROTECTED:
            self.bare(self.example.get(path))
        self.anonymous(self.example.get("/api/activities/home"))

    def test_another_scheme(self):
        for value in ("Basic YWRhOmxvdmVsYWNl", "Digest username=ada", "Bearerish abc", "Token " + world.access(MEMBER)):
            with self.subTest(scheme=value.split()[0]):
                for path in PROTECTED:
                    self.bare(self.example.get(path, value))
                self.anonymous(self.example.get("/api/activities/home", value))

    def test_token_in_the_query(self):
        for path in PROTECTED:
            self.bare(self.example.get(f"{path}?access_token={world.access(MEMBER)}"))

    def test_malformed_requests(self):
        good = f"Bearer {world.access(MEMBER)}"
        requests = {
            "the same header twice": (good, good),
            "two tokens": (good, f"Bearer {world.access(OUTSIDER)}"),
            "good and bad": (good, "Bearer abc"),
            "bad and good": ("Bearer abc", good),
            "two schemes": ("Basic YWRhOmxvdmVsYWNl", good),
            "two schemes, the other way": (good, "Basic YWRhOmxvdmVsYWNl"),
            "two tokens in one header": (f"{good}, {good}",),
            "two words": (f"{good} again",),
            "only the scheme": ("Bearer",),
            "quoted": (f'Bearer "{world.access(MEMBER)}"',),
            "a tab": (f"Bearer\t{world.access(MEMBER)}",),
            "letters no token has": ("Bearer a\u00e9b",),
        }
        for name, values in requests.items():
            with self.subTest(name):
                for path in PROTECTED:
                    self.refused(self.example.get(path, *values), 400, "invalid_request")
                self.anonymous(self.example.get("/api/activities/home", *values))

    def test_scheme_in_any_case(self):
        for scheme in ("bearer", "BEARER", "bEaReR"):
            self.assertEqual(self.example.get("/api/me", f"{scheme} {world.access(MEMBER)}").status, 200)

    def test_me(self):
        for user in world.subs:
            with self.subTest(user):
                self.me(self.example, world.access(user), sub=world.subs[user], username=user, client_id=world.web)

    def test_me_groups(self):
        groups = self.example.bearer("/api/me", world.access(MEMBER)).json()["groups"]
        self.assertEqual(sorted(groups), ["admins", "readers"])
        self.assertEqual(self.example.bearer("/api/me", world.access(FOREIGN_LETTERS)).json()["groups"], [])

    def test_machine(self):
        self.me(self.example, world.machine_token,
                username=None, client_id=world.machine, groups=[], scopes=[cognito.SCOPE])
        answer = self.example.bearer("/api/activities/home", world.machine_token)
        self.feed(answer)
        self.assertEqual(answer.header("x-viewer"), world.machine)
        self.refused(self.example.bearer("/api/admin", world.machine_token), 403, "insufficient_scope")

    def test_home(self):
        everyone = self.anonymous(self.example.get("/api/activities/home"))
        for user in world.subs:
            with self.subTest(user):
                answer = self.example.bearer("/api/activities/home", world.access(user))
                self.assertEqual(answer.header("x-viewer"), quote(user, safe="!\"#$&'()*+,/:;<=>?@[\\]^_`{|}~"))
                own = self.feed(answer)
                self.assertGreater(len(own), len(everyone))

    def test_admin(self):
        answer = self.example.bearer("/api/admin", world.access(MEMBER))
        self.assertEqual((answer.status, answer.media_type), (200, "application/json"))
        for user in (OUTSIDER, FOREIGN_LETTERS):
            self.refused(self.example.bearer("/api/admin", world.access(user)), 403, "insufficient_scope")

    def test_groups_only_by_exact_name(self):
        token = world.access(OUTSIDER)
        for groups in (["Admins"], ["admins "], ["admins,readers"], ["administrators"], [], [["admins"]], "admins",
                       {"admins": True}, None, [None], ["readers", 7]):
            with self.subTest(groups=groups):
                answer = self.example.bearer("/api/admin", world.pool.resign(token, **{"cognito:groups": groups}))
                self.assertIn(answer.status, (401, 403), answer)

    def test_unusual_tokens(self):
        for name, token in cognito.unusual(world.pool, world.access(MEMBER)).items():
            with self.subTest(name):
                answer = self.example.bearer("/api/me", token)
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(answer.json()["username"], MEMBER)

    def test_forgeries(self):
        for name, token in cognito.forgeries(world.pool, world.access(MEMBER)).items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_signed_lies(self):
        lies = cognito.signed_lies(world.pool, world.access(MEMBER), world.other, world.elsewhere.issuer)
        for name, token in lies.items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_tokens_of_others(self):
        tokens = {
            "ID token": world.sessions[MEMBER]["IdToken"],
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "another client": world.pool.sign_in(world.other, MEMBER)["AccessToken"],
            "another pool": world.stranger,
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)

    def test_long_token(self):
        self.bad_token(self.example, "a" * 200_000)

    def test_expires(self):
        token = world.pool.sign_in(world.short, MEMBER)["AccessToken"]
        expiry = cognito.claims_of(token)["exp"]
        for _ in range(2):  # the second answer may come from a cache
            self.me(self.example, token, client_id=world.short)
        self.assertLess(time.time(), expiry, "too slow to see the token valid")
        time.sleep(max(0, expiry - time.time() + 0.01))
        self.bad_token(self.example, token)

    def test_cross_origin(self):
        origin = ("Origin", "http://localhost:5173")
        answer = self.example.get("/api/me", method="OPTIONS", headers=[
            origin, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")])
        self.assertIn(answer.status, (200, 204), answer)
        self.assertIn(answer.header("access-control-allow-origin"), ("*", origin[1]))
        self.assertIn("authorization", (answer.header("access-control-allow-headers") or "").lower())
        # Pages elsewhere must be able to read refusals, too.
        answer = self.example.get("/api/me", headers=[origin])
        self.bare(answer)
        self.assertIn(answer.header("access-control-allow-origin"), ("*", origin[1]))
        self.assertIn("www-authenticate", (answer.header("access-control-expose-headers") or "").lower())

    def test_other_methods(self):
        self.assertEqual(self.example.get("/api/me", f"Bearer {world.access(MEMBER)}", method="DELETE").status, 405)


class IdTokens(WithExample):
    name = "id"
    changes = {"AWS_COGNITO_TOKEN_USE": "id"}

    def test_id_tokens(self):
        for user in world.subs:
            with self.subTest(user):
                token = world.sessions[user]["IdToken"]
                self.me(self.example, token, sub=world.subs[user], username=user, client_id=world.web,
                        token_use="id", scopes=[])
                answer = self.example.bearer("/api/activities/home", token)
                self.feed(answer)
                self.assertNotEqual(answer.header("x-viewer"), "anonymous")

    def test_admin(self):
        self.assertEqual(self.example.bearer("/api/admin", world.sessions[MEMBER]["IdToken"]).status, 200)
        self.refused(self.example.bearer("/api/admin", world.sessions[OUTSIDER]["IdToken"]), 403, "insufficient_scope")

    def test_everything_else(self):
        tokens = {
            "access token": world.access(MEMBER),
            "machine token": world.machine_token,
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "another client": world.pool.sign_in(world.other, MEMBER)["IdToken"],
            "audience as a list": world.pool.resign(world.sessions[MEMBER]["IdToken"], aud=[world.web]),
            "audience of another, but our client_id": world.pool.resign(
                world.sessions[MEMBER]["IdToken"], aud=world.other, client_id=world.web),
            "access token that says id": world.pool.resign(world.access(MEMBER), token_use="id"),
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)


class AnyTokens(WithExample):
    name = "any"
    changes = {"AWS_COGNITO_TOKEN_USE": "any"}

    def test_both_kinds(self):
        self.me(self.example, world.sessions[MEMBER]["IdToken"], token_use="id", username=MEMBER)
        self.me(self.example, world.access(MEMBER), token_use="access", username=MEMBER)
        self.me(self.example, world.machine_token, token_use="access", username=None)

    def test_everything_else(self):
        tokens = {
            "refresh token": world.sessions[MEMBER]["RefreshToken"],
            "another client's ID token": world.pool.sign_in(world.other, MEMBER)["IdToken"],
            "no token_use": world.pool.resign(world.access(MEMBER), drop=["token_use"]),
            "access token by its aud": world.pool.resign(world.access(MEMBER), drop=["client_id"], aud=world.web),
        }
        for name, token in tokens.items():
            with self.subTest(name):
                self.bad_token(self.example, token)


class Keys(Contract):
    """Where keys come from, and what happens when they change or cannot be had."""

    def started(self, name, ready=True, **changes):
        example = Example(name, **world.settings(**changes))
        self.addCleanup(example.stop)
        return example.start(ready)

    def second_pool(self, name):
        """An emulator of its own, with one client and one user, and its settings."""
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

    def test_from_a_file(self):
        path = Process.work / "jwks.json"
        path.write_bytes(request(world.pool.jwks_url).body)
        example = self.started("file", AWS_COGNITO_JWKS_PATH=str(path))
        self.me(example, world.access(MEMBER))
        self.bad_token(example, world.stranger)

    def test_below_the_issuer(self):
        example = self.started(
            "issuer", AWS_COGNITO_JWKS_PATH=None, AWS_COGNITO_ISSUER=f"{world.emulator.url}/{world.pool.id}")
        token = world.access(MEMBER)
        self.me(example, world.pool.resign(token, iss=f"{world.emulator.url}/{world.pool.id}"))
        self.bad_token(example, world.pool.resign(token, iss=f"{world.emulator.url}/{world.elsewhere.id}"))

    def test_region(self):
        """The Region of the service, which Lambda and ECS set, may differ from the pool's."""
        example = self.started(
            "region", AWS_COGNITO_REGION=REGION, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")
        self.me(example, world.access(MEMBER))

    def test_rotation(self):
        pool, client, settings = self.second_pool("rotation")
        example = self.started("rotation", **settings)
        before = pool.sign_in(client, MEMBER)["AccessToken"]
        self.me(example, before)
        pool.emulator.rotate_access_key(pool.id)
        after = pool.sign_in(client, MEMBER)["AccessToken"]
        self.assertNotEqual(cognito.header_of(before)["kid"], cognito.header_of(after)["kid"])
        # The first genuine token brings the new key in; the old one is gone with its tokens.
        self.me(example, after)
        self.bad_token(example, before)
        # Keys that were loaded outlive the endpoint.
        pool.emulator.stop()
        self.me(example, after)
        self.assertEqual(example.get("/readyz").status, 200)

    def key_server(self):
        server = KeyServer(request(world.pool.jwks_url).body)
        self.addCleanup(server.stop)
        return server

    def test_flood_of_unknown_keys(self):
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
                for answer in pool.map(lambda forged: example.bearer("/api/me", forged), flood):
                    self.refused(answer, 401, "invalid_token")
            # One fetch that all share, perhaps a second look soon after, then a cool-down of seconds.
            self.assertLessEqual(server.fetches - before, 2 + (time.monotonic() - began) / 3)
            before = server.fetches
        self.assertGreater(before, at_first, "nobody looked for the unknown keys at all")
        self.me(example, token)

    def test_endpoint_that_hangs(self):
        server = self.key_server()
        example = self.started("hang", AWS_COGNITO_JWKS_PATH=server.url)
        token = world.access(MEMBER)
        unknown = world.pool.resign(token, header={"kid": "unknown-key-hang"})
        before = server.fetches
        server.open.clear()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(example.bearer, "/api/me", unknown)
            eventually(lambda: server.fetches > before, 10, "a fetch for the unknown key")
            # Who has a known key never waits for the fetch that another caused.
            began = time.monotonic()
            for _ in range(20):
                self.me(example, token)
                self.anonymous(example.get("/api/activities/home"))
            self.assertLess(time.monotonic() - began, 2)
            self.assertIn(waiting.result(20).status, (401, 503))

    def test_outage_at_start(self):
        pool, client, settings = self.second_pool("outage")
        token = pool.sign_in(client, MEMBER)["AccessToken"]
        pool.emulator.stop()
        example = self.started("outage", ready=False, **settings)

        answer = example.get("/readyz")
        self.assertEqual((answer.status, answer.media_type), (503, "application/json"))
        self.assertIsInstance(answer.json(), dict)
        self.assertEqual(example.get("/healthz").status, 200)
        for path in PROTECTED:
            answer = example.bearer(path, token)
            self.problem(answer, 503)
            self.assertRegex(answer.header("retry-after") or "", r"^[1-9][0-9]{0,3}$")
            self.bare(example.get(path))
            self.refused(example.bearer(path, "abc"), 401, "invalid_token")
            self.refused(example.get(path, f"Bearer {token}", f"Bearer {token}"), 400, "invalid_request")
        self.anonymous(example.bearer("/api/activities/home", token))

        pool.emulator.start()
        example.until_ready(90)
        self.me(example, token)

    def test_recovery_by_requests_alone(self):
        pool, client, settings = self.second_pool("recovery")
        token = pool.sign_in(client, MEMBER)["AccessToken"]
        pool.emulator.stop()
        example = self.started("recovery", ready=False, **settings)
        answer = example.bearer("/api/me", token)
        self.problem(answer, 503)
        pool.emulator.start()
        # A client that obeys `Retry-After` needs no second one.
        time.sleep(int(answer.header("retry-after")))
        self.me(example, token)


class Configuration(unittest.TestCase):
    """A bad value ends the start, and the message names the variable."""

    def bad(self, variable, **changes):
        example = Example("misconfigured", **world.settings(**changes))
        self.addCleanup(example.stop)
        Process.start(example)
        try:
            status = example.wait(15)
        except subprocess.TimeoutExpired:
            self.fail(f"started all the same:\n{example.log()}")
        self.assertNotEqual(status, 0)
        self.assertGreaterEqual(status, 0, f"ended by a signal:\n{example.log()}")
        message = example.log(".err")
        self.assertNotIn("panicked", message)
        self.assertIn(variable, message)
        return message

    def test_pool_id(self):
        for value in ("nonsense", "us-east-1", "us-east-1_", "_AbC123xyz", "us-east-1_AbC/123", "us-east-1 _AbC123", ""):
            with self.subTest(value):
                self.bad("AWS_COGNITO_USER_POOL_ID", AWS_COGNITO_USER_POOL_ID=value)

    def test_client_id(self):
        for value in (None, "", ",", " , "):
            with self.subTest(value):
                self.bad("AWS_COGNITO_USER_POOL_CLIENT_ID", AWS_COGNITO_USER_POOL_CLIENT_ID=value)

    def test_region(self):
        message = self.bad("AWS_COGNITO_REGION", AWS_COGNITO_REGION="eu-west-1")
        self.assertIn("eu-west-1", message)
        self.assertIn(REGION, message)

    def test_token_use(self):
        for value in ("foo", "refresh", "access,id,foo"):
            with self.subTest(value):
                self.assertIn(value, self.bad("AWS_COGNITO_TOKEN_USE", AWS_COGNITO_TOKEN_USE=value))

    def test_jwks_path(self):
        for value in ("http://keys.example.test/jwks.json", "ftp://127.0.0.1/jwks.json"):
            with self.subTest(value):
                self.bad("AWS_COGNITO_JWKS_PATH", AWS_COGNITO_JWKS_PATH=value)

    def test_issuer(self):
        self.bad("AWS_COGNITO_ISSUER", AWS_COGNITO_ISSUER="nonsense")

    def test_address(self):
        for value in ("nonsense", f"{HOST}:{world.emulator.port}"):
            with self.subTest(value):
                self.bad("ACTIVITIES_ADDR", ACTIVITIES_ADDR=value)


class End(unittest.TestCase):
    def test_stops_when_asked(self):
        example = Example("end", **world.settings())
        self.addCleanup(example.stop)
        example.start()
        example.get("/api/me")
        example.child.terminate()
        self.assertEqual(example.wait(10), 0, example.log())


class Embedded(Contract):
    """Without any pool in the environment: the example brings its own, and says how to use it."""

    def test_no_set_up(self):
        example = Example("embedded")
        self.addCleanup(example.stop)
        example.start()
        self.assertIn(f"{example.url}/", example.log(), "the page's address is printed")
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
                self.refused(example.bearer("/api/admin", token), 403, "insufficient_scope")
            self.bad_token(example, session["IdToken"])
            self.bad_token(example, world.access(MEMBER))
            with self.assertRaises(idp.exceptions.NotAuthorizedException):
                idp.initiate_auth(
                    ClientId=settings["client_ids"][0], AuthFlow="USER_PASSWORD_AUTH",
                    AuthParameters={"USERNAME": user["username"], "PASSWORD": "not the password"})
        self.assertIn(["admins"], groups)
        self.assertIn([], groups)


class Silence(unittest.TestCase):
    """After everything else: nothing that was sent has come back or been written down."""

    def secrets(self):
        """The parts of every credential that was sent, long enough not to be found by chance."""
        for authorization, _ in Example.exchanges:
            for value in authorization:
                for word in value.split()[1:]:
                    yield from (part[:60] for part in word.split(".") if len(part) >= 16)

    def test_logs(self):
        log = "".join(process.log() for process in Process.started if isinstance(process, Example))
        self.assertIn("axum_cognito", log, "the library's log level did not arrive")
        secrets = set(self.secrets())
        self.assertGreater(len(secrets), 100)
        for secret in secrets:
            self.assertNotIn(secret, log)

    def test_logs_name_nobody(self):
        log = "".join(process.log() for process in Process.started if isinstance(process, Example))
        for name, sub in world.subs.items():
            self.assertNotIn(sub, log)
            self.assertNotIn(name, log)
        # Key ids that forged tokens named.
        self.assertNotIn("stranger-key-7f3a", log)
        self.assertNotIn("unknown-key", log)

    def test_answers(self):
        secrets = set(self.secrets())
        for _, answer in Example.exchanges:
            text = repr(answer.headers) + answer.body.decode("utf-8", "replace")
            found = [secret for secret in secrets if secret in text]
            self.assertFalse(found, f"{answer.status} {answer.headers}")


class Page(WithExample):
    """The example's web page, in a browser."""

    name = "page"

    def test_in_a_browser(self):
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
    """Counts every case: a subtest as one, a test without subtests as one."""

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
        if process.name != "misconfigured":  # those tests show the log themselves
            print(f"--- {process.name}\n{process.log()[-6000:]}")


def main():
    global OPTIONS, world
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="the built example")
    parser.add_argument("--work", type=Path, required=True, help="an empty directory for logs and states")
    parser.add_argument("--only", action="append", help="run only this class, or this class and the ones repeated")
    parser.add_argument("--chromium", type=Path, help="a browser to drive the page with")
    parser.add_argument("--node-modules", type=Path, help="where playwright-core is; goes with --chromium")
    OPTIONS = parser.parse_args()
    (OPTIONS.work / "pids").mkdir(parents=True, exist_ok=True)
    Process.work, Example.binary = OPTIONS.work, OPTIONS.binary.resolve()
    interrupt_on_terminate()

    classes = [AccessTokens, IdTokens, AnyTokens, Keys, Configuration, End, Embedded, *([Page] if OPTIONS.chromium else []), Silence]
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
    print(f"{time.monotonic() - began:.0f} s in all")
    print(f"{result.passed} passed, {failed} failed")
    sys.exit(1 if failed or not result.passed else 0)


if __name__ == "__main__":
    main()
