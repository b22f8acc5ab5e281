"""One running `alacena serve` and a plain HTTP client for it, for the tests of this folder."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

# With any of these set the quickstart is refused, because a lost configuration must not look healthy.
_CONFIGURES = re.compile(r"^(PORT$|REDIS|UPSTASH_|KV_REST_|ALACENA_|CACHE_|DATABASE_URL$|LOG_LEVEL$|NODE_ENV$)")
_ADDRESS = re.compile(r"^listening on (http://127\.0\.0\.1:\d+)")


class Answer:
    """What came back: status, headers, body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        """Everything that a caller gets to see."""
        return f"{self.status}\n{self.headers}\n{self.body.decode('utf-8', 'replace')}"


class Server:
    """`alacena serve` on a free port, started and stopped by `with`."""

    def __init__(self, binary, *arguments, env=None, cwd=None):
        self.command = [binary, "serve", "--listen", "127.0.0.1:0", *arguments]
        self.env = {name: value for name, value in os.environ.items() if not _CONFIGURES.match(name)} | (env or {})
        self.cwd = cwd
        self.lines = []

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace",
        )
        self._listening = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()
        deadline = time.monotonic() + 60
        while not self._listening.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError("the server did not say where it listens:\n" + self.output)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            raise AssertionError("SIGTERM did not end the server within 30 seconds:\n" + self.output)
        for reader in self._readers:
            reader.join(10)
        assert self.process.returncode == 0, f"ended with {self.process.returncode}:\n{self.output}"

    def _read(self, stream):
        for line in stream:
            self.lines.append(line)
            found = _ADDRESS.search(line)
            if found and not self._listening.is_set():
                self.url = found.group(1)
                self._listening.set()

    @property
    def output(self):
        """Everything that it has printed and logged."""
        return "".join(self.lines)

    def get(self, path, headers=None):
        return self.send("GET", path, headers=headers)

    def post(self, path, value, headers=None):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.send("POST", path, body, {"Content-Type": "application/json"} | (headers or {}))

    def send(self, method, path, body=None, headers=None):
        request = urllib.request.Request(self.url + path, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())


def took(work):
    """The result of `work` and how many seconds it took."""
    start = time.monotonic()
    result = work()
    return result, time.monotonic() - start


def run(binary, *arguments, env=None, cwd=None):
    """Runs another command of the binary to its end and answers what it printed."""
    clean = {name: value for name, value in os.environ.items() if not _CONFIGURES.match(name)}
    done = subprocess.run(
        [binary, *arguments], env=clean | (env or {}), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, encoding="utf-8", errors="replace", timeout=60,
    )
    return done.returncode, done.stdout + done.stderr
