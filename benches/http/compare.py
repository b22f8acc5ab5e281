"""A hit over HTTP: ours against nginx's `proxy_cache` and Varnish, over one origin, wrk asking them in turn; and what
`alacena bench --closed` says of ours beside what wrk says.

    cargo xtask long bench-http          builds it, installs what it takes, and runs this
    python3 benches/http/compare.py target/dist/alacena [--rounds 7] [--seconds 3] [--connections 32]

Each server has one worker and is held to one processor, whoever asks to the other. In every round each has its turn;
what counts is the ratio within a round, since a shared machine is never the same twice. The processor's time for one
request is what its kernel booked to the server, which a neighbour disturbs less than the rate. It stands beside that of who
asks: where the latter is more, the rate is that of who asks. What is printed are tables as benches/RESULTS.md has them.

Needs nginx, Varnish and wrk (Debian: nginx varnish wrk).
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/clients"))
from alacena import Server  # noqa: E402  (the folder is named one line above)

SIZES = {"1 KiB": 1024, "16 KiB": 16 * 1024}
OURS = "Alacena"
BENCH = "`alacena bench --closed`"
TICKS = os.sysconf("SC_CLK_TCK")
SERVERS_CPU, WRK_CPU = (max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0)))

ORIGIN = """
daemon off; worker_processes 1; pid {folder}/origin.pid; error_log {folder}/origin.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/o1; proxy_temp_path {folder}/o2; fastcgi_temp_path {folder}/o3;
  uwsgi_temp_path {folder}/o4; scgi_temp_path {folder}/o5;
  server {{
    listen 127.0.0.1:{origin}; root {folder}/www; default_type application/json;
    add_header Cache-Control "public, max-age=3600";
  }}
}}
"""

# What its manual recommends for a busy cache: no log, open files kept, connections not ended after a thousand requests.
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  proxy_cache_path {folder}/cache keys_zone=hits:10m max_size=64m inactive=1h use_temp_path=off;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache hits; proxy_cache_valid 200 1h; }}
  }}
}}
"""

ALACENA = """
[server]
log = "warn"

[sources.origin]
kind = "http"
base_url = "http://127.0.0.1:{origin}"

[classes.item]
ttl = "1h"

[reads.item]
source = "origin"
class = "item"
http = "GET /{{name}}"

[reads.item.params.name]
type = "string"
"""


class Peer:
    """A server that is measured: its name, its address, and the processes that are its."""

    def __init__(self, name, url, process):
        self.name, self.url, self.process = name, url, process

    def cpu(self):
        """Seconds of processor time, its children's included."""
        total = 0
        for pid in _family(self.process.pid):
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def fetch(self, size):
        with urllib.request.urlopen(self.url(size), timeout=10) as answer:
            return answer.read()


def _family(pid):
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))
    yield pid


def main():
    arguments = _arguments()
    missing = [name for name in ("nginx", "varnishd", "wrk") if not _where(name)]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found; Debian has them: apt-get install nginx varnish wrk")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alacena-bench-")))
        # The worker of a server that drops its rights has to get in.
        folder.chmod(0o755)
        peers = _start(stack, folder, arguments.binary)
        print(f"{_versions()}; {arguments.rounds} rounds of {arguments.seconds} s a turn, {arguments.connections} "
              f"connections; servers on processor {SERVERS_CPU}, who asks on {WRK_CPU}; load average {_load()}")
        for label, size in SIZES.items():
            bodies = {peer.name: peer.fetch(size) for peer in peers for _ in range(3)}
            assert len(set(bodies.values())) == 1 and len(bodies[OURS]) == size, "they do not answer the same"
            turns = _turns(peers, size, arguments)
            # Nobody is measured before it is warm, its memory included.
            _round(turns, 0)
            _report(label, peers, [_round(turns, number) for number in range(arguments.rounds)])
        print(f"\nload average at the end: {_load()}")


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path, help="alacena, built with the profile dist")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="how long one turn takes")
    parser.add_argument("--connections", type=int, default=32)
    return parser.parse_args()


def _start(stack, folder, binary):
    origin, nginx, varnish = _free_port(), _free_port(), _free_port()
    (folder / "www").mkdir()
    for size in SIZES.values():
        (folder / f"www/{size}.json").write_text('{"text":"' + "x" * (size - 11) + '"}')
    _spawn(stack, origin, _nginx(folder, "origin", ORIGIN, origin=origin))
    peers = [Peer("nginx", _plain(nginx), _spawn(stack, nginx, _nginx(folder, "nginx", NGINX, origin=origin, port=nginx)))]
    command = [_where("varnishd"), "-F", "-n", str(folder / "varnish"), "-a", f"127.0.0.1:{varnish}",
               "-b", f"127.0.0.1:{origin}", "-s", "malloc,64m", "-T", "none", "-p", "thread_pools=1"]
    peers.append(Peer("Varnish", _plain(varnish), _spawn(stack, varnish, command)))
    (folder / "alacena.toml").write_text(ALACENA.format(origin=origin))
    ours = stack.enter_context(
        Server(str(binary.resolve()), "--config", str(folder / "alacena.toml"), env={"TOKIO_WORKER_THREADS": "1"})
    )
    peers.append(Peer(OURS, lambda size: f"{ours.url}/reads/item?name={size}.json", ours.process))
    for peer in peers:
        for pid in _family(peer.process.pid):
            subprocess.run(["taskset", "-acp", str(SERVERS_CPU), str(pid)], check=True, stdout=subprocess.DEVNULL)
    return peers


