"""Secrets of the configuration and of callers must appear nowhere: not in logs, errors, metrics or pages.

Each secret is a random word, so that finding it anywhere is a leak and nothing else. The source is as careless as they
come: it repeats every header and path it receives in each of its failures.

Usage: canary.py path/to/alacena
"""

import http.server
import json
import pathlib
import secrets
import sys
import tempfile
import threading

from alacena import Server, run
from blake3 import blake3

NAMES = ("env", "file", "literal", "path", "server", "admin", "reader", "caller", "wrong", "config")
CANARIES = {name: f"canary{secrets.token_hex(10)}" for name in NAMES}
# These two are 32 bytes in base64 besides.
CANARIES |= {name: f"canary{secrets.token_hex(18)}w" for name in ("store", "other")}

CONFIGURATION = """
[server]
secret = "{server}"
log = "debug"

[embedded]
key = "${{CANARY_STORE}}"

[tokens.ops]
hash = "blake3:{admin_hash}"
role = "admin"

[tokens.app]
hash = "blake3:{reader_hash}"
role = "read"

[sources.careless]
kind = "http"
base_url = "http://127.0.0.1:{port}/api"
headers = {{ authorization = "Bearer ${{CANARY_ENV}}", x-file = "file:secret.txt", x-literal = "{literal}" }}
retries = 0

[sources.personal]
kind = "http"
base_url = "http://127.0.0.1:{port}/api"
credentials = ["authorization"]
retries = 0

[sources.gone]
kind = "http"
base_url = "http://127.0.0.1:1/api"
headers = {{ authorization = "{literal}" }}

[reads.careless]
description = "Does as it is told."
source = "careless"
http = "GET /{{how}}?api_key=${{CANARY_PATH}}"
params.how = {{ type = "string" }}

[reads.personal]
description = "Needs the caller's credential."
source = "personal"
http = "GET /{{how}}"
params.how = {{ type = "string" }}

[reads.gone]
description = "Nobody is there."
source = "gone"
http = "GET /anything"

[writes.careless]
description = "Does as it is told."
source = "careless"
http = "POST /{{how}}"
params.how = {{ type = "string" }}
invalidates = ["everything-careless"]
"""

# Mistakes around a secret: each must be refused without repeating it.
MISTAKES = {
    "TOML that does not parse": 'x = "{config}',
    "an unknown key": '[server]\nsecrets = "{config}"',
    "a value of the wrong type": '[server]\nsecret = ["{config}"]',
    "a key that is none": '[embedded]\nkey = "{config}, which is long enough but no base64"',
    "a key that is only the one before": '[embedded]\nkey_previous = "{store}"',
    "a hash that is none": '[tokens.ops]\nhash = "{config}"\nrole = "admin"',
    "a secret in the address": '[sources.crm]\nkind = "http"\nbase_url = "http://user:{config}@127.0.0.1/"\n'
    '[reads.a]\nsource = "crm"\nhttp = "GET /"',
    "an address that is none": '[sources.crm]\nkind = "http"\nbase_url = "{config}"',
    "a header that cannot be sent": '[sources.crm]\nkind = "http"\nbase_url = "http://127.0.0.1/"\n'
    'headers = {{ authorization = "{config}\\n" }}',
    "a source that is not built": '[sources.db]\nkind = "postgres"\nurl = "postgres://user:{config}@db/app"',
    "a section that is not built": '[redis]\nurl = "redis://:{config}@cache:6379"',
}

FAILURES = {"fail": 500, "busy": 503, "denied": 401, "refused": 400, "throttled": 429, "absent": 404}


class Careless(http.server.BaseHTTPRequestHandler):
    """A source that tells everybody everything, and remembers it."""

    heard = ""

    def do_GET(self):
        how = self.path.split("?")[0].rsplit("/", 1)[-1]
        echo = json.dumps({"path": self.path, "headers": dict(self.headers)})
        Careless.heard += echo
        if how == "good":
            self.answer(200, json.dumps({"fine": True}))
        elif how == "redirect":
            self.answer(302, echo, Location="http://elsewhere.invalid" + self.path)
        elif how == "garbage":
            self.answer(200, "{" + echo)
        elif how == "hangup":
            self.close_connection = True
        else:
            self.answer(FAILURES[how], echo)

    do_POST = do_GET

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def search(where, text):
    """Fails when any secret stands in `text`."""
    for name, canary in CANARIES.items():
        if canary in text.lower():
            at = text.lower().index(canary)
            around = text[max(0, at - 200):at + 100].replace(canary, "<SECRET>")
            raise AssertionError(f"the secret `{name}` is in {where}:\n…{around}…")


