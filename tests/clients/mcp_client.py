"""The official MCP client against the quickstart, over HTTP and over stdio.

Usage: mcp_client.py path/to/alacena
"""

import asyncio
import json
import sys
import tempfile
import time

import mcp
from alacena import Server

TOOLS = {
    "get_attachments", "get_jobs", "get_job", "search_jobs", "get_estimates", "get_contacts", "search_contacts",
    "get_activities", "get_users", "get_tasks", "get_webhooks", "get_calendar_activities",
}
META = "dev.alacena/cache"


async def check_tools(client):
    """The CRM's reads are tools, each with the schema of its parameters, always in the same order."""
    tools = (await client.list_tools()).tools
    names = [tool.name for tool in tools]
    assert TOOLS <= set(names), f"missing tools: {sorted(TOOLS - set(names))}"
    for tool in tools:
        assert tool.description, f"{tool.name} has no description"
        assert tool.input_schema["type"] == "object", f"{tool.name}: {tool.input_schema}"
    size = next(tool for tool in tools if tool.name == "get_jobs").input_schema["properties"]["size"]
    assert size["type"] == "integer" and "default" in size, size
    required = next(tool for tool in tools if tool.name == "get_job").input_schema["required"]
    assert required, "get_job requires nothing"
    assert names == [tool.name for tool in (await client.list_tools()).tools]


async def call(client, name, arguments):
    """What a tool answers as a value, its cache record, and the seconds it took."""
    start = time.monotonic()
    result = await client.call_tool(name, arguments)
    seconds = time.monotonic() - start
    text = "".join(block.text for block in result.content)
    assert not result.is_error, text
    value = json.loads(text)
    if isinstance(value, dict):
        assert result.structured_content == value, "the structured content differs from the text"
    return value, (result.meta or {})[META], seconds


async def check_first_and_second(server, client, size):
    """The first call is as slow as the CRM, the second is a hit with the same content, as is the plain read."""
    cold, record, slow = await call(client, "get_jobs", {"size": size})
    assert slow >= 0.5 and record["origin"] == "source", f"first call: {slow:.3f} s, {record}"
    warm, record, fast = await call(client, "get_jobs", {"size": size})
    assert fast < 0.25 and record["origin"] == "l1", f"second call: {fast:.3f} s, {record}"
    plain = server.get(f"/reads/get_jobs?size={size}")
    assert plain.headers["Cache-Status"].startswith("Alacena; hit"), plain.headers["Cache-Status"]
    assert cold == warm == plain.json(), "the three answers differ"
    print(f"  first call {slow * 1000:.0f} ms from the source, second {fast * 1000:.1f} ms from l1")


async def check_promises(client):
    """A tool says what it answers where that is known, and the client holds every answer to it."""
    modern = client.protocol_version >= "2026-07-28"
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools["ticket"].output_schema["properties"]["subject"], tools["ticket"].output_schema
    ticket = await client.call_tool("ticket", {"id": 7})
    assert not ticket.is_error and ticket.structured_content["id"] == 7, ticket
    # Before 2026-07-28 a list had to go without.
    promised = tools["tickets_by_status"].output_schema
    assert (promised is not None) == modern, promised
    listed = await client.call_tool("tickets_by_status", {"limit": 3})
    assert (listed.structured_content is not None) == modern and not listed.is_error, listed
    missing = await client.call_tool("ticket", {"id": 10**6})
    assert missing.is_error and missing.meta["dev.alacena/problem"]["status"] == 404, missing


def asked(server):
    """How many reads the server has answered."""
    metrics = server.get("/cache/stats").json()["metrics"]
    return metrics["hits"] + metrics["misses"]


async def check_resources(server, client, size):
    """Reads are resources, answered by the same cache, and a client remembers an answer as long as it is fresh."""
    modern = client.protocol_version >= "2026-07-28"
    addresses = [resource.uri for resource in (await client.list_resources()).resources]
    assert addresses[0] == "alacena://reads" and "alacena://reads/agent_load" in addresses, addresses
    templates = {one.name: one.uri_template for one in (await client.list_resource_templates()).resource_templates}
    assert templates["ticket"] == "alacena://reads/ticket{?id}", templates
    reads = json.loads((await client.read_resource(addresses[0])).contents[0].text)["reads"]
    assert TOOLS <= {read["name"] for read in reads} and all(read["ttlSeconds"] >= 0 for read in reads), reads

    value, _, _ = await call(client, "get_jobs", {"size": size})
    read = await client.read_resource(f"alacena://reads/get_jobs?size={size}")
    assert json.loads(read.contents[0].text) == value, "tool and resource differ"
    before = asked(server)
    again = await client.read_resource(f"alacena://reads/get_jobs?size={size}")
    assert again.contents == read.contents
    assert asked(server) - before == (0 if modern else 1), "a client of 2026-07-28 need not ask again"
    try:
        await client.read_resource("alacena://reads/get_jbos")
    except mcp.MCPError as error:
        assert "alacena://reads" in str(error), error
    else:
        raise AssertionError("there is no such resource")


async def check_mistakes(client):
    """A mistake of the caller is an answer of the tool that names the parameter."""
    for arguments, named in [({"size": "many"}, "size"), ({"size": 10**9}, "size"), ({"sise": 5}, "sise")]:
        result = await client.call_tool("get_jobs", arguments)
        text = "".join(block.text for block in result.content)
        assert result.is_error and named in text, f"{arguments}: {text}"


async def converse(server, name, target, mode, size):
    """One whole conversation over one transport, in one era of the protocol."""
    async with mcp.Client(target, mode=mode, read_timeout_seconds=30) as client:
        print(f"{name}, {mode}: protocol {client.protocol_version}")
        await check_tools(client)
        await check_first_and_second(server, client, size)
        await check_promises(client)
        await check_resources(server, client, size)
        await check_mistakes(client)


async def main(binary):
    with tempfile.TemporaryDirectory() as folder, Server(binary, cwd=folder) as server:
        stdio = mcp.StdioServerParameters(command=binary, args=["mcp", "--server", server.url], cwd=folder)
        # Each conversation asks for a page of its own, so that its first call is a first call.
        conversations = [(name, target, mode) for mode in ("auto", "legacy") for name, target in
                         (("HTTP", server.url + "/mcp"), ("stdio", stdio))]
        for size, (name, target, mode) in enumerate(conversations, start=11):
            await converse(server, name, target, mode, size)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    print("the MCP client is content")