def _plain(port):
    return lambda size: f"http://127.0.0.1:{port}/{size}.json"


def _nginx(folder, name, text, **values):
    path = folder / f"{name}.conf"
    path.write_text(text.format(folder=folder, **values))
    return [_where("nginx"), "-e", str(folder / f"{name}.log"), "-c", str(path)]


def _spawn(stack, port, command):
    """Starts a server and waits until it listens; it ends with the stack."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop():
        process.terminate()
        process.wait(20)

    stack.callback(stop)
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"`{' '.join(command)}` does not listen on {port}")
        time.sleep(0.05)


def _turns(peers, size, arguments):
    """Who is asked by whom: a name, and what measures its requests a second, its p99 in milliseconds, and the
    microseconds that one request takes of its processor and of the one of who asks."""

    def measured(peer, ask):
        def turn():
            before, asking = peer.cpu(), _children_cpu()
            requests, rate, late = ask(peer.url(size), size, arguments)
            each = 1e6 / requests
            return rate, late, (peer.cpu() - before) * each, (_children_cpu() - asking) * each

        return turn

    turns = [(peer.name, measured(peer, _by_wrk)) for peer in peers]
    return [*turns, (BENCH, measured(peers[-1], _by_bench))]


def _round(turns, number):
    """Every turn once; who begins changes from round to round."""
    begin = number % len(turns)
    return {name: turn() for name, turn in turns[begin:] + turns[:begin]}


def _by_wrk(url, _, arguments):
    command = ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--latency", url]
    text = _asked(command, arguments)
    assert "Non-2xx" not in text and "Socket errors" not in text, f"{url} failed:\n{text}"
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return requests, rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def _by_bench(url, size, arguments):
    command = [str(arguments.binary.resolve()), "bench", "item", f"name={size}.json", "--closed", "--source-calls", "0",
               "--connections", str(arguments.connections), "--duration", f"{arguments.seconds}s", "--json",
               "--server", url.partition("/reads/")[0]]
    said = json.loads(_asked(command, arguments))["withCache"]
    assert said["hits"] == said["answered"] == said["questions"], f"bench failed: {said}"
    return said["answered"], said["perSecond"], said["milliseconds"]["p99"]


def _children_cpu():
    """Seconds of processor time of the children that have ended: none of the servers is among them yet."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _asked(command, arguments):
    command = ["taskset", "-c", str(WRK_CPU), *command]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=arguments.seconds + 60)
    return run.stdout


def _report(label, peers, rounds):
    print(f"\n| {label} | requests/s | p99 | cpu | wrk's cpu | rate, ours to theirs | p99 | cpu |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in [peer.name for peer in peers]:
        ratios = [_ratio(rounds, OURS, name, at) if name != OURS else "" for at in range(3)]
        print(f"| {name} | {_measured(rounds, name)} | {' | '.join(ratios)} |")
    print(f"\n| {label} | requests/s | p99 | cpu | its own cpu | rate, to wrk's | p99 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print(f"| wrk | {_measured(rounds, OURS)} | | |")
    ratios = [_ratio(rounds, BENCH, OURS, at) for at in range(2)]
    print(f"| {BENCH} | {_measured(rounds, BENCH)} | {' | '.join(ratios)} |")


def _measured(rounds, name):
    rate, late, cpu, asking = (statistics.median(turns[name][at] for turns in rounds) for at in range(4))
    return f"{rate:,.0f} | {late:.2f} ms | {cpu:.1f} µs | {asking:.1f} µs"


def _ratio(rounds, one, other, at):
    ratios = sorted(turns[one][at] / turns[other][at] for turns in rounds)
    return f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _versions():
    """What is compared, as each says it."""
    nginx = subprocess.run([_where("nginx"), "-v"], capture_output=True, text=True).stderr
    varnish = subprocess.run([_where("varnishd"), "-V"], capture_output=True, text=True).stderr
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout
    found = [re.search(pattern, text).group(1) for pattern, text in (
        (r"nginx/([\d.]+)", nginx), (r"varnish-([\d.]+)", varnish), (r"wrk \S*?([\d.]+)", wrk))]
    return "nginx {}, Varnish {}, wrk {}".format(*found)


def _where(program):
    """Debian keeps servers in a folder that is on root's path only."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _load():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
