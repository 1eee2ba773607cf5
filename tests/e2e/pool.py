"""User pools of the emulator, with their app clients, users, valid tokens and invalid tokens."""

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
ATTACKER_KID = "attacker-key-7f3a"


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
    """Returns an RS256 token. The header and payload are JSON values, or bytes that are signed unchanged."""
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
        """Creates an app client whose users sign in with a password. Returns the client ID."""
        settings = {"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"], **settings}
        return self.idp.create_user_pool_client(UserPoolId=self.id, ClientName=name, **settings)[
            "UserPoolClient"]["ClientId"]

    def machine_client(self, name):
        """Creates an app client for the client credentials grant. Returns the client ID and the secret."""
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
        """Creates a confirmed user. Returns the `sub`."""
        user = self.idp.admin_create_user(
            UserPoolId=self.id, Username=username, MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": f"user{len(username)}@example.test"}])["User"]
        self.idp.admin_set_user_password(
            UserPoolId=self.id, Username=username, Password=PASSWORD, Permanent=True)
        for group in groups:
            self.idp.admin_add_user_to_group(UserPoolId=self.id, Username=username, GroupName=group)
        return next(a["Value"] for a in user["Attributes"] if a["Name"] == "sub")

    def sign_in(self, client, username):
        """Starts a session. Returns its `AccessToken`, `IdToken` and `RefreshToken`."""
        return self.idp.initiate_auth(
            ClientId=client, AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD})["AuthenticationResult"]

    def machine_token(self, client, secret):
        """Returns a client-credentials access token from the token endpoint."""
        credentials = base64.b64encode(f"{client}:{secret}".encode()).decode()
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": SCOPE})
        request = urllib.request.Request(f"{self.emulator.url}/oauth2/token", form.encode(), {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        })
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)["access_token"]

    def key(self, use):
        """Returns the pool's private key, which the emulator keeps in its state directory."""
        return serialization.load_pem_private_key(
            self.emulator.key_file(self.id, use).read_bytes(), password=None, unsafe_skip_rsa_key_validation=True)

    def resign(self, token, header=(), drop=(), **claims):
        """Changes header members and claims of a token, and signs it with the pool's key."""
        payload = {**claims_of(token), **claims}
        for name in drop:
            del payload[name]
        return sign(self.key("access"), {**header_of(token), **dict(header)}, payload)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def changed_at(part, index):
    """Changes one character of a base64url text to a character of another value."""
    other = ALPHABET[ALPHABET.index(part[index]) ^ 0x20]
    return part[:index] + other + part[index + 1:]


def non_canonical(part):
    """Returns a different base64url text for the same bytes, by setting an unused bit of the last character."""
    other = part[:-1] + ALPHABET[ALPHABET.index(part[-1]) | 1]
    assert len(part) % 4 and other != part and decode(other) == decode(part)
    return other


def forgeries(pool, token):
    """Returns tokens that the pool has not signed, by name. They are derived from a valid token of the pool."""
    header, payload, signature = token.split(".")
    attacker = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = header_of(token)["kid"]
    claims = {**claims_of(token), "cognito:groups": ["admins"]}
    public = pool.key("access").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keyed = f'{encode(to_json({"alg": "HS256", "kid": kid}))}.{encode(to_json(claims))}'
    numbers = attacker.public_key().public_numbers()
    attacker_jwk = {"kty": "RSA", "kid": kid, "e": "AQAB", "n": encode(numbers.n.to_bytes(256, "big"))}
    return {
        "payload changed": f"{header}.{encode(to_json(claims))}.{signature}",
        "signature changed at the start": f"{header}.{payload}.{changed_at(signature, 0)}",
        "signature changed in the middle": f"{header}.{payload}.{changed_at(signature, 170)}",
        "signature cut short": f"{header}.{payload}.{signature[:-4]}",
        "signature left out": f"{header}.{payload}.",
        "signature padded": f"{header}.{payload}.{signature}==",
        "signature in non-canonical base64url": f"{header}.{payload}.{non_canonical(signature)}",
        "algorithm none": f'{encode(to_json({"alg": "none", "kid": kid}))}.{encode(to_json(claims))}.',
        "algorithm none, signature kept": f'{encode(to_json({"alg": "none", "kid": kid}))}.{payload}.{signature}',
        "public key as an HMAC secret": f'{keyed}.{encode(hmac.digest(pem, keyed.encode(), hashlib.sha256))}',
        "another key with the pool's kid": sign(attacker, {"alg": "RS256", "kid": kid}, claims),
        "another key with its own kid": sign(attacker, {"alg": "RS256", "kid": ATTACKER_KID}, claims),
        "another key in the header": sign(attacker, {"alg": "RS256", "kid": kid, "jwk": attacker_jwk}, claims),
        "another key without a kid": sign(attacker, {"alg": "RS256"}, claims),
        "two parts": f"{header}.{payload}",
        "four parts": f"{token}.{signature}",
        "five parts": f"{header}.{payload}.{signature}.{payload}.{signature}",
        "not a token": "abc",
        "only dots": "..",
    }


