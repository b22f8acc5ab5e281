"""The MCP conformance suite against the transport of `/mcp`, once with the fixtures it wants and once with real reads.

Usage: conformance.py path/to/alacena path/to/mcp_conformance path/to/node_modules/.bin

Every scenario that a revision requires must pass. None of them is excused: an entry here would need the requirement
and the message that show the suite at fault.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from alacena import Server

# How many scenarios a revision requires of a server, so that a suite that runs fewer of them does not look like a pass.
REQUIRED = {"2026-07-28": 37, "2025-11-25": 30}
# Those that need no fixture, against the quickstart.
REAL = {
    "2026-07-28": ["tools-list", "resources-list", "sep-2164-resource-not-found", "caching", "dns-rebinding-protection",
                   "http-header-validation"],
    "2025-11-25": ["server-initialize", "ping", "tools-list", "resources-list", "dns-rebinding-protection"],
}
# As the suite sums up: a mark, the scenario, its checks; behind the total, by name, what does not count.
_LINE = re.compile(r"^([✓✗]) ([a-z0-9-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
_NOT_SCORED = re.compile(r"^  [✓✗] ([a-z0-9-]+) \(", re.MULTILINE)
_LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")


def suite(tools, folder, url, *arguments):
    """Runs the suite and answers how it ended and what it said."""
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    done = subprocess.run(
        [tools / "conformance", "server", "--url", f"{url}/mcp", "-o", folder, *arguments],
        env=os.environ | {"PATH": path}, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        encoding="utf-8", timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def required(tools, folder, url):
    """Every scenario that the revisions require passes."""
    for revision, count in REQUIRED.items():
        status, said = suite(tools, folder, url, "--requirements", revision)
        beside = set(_NOT_SCORED.findall(said))
        scenarios = {name: (mark, int(passed), int(failed)) for mark, name, passed, failed in _LINE.findall(said)}
        scored = {name: found for name, found in scenarios.items() if name not in beside}
        failed = [name for name, (mark, passed, failed) in scored.items() if mark != "✓" or failed or not passed]
        assert not failed and status == 0, f"{revision}: {failed or status}\n{said}"
        assert len(scored) == count, f"{revision}: {len(scored)} scenarios instead of {count}\n{said}"
        print(f"{revision}: {len(scored)} of {count} required scenarios pass")


def real(tools, folder, url):
    """What needs no fixture passes on a server of declared reads."""
    for revision, scenarios in REAL.items():
        for scenario in scenarios:
            status, said = suite(tools, folder, url, "--scenario", scenario, "--spec-version", revision)
            assert status == 0, f"{revision} {scenario}:\n{said}"
        print(f"{revision}: the quickstart passes {', '.join(scenarios)}")


def main(binary, fixture, tools):
    tools = pathlib.Path(tools).resolve()
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen([fixture], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            # It ends when its standard input closes, which the end of this block does.
            required(tools, folder, _LISTENING.search(process.stdout.readline()).group(1))
        with Server(binary, cwd=folder) as server:
            real(tools, folder, server.url)


if __name__ == "__main__":
    main(*sys.argv[1:])
