#!/usr/bin/env python3
"""Attacks the running example over raw sockets.

    tests/oracles/wire.py <path of the `activities` executable>

Starts the program with its embedded pool and RUST_LOG=trace. After each attack the server must still run and accept a
valid request, and it must not have echoed or logged any part of a token. Requires only Python.
"""

import base64
import hmac
import itertools
import json
import os
import re
import socket
import string
import subprocess
import sys
import tempfile
import time

INVALID_REQUEST = 'Bearer error="invalid_request", error_description="send exactly one bearer token"'
INVALID_TOKEN = 'Bearer error="invalid_token", error_description="the token is not valid here"'


class Server:
    def __init__(self, program):
        # The log is read while the program writes, so it must be opened for appending.
        self.log = tempfile.TemporaryFile("a+b")
        # The program prints the address it was given, so the port must be known in advance.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = keep | {"RUST_LOG": "trace", "ACTIVITIES_ADDR": f"127.0.0.1:{self.port}"}
        self.process = subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        user = None
        for line in self.process.stdout:
            if found := re.match(r"demo user:\s+(\S+)\s+password: (\S+)", line):
                user = user or found.groups()
            if user and b"keys" in self.logged():
                break
        self.user = user
        for _ in range(100):
            if status(self.send(request("GET /healthz HTTP/1.1")))[0] == 200:
                return
            time.sleep(0.05)
        sys.exit("the server does not respond on /healthz")

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def send(self, data):
        """Sends bytes and reads the response to its end.

        The server may close the connection before it has read everything. It drops a request if the client closes its
        sending side, so that side is only closed after an incomplete request.
        """
        response = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                try:
                    connection.sendall(data)
                    if not data.endswith((b"\r\n\r\n", b"}")):
                        connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                while chunk := connection.recv(65536):
                    response += chunk
        except (ConnectionError, TimeoutError):
            pass
        return response

    def sign_in(self):
        """Signs in with InitiateAuth, as the AWS SDKs do."""
        name, password = self.user
        body = json.dumps({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.client(),
            "AuthParameters": {"USERNAME": name, "PASSWORD": password},
        }).encode()
        response = self.send(request("POST / HTTP/1.1", [
            b"content-type: application/x-amz-json-1.1",
            b"x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth",
            b"content-length: %d" % len(body),
        ]) + body)
        return json.loads(response.split(b"\r\n\r\n", 1)[1])["AuthenticationResult"]["AccessToken"].encode()

    def client(self):
        settings = self.send(request("GET /config.json HTTP/1.1")).decode()
        return re.search(r'client_?ids"\s*:\s*\[\s*"([^"]+)"', settings, re.IGNORECASE).group(1)


def request(line, headers=()):
    head = [line.encode(), b"host: localhost", b"connection: close", *headers, b"", b""]
    return b"\r\n".join(head)


def me(*headers):
    return request("GET /api/me HTTP/1.1", headers)


def status(response):
    found = re.match(rb"HTTP/1\.1 (\d+)", response)
    challenge = re.search(rb"(?mi)^www-authenticate: (.*?)\r$", response.split(b"\r\n\r\n")[0] + b"\r\n")
    return int(found.group(1)) if found else 0, challenge.group(1).decode() if challenge else None


def changed(token, part):
    parts = [bytearray(each) for each in token.split(b".")]
    middle = len(parts[part]) // 2
    parts[part][middle] = ord("B" if parts[part][middle] == ord("A") else "A")
    return b".".join(bytes(each) for each in parts)


def decoded(part):
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def encoded(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=")


def der(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 128 | size]) + length.to_bytes(size, "big") + content


def public_keys(jwk):
    """Yields each encoding of the public key that a verifier could mistake for an HMAC secret."""
    modulus, exponent = decoded(jwk["n"].encode()), decoded(jwk["e"].encode())
    pkcs1 = der(0x30, der(2, b"\0" + modulus), der(2, exponent))
    rsa_encryption = bytes.fromhex("300d06092a864886f70d0101010500")
    spki = der(0x30, rsa_encryption, der(3, b"\0" + pkcs1))
    for label, key in ("RSA PUBLIC KEY", pkcs1), ("PUBLIC KEY", spki):
        text = base64.b64encode(key)
        lines = b"\n".join(text[at:at + 64] for at in range(0, len(text), 64))
        pem = b"-----BEGIN %b-----\n%b\n-----END %b-----" % (label.encode(), lines, label.encode())
        yield f"{label} as PEM", pem + b"\n"
        yield f"{label} as PEM without the final line break", pem
        yield f"{label} as DER", key
    yield "the modulus", modulus
    yield "the modulus as text", jwk["n"].encode()


