"""promtool reads /metrics of a server that has hits, misses and failures to count.

Usage: metrics.py path/to/alacena
"""

import subprocess
import sys
import tempfile

from alacena import Server


def main(binary):
    with tempfile.TemporaryDirectory() as folder, Server(binary, cwd=folder) as server:
        for path in ["/reads/get_jobs?size=3", "/reads/get_jobs?size=3", "/reads/get_jobs?size=x", "/reads/nothing"]:
            server.get(path)
        server.post("/cache/invalidate", {"class": "jobs"})
        answer = server.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers["Content-Type"]
        checked = subprocess.run(["promtool", "check", "metrics"], input=answer.body, capture_output=True)
        said = (checked.stdout + checked.stderr).decode()
        assert checked.returncode == 0, f"promtool ended with {checked.returncode}:\n{said}"
        assert not said.strip(), f"promtool has something to say:\n{said}"
        families = answer.body.count(b"# TYPE ")
        assert families > 5 and b"get_jobs" in answer.body, answer.text
        print(f"promtool is content with {families} families of metrics")


if __name__ == "__main__":
    main(sys.argv[1])
