#!/usr/bin/env python3
"""Attacks the running example through raw sockets, from outside.

    tests/oracles/wire.py <path of the program `activities`>

Starts the program with its embedded pool and RUST_LOG=trace. After each attack the server lives, answers the next honest request, and has neither
echoed nor logged anything of the token. Needs nothing but Python.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

INVALID_REQUEST = 'Bearer error="invalid_request", error_description="send exactly one bearer token"'
INVALID_TOKEN = 'Bearer error="invalid_token", error_description="the token is not valid here"'


class Server:
    def __init__(self, program):
        self.log = tempfile.TemporaryFile()
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
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
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


def changed(token, part, byte):
    parts = [bytearray(each) for each in token.split(b".")]
    parts[part][len(parts[part]) // 2] = byte
    return b".".join(bytes(each) for each in parts)


def attacks(token):
    bearer = b"authorization: Bearer " + token
    twice = [(400, INVALID_REQUEST)]
    invalid = [(401, INVALID_TOKEN)]
    missing = [(401, "Bearer")]
    by_the_server = [(400, None), (431, None), (0, None)]
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=")
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
    yield "a header changed", me(b"authorization: Bearer " + changed(token, 0, 0x41)), invalid
    yield "a payload changed", me(b"authorization: Bearer " + changed(token, 1, 0x41)), invalid
    yield "a signature changed", me(b"authorization: Bearer " + changed(token, 2, 0x41)), invalid
    yield "no signature", me(b"authorization: Bearer " + token.rsplit(b".", 1)[0] + b"."), invalid
    yield "alg none", me(b"authorization: Bearer " + none + b"." + token.split(b".")[1] + b"."), invalid
    yield "padding", me(bearer + b"=="), invalid
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
        for name, data, expected in attacks(token):
            answer = server.send(data)
            assert status(answer) in expected, f"{name}: {status(answer)}"
            assert server.process.poll() is None, f"the server died of {name}"
            assert status(server.send(good)) == (200, None), f"after {name}"
            for part in token.split(b"."):
                assert part[-40:] not in answer, f"{name}: echoed"
            count += 1
        log = server.logged()
        assert b"refused a token" in log, "the log was not captured"
        for part in token.split(b"."):
            assert part[-40:] not in log, "logged: a part of the token"
        claims = json.loads(base64.urlsafe_b64decode(token.split(b".")[1] + b"=="))
        for claim in ("sub", "jti", "origin_jti", "event_id"):
            if value := claims.get(claim):
                assert value.encode() not in log, f"logged: {claim}"
        print(f"{count} attacks on {sys.argv[1]}: alive after each, nothing echoed, nothing of the token in {len(log)} bytes of log")
    finally:
        server.process.terminate()
        server.process.wait(10)


main()
