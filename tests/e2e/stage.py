"""Starts and stops the processes of the end-to-end tests, and sends HTTP requests to them."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

HOST = "127.0.0.1"
REGION = "us-east-1"

# The AWS settings and proxies of the environment must not affect the tests.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST


def free_port():
    """Returns an unused port. A server may also start on it later."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def eventually(check, seconds, what):
    """Waits until `check` returns a true value, and returns the value."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Response:
    """An HTTP response. The headers keep their order and repetitions."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = [(name.lower(), value) for name, value in headers]
        self.body = body

    def all(self, name):
        return [value for header, value in self.headers if header == name]

    def header(self, name):
        """Returns the value of a header that must not be repeated, or None."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} is repeated {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def media_type(self):
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:400]!r}"


def request(url, method="GET", headers=()):
    """Sends a request with exactly these headers, in this order. A header may be repeated."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.putrequest(method, parts.path + (f"?{parts.query}" if parts.query else ""))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Response(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


class Process:
    """A child process with log files. While it runs, the directory `pids` contains a file with its ID as the name."""

    work = None  # the directory for logs, states and process IDs; set before the first start
    started = []

    def __init__(self, name, command, environment):
        self.name = name
        self.command = command
        # A child inherits no other variables.
        inherited = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if k in os.environ}
        self.environment = {**inherited, **environment}
        self.child = None
        self.logs = []

    def start(self):
        stem = f"{len(Process.started):02}-{self.name}"
        out, err = self.work / f"{stem}.out", self.work / f"{stem}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            self.child = subprocess.Popen(
                self.command, env=self.environment, cwd=self.work,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        self.logs += [out, err]
        Process.started.append(self)
        self._pid_file().touch()
        return self

    def _pid_file(self):
        return self.work / "pids" / str(self.child.pid)

    def wait(self, seconds):
        """Waits until the process ends by itself. Returns its exit status."""
        try:
            return self.child.wait(seconds)
        finally:
            if self.child.returncode is not None:
                self._pid_file().unlink(missing_ok=True)

    def stop(self):
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.wait(15)
        self.child = None

    def log(self, ending=""):
        """Returns the output: everything, or only one of `.out` and `.err`."""
        return "".join(path.read_text("utf-8", "replace") for path in self.logs if path.name.endswith(ending))

    def until_reachable(self, url):
        """Waits until the process sends any HTTP response."""
        def once():
            if self.child.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.child.returncode}:\n{self.log()}")
            try:
                return request(url)
            except OSError:
                return None
        return eventually(once, 30, f"{self.name} to respond")

    @classmethod
    def stop_all(cls):
        for process in reversed(cls.started):
            process.stop()


def identity_provider(url):
    """Creates the AWS SDK's client for user pools, with this server as the endpoint."""
    return boto3.client(
        "cognito-idp", endpoint_url=url, region_name=REGION,
        aws_access_key_id="x", aws_secret_access_key="x",
        config=Config(connect_timeout=10, read_timeout=20, retries={"max_attempts": 1}))


class Emulator(Process):
    """A ministack process. It keeps its port and its state directory across restarts."""

    def __init__(self, name):
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.state = self.work / f"{name}-state"
        self.state.mkdir()
        super().__init__(name, [str(Path(sys.executable).with_name("ministack"))], {
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "cognito-idp,iam,sts",
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state),
            "S3_DATA_DIR": str(self.state / "s3"),
            "TMPDIR": str(self.state),
        })
        self.idp = identity_provider(self.url)

    def start(self):
        super().start()
        self.until_reachable(f"{self.url}/_ministack/health")
        return self

    def key_file(self, pool_id, use):
        return self.state / "cognito-pool-keys" / f"{pool_id}-{use}.pem"

    def rotate_access_key(self, pool_id):
        """Restarts the emulator with a new key for access tokens. The pool, users and port stay the same."""
        self.stop()
        self.key_file(pool_id, "access").unlink()
        self.start()


class Example(Process):
    """The example server. Environment variables are its only configuration."""

    binary = None
    exchanges = []  # (values of `Authorization`, response) of every request to any example

    def __init__(self, name, **settings):
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        super().__init__(name, [str(self.binary)], {
            "ACTIVITIES_ADDR": f"{HOST}:{self.port}",
            "RUST_LOG": "debug,axum_cognito=trace,activities=trace,tower_http=trace",
            "NO_COLOR": "1",
            **settings,
        })

    def start(self, ready=True):
        super().start()
        self.until_reachable(f"{self.url}/healthz")
        if ready:
            self.until_ready(20)
        return self

    def until_ready(self, seconds):
        return eventually(lambda: request(f"{self.url}/readyz").status == 200, seconds, f"{self.name} to be ready")

    def get(self, path, *authorization, method="GET", headers=()):
        """Sends a request with these values of `Authorization`, in this order."""
        sent = [("Authorization", value) for value in authorization]
        response = request(self.url + path, method, [*headers, *sent])
        Example.exchanges.append((authorization, response))
        return response

    def bearer(self, path, token):
        return self.get(path, f"Bearer {token}")


class KeyServer:
    """Serves a key set and counts the fetches. While `open` is cleared, it sends no responses."""

    def __init__(self, body):
        self.fetches = 0
        self.open = threading.Event()
        self.open.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.fetches += 1
                owner.open.wait(60)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the client may have closed the connection
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://{HOST}:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


def challenge(response):
    """Returns the parameters of the `Bearer` challenge, or None if the response has no challenge."""
    value = response.header("www-authenticate")
    if value is None:
        return None
    parameter = r'([a-z_]+)="((?:[\x20\x21\x23-\x5b\x5d-\x7e])*)"'
    if not re.fullmatch(rf"Bearer(?: {parameter}(?:, ?{parameter})*)?", value):
        raise AssertionError(f"not a well-formed Bearer challenge: {value!r}")
    found = re.findall(parameter, value)
    if len(found) != len(dict(found)):
        raise AssertionError(f"a parameter is repeated: {value!r}")
    return dict(found)


def interrupt_on_terminate():
    """Makes SIGTERM raise KeyboardInterrupt, because unittest counts `SystemExit` as a failed test and continues."""
    def interrupt(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
