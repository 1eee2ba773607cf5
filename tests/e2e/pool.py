"""A user pool on the emulator: clients, users, honest tokens, and lies under its own key."""

import base64
import hashlib
import hmac
import json
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from stage import REGION

PASSWORD = "Correct-Horse-7"
SCOPE = "https://activities.example/feed.read"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header_of(token):
    return json.loads(decode(token.split(".")[0]))


def claims_of(token):
    return json.loads(decode(token.split(".")[1]))


def to_json(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def sign(key, header, payload):
    """An RS256 token over JSON values, or over these very bytes."""
    signed = f"{encode(to_json(header))}.{encode(to_json(payload))}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encode(signature)}"


class Pool:
    def __init__(self, emulator, name):
        self.emulator = emulator
        self.idp = emulator.idp
        self.id = self.idp.create_user_pool(PoolName=name)["UserPool"]["Id"]
        self.issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}"
        self.jwks_url = f"{emulator.url}/{self.id}/.well-known/jwks.json"

    def client(self, name, **settings):
        """An app client whose users sign in with a password; answers its id."""
        settings = {"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"], **settings}
        return self.idp.create_user_pool_client(UserPoolId=self.id, ClientName=name, **settings)[
            "UserPoolClient"]["ClientId"]

    def machine_client(self, name):
        """A confidential client for the client credentials grant; answers id and secret."""
        identifier, scope = SCOPE.rsplit("/", 1)
        self.idp.create_resource_server(
            UserPoolId=self.id, Identifier=identifier, Name="activities",
            Scopes=[{"ScopeName": scope, "ScopeDescription": "read the feed"}])
        client = self.idp.create_user_pool_client(
            UserPoolId=self.id, ClientName=name, GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"], AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=[SCOPE])["UserPoolClient"]
        return client["ClientId"], client["ClientSecret"]

    def user(self, username, *groups):
        """A confirmed user; answers the `sub`."""
        user = self.idp.admin_create_user(
            UserPoolId=self.id, Username=username, MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": f"user{len(username)}@example.test"}])["User"]
        self.idp.admin_set_user_password(
            UserPoolId=self.id, Username=username, Password=PASSWORD, Permanent=True)
        for group in groups:
            self.idp.admin_add_user_to_group(UserPoolId=self.id, Username=username, GroupName=group)
        return next(a["Value"] for a in user["Attributes"] if a["Name"] == "sub")

    def sign_in(self, client, username):
        """`AccessToken`, `IdToken` and `RefreshToken` of a new session."""
        return self.idp.initiate_auth(
            ClientId=client, AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD})["AuthenticationResult"]

    def machine_token(self, client, secret):
        """An access token for a program, from the token endpoint."""
        credentials = base64.b64encode(f"{client}:{secret}".encode()).decode()
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": SCOPE})
        request = urllib.request.Request(f"{self.emulator.url}/oauth2/token", form.encode(), {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        })
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["access_token"]

    def key(self, use):
        """The pool's private key, from the emulator's own state."""
        return serialization.load_pem_private_key(
            self.emulator.key_file(self.id, use).read_bytes(), password=None, unsafe_skip_rsa_key_validation=True)

    def resign(self, token, header=(), drop=(), **claims):
        """The honest token with these header members and claims changed, under the pool's own key."""
        payload = {**claims_of(token), **claims}
        for name in drop:
            del payload[name]
        return sign(self.key("access"), {**header_of(token), **dict(header)}, payload)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def changed_at(part, index):
    """The base64url text with a character of another value at one place."""
    other = ALPHABET[ALPHABET.index(part[index]) ^ 0x20]
    return part[:index] + other + part[index + 1:]


def second_spelling(part):
    """The same bytes as another text: an unused bit of the last character is set."""
    other = part[:-1] + ALPHABET[ALPHABET.index(part[-1]) | 1]
    assert len(part) % 4 and other != part and decode(other) == decode(part)
    return other


def forgeries(pool, token):
    """Tokens that the pool never signed, made from one of its own; by name."""
    header, payload, signature = token.split(".")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = header_of(token)["kid"]
    claims = {**claims_of(token), "cognito:groups": ["admins"]}
    public = pool.key("access").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keyed = f'{encode(to_json({"alg": "HS256", "kid": kid}))}.{encode(to_json(claims))}'
    numbers = stranger.public_key().public_numbers()
    own_jwk = {"kty": "RSA", "kid": kid, "e": "AQAB", "n": encode(numbers.n.to_bytes(256, "big"))}
    return {
        "payload changed": f"{header}.{encode(to_json(claims))}.{signature}",
        "signature changed at the start": f"{header}.{payload}.{changed_at(signature, 0)}",
        "signature changed in the middle": f"{header}.{payload}.{changed_at(signature, 170)}",
        "signature cut short": f"{header}.{payload}.{signature[:-4]}",
        "signature left out": f"{header}.{payload}.",
        "signature padded": f"{header}.{payload}.{signature}==",
        "signature in a second spelling": f"{header}.{payload}.{second_spelling(signature)}",
        "no algorithm": f'{encode(to_json({"alg": "none", "kid": kid}))}.{encode(to_json(claims))}.',
        "no algorithm, signature kept": f'{encode(to_json({"alg": "none", "kid": kid}))}.{payload}.{signature}',
        "public key as a secret": f'{keyed}.{encode(hmac.digest(pem, keyed.encode(), hashlib.sha256))}',
        "a stranger's key under the pool's key id": sign(stranger, {"alg": "RS256", "kid": kid}, claims),
        "a stranger's key under its own id": sign(stranger, {"alg": "RS256", "kid": "stranger-key-7f3a"}, claims),
        "a stranger's key in the header": sign(stranger, {"alg": "RS256", "kid": kid, "jwk": own_jwk}, claims),
        "a stranger's key without an id": sign(stranger, {"alg": "RS256"}, claims),
        "two parts": f"{header}.{payload}",
        "four parts": f"{token}.{signature}",
        "five parts": f"{header}.{payload}.{signature}.{payload}.{signature}",
        "no token at all": "abc",
        "only dots": "..",
    }


def signed_lies(pool, token, other_client, other_issuer):
    """Tokens under the pool's own key that must be refused all the same; by name."""
    honest = claims_of(token)
    text = json.dumps(honest)
    key = pool.key("access")
    header = header_of(token)
    kid = header["kid"]

    def raw(payload):
        return sign(key, header, payload if isinstance(payload, bytes) else payload.encode())

    def changed(**claims):
        return pool.resign(token, **claims)

    return {
        "expired long ago": changed(exp=honest["iat"] - 7200),
        "no exp": changed(drop=["exp"]),
        "exp as text": changed(exp=str(honest["exp"])),
        "exp null": changed(exp=None),
        "exp negative": changed(exp=-1),
        "exp zero": changed(exp=0),
        "exp true": changed(exp=True),
        "exp NaN": raw(text.replace(f'"exp": {honest["exp"]}', '"exp": NaN')),
        "exp beyond numbers": raw(text.replace(f'"exp": {honest["exp"]}', '"exp": 1e999')),
        "NaN in a claim that nobody knows": raw(text[:-1] + ', "note": NaN}'),
        "not valid before tomorrow": changed(nbf=honest["iat"] + 86400),
        "no token_use": changed(drop=["token_use"]),
        "token_use id under a client_id": changed(token_use="id"),
        "token_use refresh": changed(token_use="refresh"),
        "token_use a list": changed(token_use=["access"]),
        "token_use in capitals": changed(token_use="ACCESS"),
        "no client_id": changed(drop=["client_id"]),
        "no client_id, but our aud": changed(drop=["client_id"], aud=honest["client_id"]),
        "another client's id": changed(client_id=other_client),
        "another client's id, but our aud": changed(client_id=other_client, aud=honest["client_id"]),
        "client ids as a list": changed(client_id=[honest["client_id"]]),
        "client id in capitals": changed(client_id=honest["client_id"].swapcase()),
        "no iss": changed(drop=["iss"]),
        "another pool's iss": changed(iss=other_issuer),
        "iss with a slash": changed(iss=honest["iss"] + "/"),
        "iss without TLS": changed(iss=honest["iss"].replace("https:", "http:")),
        "iss in capitals": changed(iss=honest["iss"].upper()),
        "iss elsewhere": changed(iss=f"https://keys.example.test/{pool.id}"),
        "iss of another region": changed(iss=honest["iss"].replace(REGION, "eu-west-1")),
        "iss a list": changed(iss=[honest["iss"]]),
        "critical header": pool.resign(token, header={"crit": ["exp"]}),
        "unencoded payload header": pool.resign(token, header={"b64": False, "crit": ["b64"]}),
        "algorithm RS512": pool.resign(token, header={"alg": "RS512"}),
        "algorithm PS256": pool.resign(token, header={"alg": "PS256"}),
        "no key id": sign(key, {"alg": "RS256"}, honest),
        "key id a number": sign(key, {"alg": "RS256", "kid": 7}, honest),
        "two token_use": raw('{"token_use": "id", ' + text[1:]),
        "two exp": raw(text[:-1] + ', "exp": 99999999999}'),
        "two alg": sign(key, json.dumps({"kid": kid, "alg": "RS256"}).replace("{", '{"alg": "none", ').encode(), honest),
        "byte order mark": raw(b"\xef\xbb\xbf" + text.encode()),
        "not UTF-8": raw(text.encode()[:-1] + b', "x": "\xff"}'),
        "a list": raw(f"[{text}]"),
        "a number": raw("1"),
        "nothing": raw(""),
        "text after the object": raw(text + "{}"),
        "object cut short": raw(text[:-1]),
    }


def unusual(pool, token):
    """Tokens of the pool that look odd and are valid; by name."""
    honest = claims_of(token)
    host = f"cognito-idp.{REGION}"
    return {
        "the updated issuer": pool.resign(token, iss=honest["iss"].replace(host, f"issuer-{host}")),
        "bound to a resource": pool.resign(token, aud="https://api.example.test"),
        "no scope": pool.resign(token, drop=["scope"]),
        "no jti, origin_jti and auth_time": pool.resign(token, drop=["jti", "origin_jti", "auth_time"]),
        "claims of other flows": pool.resign(
            token, version=2, event_id="7b2f", device_key="us-east-1_d", acr="urn:cognito:loa:2", amr=["pwd", "otp"]),
        "claims of the application": pool.resign(
            token, **{"custom:tenant": "t1", "limits": {"rows": [1, 2.5, None]}, "beta": True}),
        "typ in the header": pool.resign(token, header={"typ": "JWT"}),
        "whole seconds with a fraction's dot": sign(
            pool.key("access"), header_of(token),
            json.dumps(honest).replace(f'"exp": {honest["exp"]}', f'"exp": {honest["exp"]}.0').encode()),
        "eight kilobytes of claims": pool.resign(token, note="x" * 8192),
    }