def case_variants(word):
    return {"".join(characters) for characters in itertools.product(*((each.lower(), each.upper()) for each in word))}


def tampered_tokens(token, jwks):
    """Yields tokens that can be made from a valid token without a private key."""
    header, payload, signature = token.split(b".")
    members, claims = json.loads(decoded(header)), json.loads(decoded(payload))
    jwk = next(each for each in jwks["keys"] if each["kid"] == members["kid"])
    other = next(each["kid"] for each in jwks["keys"] if each["kid"] != members["kid"])

    def with_header(changes, signature=signature):
        return b".".join([encoded({name: value for name, value in (members | changes).items() if value is not Ellipsis}),
                          payload, signature])

    def with_payload(text):
        return b".".join([header, encoded(text), signature])

    for none in sorted(case_variants("none")):
        yield f"alg {none}", with_header({"alg": none}, b"")
        yield f"alg {none}, signed", with_header({"alg": none})
    for alg in (..., None, ["RS256"], "rs256", "", "RS384", "RS512", "PS256", "ES256"):
        yield f"alg {alg}", with_header({"alg": alg})
    for name, secret in public_keys(jwk):
        for alg in "HS256", "RS256":
            unsigned = with_header({"alg": alg}, b"")
            mac = hmac.digest(secret, unsigned[:-1], "sha256")
            yield f"{alg} with {name}", unsigned + encoded(mac)
    for kid in (..., None, "", ["x"], other, "x" * 600, "x" * 5000, "../../../../dev/null", "' OR '1'='1", "| sleep 10"):
        yield f"kid {str(kid)[:20]}", with_header({"kid": kid})
    for name, value in {
        "jwk": jwk, "jku": "http://127.0.0.1:1/jwks.json", "x5u": "file:///etc/passwd", "x5c": ["MIIB"],
        "crit": ["exp"], "b64": False, "zip": "DEF", "enc": "A128GCM", "cty": "JWT",
    }.items():
        yield name, with_header({name: value})
    yield "encrypted", b".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), b"a2V5", b"aXY", b"dGV4dA", b"dGFn"])
    yield "nested", with_header({"cty": "JWT"}).replace(payload, encoded(token))
    for part in range(3):
        yield f"changed character in part {part}", changed(token, part)
    unsigned = token[:-len(signature)]
    yield "without signature", unsigned
    yield "padding", token + b"=="
    yield "signature of zeros", unsigned + encoded(bytes(256))
    yield "truncated signature", unsigned + signature[:171]
    yield "extended signature", unsigned + signature + b"AAAA"
    yield "standard base64 alphabet", unsigned + b"+/" + signature[2:]
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    yield "nonzero trailing bits", token[:-1] + alphabet[alphabet.index(chr(token[-1])) + 1].encode()
    for claim, value in {
        "iss": "https://evil.example", "client_id": "other", "token_use": "id", "exp": 4102444800, "username": "mallory",
    }.items():
        yield f"another {claim}", with_payload(claims | {claim: value})
    text = decoded(payload)
    yield "byte order mark", with_payload(b"\xef\xbb\xbf" + text)
    yield "invalid UTF-8", with_payload(text.replace(b"{", b'{"x":"\xff",', 1))
    yield "duplicate exp", with_payload(text.replace(b"{", b'{"exp":4102444800,', 1))
    yield "1e400", with_payload(text.replace(b"{", b'{"x":1e400,', 1))
    yield "NaN", with_payload(text.replace(b"{", b'{"x":NaN,', 1))
    yield "deeply nested claim", with_payload(text.replace(b"{", b'{"x":' + b"[" * 1000, 1))
    yield "not an object", with_payload([])