def visit(server):
    """Asks for everything there is, in good ways and in bad ones, and searches every answer."""
    visited = 0

    def look(answer, where):
        nonlocal visited
        visited += 1
        search(where, answer.text)
        return answer

    ops = {"Authorization": f"Bearer {CANARIES['admin']}"}
    app = {"Authorization": f"Bearer {CANARIES['reader']}"}
    wrong = {"Authorization": f"Bearer {CANARIES['wrong']}"}
    personal = {"Authorization": f"Bearer {CANARIES['caller']}", "Alacena-Token": CANARIES["reader"]}
    pages = ["/", "/reads", "/cache/health", "/cache/stats", "/metrics", "/health", "/health/ready", "/nothing"]
    good = look(server.get("/reads/careless?how=good", app), "a good answer")
    assert good.status == 200 and good.json() == {"fine": True}, good.text
    good = look(server.get("/reads/personal?how=good", personal), "a personal answer")
    assert good.status == 200, good.text
    for how in ["good", "redirect", "garbage", "hangup", *FAILURES]:
        for read, headers in [("careless", app), ("personal", personal), ("personal", app), ("careless", wrong)]:
            look(server.get(f"/reads/{read}?how={how}", headers), f"{read} {how}")
        look(server.post("/reads/careless", {"how": how}, {**app, "Cache-Control": "no-cache"}), f"POST {how}")
        look(server.post("/writes/careless", {"how": how}, ops), f"write {how}")
        look(server.post("/writes/careless", {"how": how}, app), f"write without the role {how}")
        call = {"name": "careless", "arguments": {"how": how}}
        look(server.post("/mcp/tools/call", call, app), f"tool {how}")
    look(server.get("/reads/gone", app), "a source that is gone")
    look(server.post("/reads/careless", b"{ not json", app), "a body that is not JSON")
    look(server.send("DELETE", "/reads/careless", headers=app), "a method that is not allowed")
    look(server.get("/reads", {**ops, "Host": "rebound.example"}), "a foreign host")
    rpc = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    look(server.post("/mcp", rpc, {**app, "Accept": "application/json, text/event-stream"}), "MCP")
    look(server.post("/cache/invalidate", {"tags": ["everything-careless"]}, ops), "an invalidation")
    for page in pages:
        for headers in (ops, app, wrong, {}):
            look(server.get(page, headers), page)
    assert server.get("/metrics", ops).status == 200
    return visited


def check_server(binary, folder):
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    hashes = {f"{name}_hash": blake3(CANARIES[name]) for name in ("admin", "reader")}
    values = {"port": source.server_address[1], **hashes, **CANARIES}
    path = folder / "alacena.toml"
    path.write_text(CONFIGURATION.format(**values))
    secret = folder / "secret.txt"
    secret.write_text(CANARIES["file"])
    for file in (path, secret):
        file.chmod(0o600)
    environment = {f"CANARY_{name.upper()}": CANARIES[name] for name in ("env", "path", "store")}
    with Server(binary, "--config", str(path), env=environment, cwd=folder) as server:
        visited = visit(server)
        token = {**environment, "ALACENA_TOKEN": CANARIES["reader"]}
        for command in (["check"], ["call", "careless", "how=fail"], ["call", "careless", "how=good", "--json"]):
            _, said = run(binary, *command, "--config", str(path), env=token, cwd=folder)
            search(f"alacena {' '.join(command)}", said)
    search("the log", server.output)
    check_store(binary, path, environment)
    assert "careless" in server.output, "the log says nothing, so that nothing was found in it proves nothing"
    source.shutdown()
    # What was never sent cannot leak, and Alacena's own tokens are none of the source's business.
    for name in ("env", "file", "literal", "path", "caller"):
        assert CANARIES[name] in Careless.heard, f"the secret `{name}` did not reach the source"
    for name in ("server", "admin", "reader", "wrong"):
        assert CANARIES[name] not in Careless.heard, f"the secret `{name}` was sent to the source"
    print(f"{visited} answers and {len(server.lines)} lines of log without a secret")


def check_store(binary, path, environment):
    """What was written is sealed, and nobody opens it with another key or learns which one it was."""
    for file in (path.parent / ".alacena").iterdir():
        kept = file.read_bytes().decode("latin-1")
        search(file.name, kept)
        assert "everything-careless" not in kept, f"{file.name} tells what was invalidated"
    wrong = {**environment, "CANARY_STORE": CANARIES["other"]}
    status, said = run(binary, "serve", "--config", str(path), env=wrong, cwd=path.parent)
    assert status != 0 and "sealed with the key" in said, said
    search("a start with another key", said)


def check_mistakes(binary, folder):
    for what, text in MISTAKES.items():
        path = folder / "mistake.toml"
        path.write_text(text.format(**CANARIES))
        for command in (["check"], ["check", "--json"], ["serve"]):
            status, said = run(binary, *command, "--config", str(path), cwd=folder)
            assert status != 0, f"{what} was accepted: {said}"
            search(what, said)
    print(f"{len(MISTAKES)} mistakes refused without repeating a secret")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        check_mistakes(sys.argv[1], pathlib.Path(temporary))
        check_server(sys.argv[1], pathlib.Path(temporary))