def signed_but_invalid(pool, token, other_client, other_issuer):
    """Returns tokens that the pool's key has signed and that must still be rejected, by name."""
    valid = claims_of(token)
    text = json.dumps(valid)
    key = pool.key("access")
    header = header_of(token)
    kid = header["kid"]

    def raw(payload):
        return sign(key, header, payload if isinstance(payload, bytes) else payload.encode())

    def changed(**claims):
        return pool.resign(token, **claims)

    return {
        "expired long ago": changed(exp=valid["iat"] - 7200),
        "no exp": changed(drop=["exp"]),
        "exp as text": changed(exp=str(valid["exp"])),
        "exp null": changed(exp=None),
        "exp negative": changed(exp=-1),
        "exp zero": changed(exp=0),
        "exp true": changed(exp=True),
        "exp NaN": raw(text.replace(f'"exp": {valid["exp"]}', '"exp": NaN')),
        "exp out of range": raw(text.replace(f'"exp": {valid["exp"]}', '"exp": 1e999')),
        "NaN in an unknown claim": raw(text[:-1] + ', "note": NaN}'),
        "nbf tomorrow": changed(nbf=valid["iat"] + 86400),
        "no token_use": changed(drop=["token_use"]),
        "token_use id with a client_id": changed(token_use="id"),
        "token_use refresh": changed(token_use="refresh"),
        "token_use a list": changed(token_use=["access"]),
        "token_use in capitals": changed(token_use="ACCESS"),
        "no client_id": changed(drop=["client_id"]),
        "no client_id, but aud is our client": changed(drop=["client_id"], aud=valid["client_id"]),
        "client_id of another client": changed(client_id=other_client),
        "client_id of another client, but aud is ours": changed(client_id=other_client, aud=valid["client_id"]),
        "client_id a list": changed(client_id=[valid["client_id"]]),
        "client_id in the other case": changed(client_id=valid["client_id"].swapcase()),
        "no iss": changed(drop=["iss"]),
        "iss of another pool": changed(iss=other_issuer),
        "iss with a slash": changed(iss=valid["iss"] + "/"),
        "iss without TLS": changed(iss=valid["iss"].replace("https:", "http:")),
        "iss in capitals": changed(iss=valid["iss"].upper()),
        "iss of another host": changed(iss=f"https://keys.example.test/{pool.id}"),
        "iss of another Region": changed(iss=valid["iss"].replace(REGION, "eu-west-1")),
        "iss a list": changed(iss=[valid["iss"]]),
        # RFC 7519, section 4.1.3: a token for another audience must be rejected.
        "aud of another resource": changed(aud="https://api.example.test"),
        "aud of another client": changed(aud=other_client),
        "aud a list": changed(aud=[valid["client_id"]]),
        "critical header": pool.resign(token, header={"crit": ["exp"]}),
        "unencoded payload header": pool.resign(token, header={"b64": False, "crit": ["b64"]}),
        "algorithm RS512": pool.resign(token, header={"alg": "RS512"}),
        "algorithm PS256": pool.resign(token, header={"alg": "PS256"}),
        "no kid": sign(key, {"alg": "RS256"}, valid),
        "kid a number": sign(key, {"alg": "RS256", "kid": 7}, valid),
        "token_use twice": raw('{"token_use": "id", ' + text[1:]),
        "exp twice": raw(text[:-1] + ', "exp": 99999999999}'),
        "alg twice": sign(key, b'{"alg": "none", ' + to_json({"kid": kid, "alg": "RS256"})[1:], valid),
        "byte order mark": raw(b"\xef\xbb\xbf" + text.encode()),
        "not UTF-8": raw(text.encode()[:-1] + b', "x": "\xff"}'),
        "payload a list": raw(f"[{text}]"),
        "payload a number": raw("1"),
        "payload empty": raw(""),
        "payload with text after the object": raw(text + "{}"),
        "payload cut short": raw(text[:-1]),
    }


def unusual(pool, token):
    """Returns unusual but valid tokens, by name."""
    valid = claims_of(token)
    host = f"cognito-idp.{REGION}"
    return {
        "the other form of the issuer": pool.resign(token, iss=valid["iss"].replace(host, f"issuer-{host}")),
        "aud is the app client": pool.resign(token, aud=valid["client_id"]),
        "no scope": pool.resign(token, drop=["scope"]),
        "no jti, origin_jti and auth_time": pool.resign(token, drop=["jti", "origin_jti", "auth_time"]),
        "claims from other flows": pool.resign(
            token, version=2, event_id="7b2f", device_key="us-east-1_d", acr="urn:cognito:loa:2", amr=["pwd", "otp"]),
        "custom claims": pool.resign(
            token, **{"custom:tenant": "t1", "limits": {"rows": [1, 2.5, None]}, "beta": True}),
        "typ in the header": pool.resign(token, header={"typ": "JWT"}),
        "exp with a fraction of zero": sign(
            pool.key("access"), header_of(token),
            json.dumps(valid).replace(f'"exp": {valid["exp"]}', f'"exp": {valid["exp"]}.0').encode()),
        "8 KiB of claims": pool.resign(token, note="x" * 8192),
    }