def attacks(token):
    bearer = b"authorization: Bearer " + token
    invalid_request = [(400, INVALID_REQUEST)]
    invalid_token = [(401, INVALID_TOKEN)]
    missing = [(401, "Bearer")]
    rejected_by_hyper = [(400, None), (431, None), (0, None)]
    yield "two headers", me(bearer, bearer), invalid_request
    yield "two schemes", me(bearer, b"authorization: Basic YTpi"), invalid_request
    yield "two tokens", me(bearer + b" " + token), invalid_request
    yield "a comma", me(bearer + b", Bearer " + token), invalid_request
    yield "a scheme alone", me(b"authorization: Bearer"), invalid_request
    yield "a tab", me(b"authorization: Bearer\t" + token), invalid_request
    yield "a tab within", me(bearer[:60] + b"\t" + bearer[60:]), invalid_request
    yield "Latin-1", me(bearer + b"\xe9"), invalid_request
    yield "UTF-8", me(bearer + "é".encode()), invalid_request
    yield "bytes that are not ASCII", me(b"authorization: Bearer " + bytes(range(128, 256))), invalid_request
    yield "percent signs", me(bearer + b"%00"), invalid_request
    yield "quotes", me(b'authorization: Bearer "' + token + b'"'), invalid_request
    yield "dots", me(b"authorization: Bearer " + b"." * 5000), invalid_token
    yield "100 KB", me(b"authorization: Bearer " + b"a" * 100_000), invalid_token
    yield "1 MB", me(b"authorization: Bearer " + b"a" * 1_048_576), rejected_by_hyper
    yield "an unfinished header of 10 MB", me()[:-2] + b"authorization: Bearer " + b"a" * 10_485_760, rejected_by_hyper
    yield "NUL", me(bearer + b"\0"), rejected_by_hyper
    yield "delete", me(bearer + b"\x7f"), rejected_by_hyper
    yield "a bare carriage return", me(bearer[:60] + b"\r" + bearer[60:]), rejected_by_hyper
    yield "a folded line", me(bearer[:60] + b"\r\n " + bearer[60:]), rejected_by_hyper
    yield "a space before the colon", me(b"authorization : Bearer " + token), rejected_by_hyper
    yield "another scheme", me(b"authorization: Token " + token), missing
    yield "no scheme", me(b"authorization: " + token), missing
    yield "a cookie", me(b"cookie: access_token=" + token), missing
    yield "the proxy's header", me(b"proxy-authorization: Bearer " + token), missing
    yield "a TLS handshake", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", rejected_by_hyper
    yield "an empty request", b"", rejected_by_hyper
    yield "half a request", bearer, rejected_by_hyper


def main():
    server = Server(sys.argv[1])
    try:
        token = server.sign_in()
        good = me(b"authorization: Bearer " + token)
        assert status(server.send(good)) == (200, None), "the valid request was rejected"
        count = 0
        pool = json.loads(decoded(token.split(b".")[1]))["iss"].rsplit("/", 1)[1]
        jwks = json.loads(server.send(request(f"GET /{pool}/.well-known/jwks.json HTTP/1.1")).split(b"\r\n\r\n", 1)[1])
        tampered = list(tampered_tokens(token, jwks))
        assert all(changed != token for _, changed in tampered), "a tampered token equals the valid token"
        invalid = [(name, me(b"authorization: Bearer " + changed), [(401, INVALID_TOKEN)]) for name, changed in tampered]
        texts = [token, *(changed for _, changed in tampered)]
        parts = {part[-40:] for text in texts for part in text.split(b".") if len(part) >= 40}
        for name, data, expected in (*attacks(token), *invalid):
            response = server.send(data)
            assert status(response) in expected, f"{name}: {status(response)}"
            assert server.process.poll() is None, f"the server exited after {name}"
            assert status(server.send(good)) == (200, None), f"a valid request failed after {name}"
            assert not any(part in response for part in parts), f"{name}: the response contains a part of a token"
            count += 1
        log = server.logged()
        assert b"rejected a token" in log, "the log was not captured"
        assert not any(part in log for part in parts), "the log contains a part of a token"
        claims = json.loads(decoded(token.split(b".")[1]))
        for claim in ("sub", "jti", "origin_jti", "event_id"):
            if value := claims.get(claim):
                assert value.encode() not in log, f"the log contains the claim {claim}"
        print(f"{count} attacks on {sys.argv[1]}: no crash, no part of a token in responses or in {len(log)} bytes of log")
    finally:
        server.process.terminate()
        server.process.wait(10)


main()
