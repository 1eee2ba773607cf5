#!/usr/bin/env python3
"""Attacks the running example through raw sockets, from outside.

    tests/oracles/wire.py <path of the program `activities`>

Starts the program with its embedded pool and RUST_LOG=trace. After each attack the server lives, answers the next honest request, and has neither
echoed nor logged anything of the token. Needs nothing but Python.
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
        # Appending, since the program writes while the log is read.
        self.log = tempfile.TemporaryFile("a+b")
        # The program announces the address that it was given, so the port has to be known before.
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
        sys.exit("the program does not answer")

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def send(self, data):
        """Sends bytes and reads to the end. A server may close before it has read everything.

        The sending side is closed only behind what is not a whole request: to the server, that means a client who is gone.
        """
        answer = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                try:
                    connection.sendall(data)
                    if not data.endswith((b"\r\n\r\n", b"}")):
                        connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                while chunk := connection.recv(65536):
                    answer += chunk
        except (ConnectionError, TimeoutError):
            pass
        return answer

    def sign_in(self):
        """The way of the AWS SDKs: InitiateAuth."""
        name, password = self.user
        body = json.dumps({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.client(),
            "AuthParameters": {"USERNAME": name, "PASSWORD": password},
        }).encode()
        answer = self.send(request("POST / HTTP/1.1", [
            b"content-type: application/x-amz-json-1.1",
            b"x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth",
            b"content-length: %d" % len(body),
        ]) + body)
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])["AuthenticationResult"]["AccessToken"].encode()

    def client(self):
        settings = self.send(request("GET /config.json HTTP/1.1")).decode()
        return re.search(r'client_?ids"\s*:\s*\[\s*"([^"]+)"', settings, re.IGNORECASE).group(1)


def request(line, headers=()):
    head = [line.encode(), b"host: localhost", b"connection: close", *headers, b"", b""]
    return b"\r\n".join(head)


def me(*headers):
    return request("GET /api/me HTTP/1.1", headers)


def status(answer):
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    challenge = re.search(rb"(?mi)^www-authenticate: (.*?)\r$", answer.split(b"\r\n\r\n")[0] + b"\r\n")
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
    """The public key in each form in which a careless verifier would take it for a secret."""
    modulus, exponent = decoded(jwk["n"].encode()), decoded(jwk["e"].encode())
    pkcs1 = der(0x30, der(2, b"\0" + modulus), der(2, exponent))
    rsa_encryption = bytes.fromhex("300d06092a864886f70d0101010500")
    spki = der(0x30, rsa_encryption, der(3, b"\0" + pkcs1))
    for label, key in ("RSA PUBLIC KEY", pkcs1), ("PUBLIC KEY", spki):
        text = base64.b64encode(key)
        lines = b"\n".join(text[at:at + 64] for at in range(0, len(text), 64))
        pem = b"-----BEGIN %b-----\n%b\n-----END %b-----" % (label.encode(), lines, label.encode())
        yield f"{label} as PEM", pem + b"\n"
        yield f"{label} as PEM without its last line break", pem
        yield f"{label} as DER", key
    yield "the modulus", modulus
    yield "the modulus as text", jwk["n"].encode()


def spellings(word):
    return {"".join(letters) for letters in itertools.product(*((each.lower(), each.upper()) for each in word))}


def lies(token, jwks):
    """What can be made of an honest token without a private key."""
    header, payload, signature = token.split(b".")
    members, claims = json.loads(decoded(header)), json.loads(decoded(payload))
    jwk = next(each for each in jwks["keys"] if each["kid"] == members["kid"])
    other = next(each["kid"] for each in jwks["keys"] if each["kid"] != members["kid"])

    def headed(changes, signature=signature):
        return b".".join([encoded({name: value for name, value in (members | changes).items() if value is not Ellipsis}),
                          payload, signature])

    def claiming(text):
        return b".".join([header, encoded(text), signature])

    for none in sorted(spellings("none")):
        yield f"alg {none}", headed({"alg": none}, b"")
        yield f"alg {none}, signed", headed({"alg": none})
    for alg in (..., None, ["RS256"], "rs256", "", "RS384", "RS512", "PS256", "ES256"):
        yield f"alg {alg}", headed({"alg": alg})
    for name, secret in public_keys(jwk):
        for alg in "HS256", "RS256":
            unsigned = headed({"alg": alg}, b"")
            mac = hmac.digest(secret, unsigned[:-1], "sha256")
            yield f"{alg} with {name}", unsigned + encoded(mac)
    for kid in (..., None, "", ["x"], other, "x" * 600, "x" * 5000, "../../../../dev/null", "' OR '1'='1", "| sleep 10"):
        yield f"kid {str(kid)[:20]}", headed({"kid": kid})
    for name, value in {
        "jwk": jwk, "jku": "http://127.0.0.1:1/jwks.json", "x5u": "file:///etc/passwd", "x5c": ["MIIB"],
        "crit": ["exp"], "b64": False, "zip": "DEF", "enc": "A128GCM", "cty": "JWT",
    }.items():
        yield name, headed({name: value})
    yield "encrypted", b".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), b"a2V5", b"aXY", b"dGV4dA", b"dGFn"])
    yield "nested", headed({"cty": "JWT"}).replace(payload, encoded(token))
    for part in range(3):
        yield f"a letter of part {part}", changed(token, part)
    unsigned = token[:-len(signature)]
    yield "no signature", unsigned
    yield "padding", token + b"=="
    yield "zeros", unsigned + encoded(bytes(256))
    yield "half a signature", unsigned + signature[:171]
    yield "a longer signature", unsigned + signature + b"AAAA"
    yield "the standard alphabet", unsigned + b"+/" + signature[2:]
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    yield "left-over bits", token[:-1] + letters[letters.index(chr(token[-1])) + 1].encode()
    for claim, value in {
        "iss": "https://evil.example", "client_id": "other", "token_use": "id", "exp": 4102444800, "username": "mallory",
    }.items():
        yield f"another {claim}", claiming(claims | {claim: value})
    text = decoded(payload)
    yield "a BOM", claiming(b"\xef\xbb\xbf" + text)
    yield "not UTF-8", claiming(text.replace(b"{", b'{"x":"\xff",', 1))
    yield "exp twice", claiming(text.replace(b"{", b'{"exp":4102444800,', 1))
    yield "1e400", claiming(text.replace(b"{", b'{"x":1e400,', 1))
    yield "NaN", claiming(text.replace(b"{", b'{"x":NaN,', 1))
    yield "a thousand brackets", claiming(text.replace(b"{", b'{"x":' + b"[" * 1000, 1))
    yield "no object", claiming([])


def attacks(token):
    bearer = b"authorization: Bearer " + token
    twice = [(400, INVALID_REQUEST)]
    invalid = [(401, INVALID_TOKEN)]
    missing = [(401, "Bearer")]
    by_the_server = [(400, None), (431, None), (0, None)]
    yield "two headers", me(bearer, bearer), twice
    yield "two schemes", me(bearer, b"authorization: Basic YTpi"), twice
    yield "two tokens", me(bearer + b" " + token), twice
    yield "a comma", me(bearer + b", Bearer " + token), twice
    yield "a scheme alone", me(b"authorization: Bearer"), twice
    yield "a tab", me(b"authorization: Bearer\t" + token), twice
    yield "a tab within", me(bearer[:60] + b"\t" + bearer[60:]), twice
    yield "Latin-1", me(bearer + b"\xe9"), twice
    yield "UTF-8", me(bearer + "é".encode()), twice
    yield "bytes", me(b"authorization: Bearer " + bytes(range(128, 256))), twice
    yield "percent", me(bearer + b"%00"), twice
    yield "quotes", me(b'authorization: Bearer "' + token + b'"'), twice
    yield "dots", me(b"authorization: Bearer " + b"." * 5000), invalid
    yield "100 KB", me(b"authorization: Bearer " + b"a" * 100_000), invalid
    yield "1 MB", me(b"authorization: Bearer " + b"a" * 1_048_576), by_the_server
    yield "10 MB without an end", me()[:-2] + b"authorization: Bearer " + b"a" * 10_485_760, by_the_server
    yield "NUL", me(bearer + b"\0"), by_the_server
    yield "delete", me(bearer + b"\x7f"), by_the_server
    yield "a bare carriage return", me(bearer[:60] + b"\r" + bearer[60:]), by_the_server
    yield "a folded line", me(bearer[:60] + b"\r\n " + bearer[60:]), by_the_server
    yield "a blank before the colon", me(b"authorization : Bearer " + token), by_the_server
    yield "another scheme", me(b"authorization: Token " + token), missing
    yield "no scheme", me(b"authorization: " + token), missing
    yield "a cookie", me(b"cookie: access_token=" + token), missing
    yield "the proxy's header", me(b"proxy-authorization: Bearer " + token), missing
    yield "TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", by_the_server
    yield "nothing", b"", by_the_server
    yield "half a request", bearer, by_the_server


def main():
    server = Server(sys.argv[1])
    try:
        token = server.sign_in()
        good = me(b"authorization: Bearer " + token)
        assert status(server.send(good)) == (200, None), "the honest request"
        count = 0
        pool = json.loads(decoded(token.split(b".")[1]))["iss"].rsplit("/", 1)[1]
        jwks = json.loads(server.send(request(f"GET /{pool}/.well-known/jwks.json HTTP/1.1")).split(b"\r\n\r\n", 1)[1])
        false = list(lies(token, jwks))
        assert all(lie != token for _, lie in false), "a lie is the truth"
        invalid = [(name, me(b"authorization: Bearer " + lie), [(401, INVALID_TOKEN)]) for name, lie in false]
        parts = {part[-40:] for each in (token, *(lie for _, lie in false)) for part in each.split(b".") if len(part) >= 40}
        for name, data, expected in (*attacks(token), *invalid):
            answer = server.send(data)
            assert status(answer) in expected, f"{name}: {status(answer)}"
            assert server.process.poll() is None, f"the server died of {name}"
            assert status(server.send(good)) == (200, None), f"after {name}"
            assert not any(part in answer for part in parts), f"{name}: echoed"
            count += 1
        log = server.logged()
        assert b"rejected a token" in log, "the log was not captured"
        assert not any(part in log for part in parts), "logged: a part of a token"
        claims = json.loads(decoded(token.split(b".")[1]))
        for claim in ("sub", "jti", "origin_jti", "event_id"):
            if value := claims.get(claim):
                assert value.encode() not in log, f"logged: {claim}"
        print(f"{count} attacks on {sys.argv[1]}: alive after each, nothing echoed, nothing of the token in {len(log)} bytes of log")
    finally:
        server.process.terminate()
        server.process.wait(10)


main()
