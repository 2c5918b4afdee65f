"""Reads and writes through the gateway."""

import base64
import json
import resource

from harness import figure
from loads import HttpLoad, payload
from programs import Confregd, Etcd, Gateway, Nginx
from watches import memory_of_each

PATH = "/api/configs/service-42?environment=prod"


def start_gateway(bench, tls=False):
    server = bench.start(Confregd(bench))
    server.fill(100)
    return bench.start(Gateway(bench, server, tls))


@figure("gateway-get")
def get_against_nginx(bench):
    """GET through the gateway against nginx that serves a file of that size."""
    gateway, nginx = start_gateway(bench), bench.start(Nginx(bench))
    for connections in (50, 256):
        ratio, note = bench.compare(HttpLoad(bench, "gateway", gateway, PATH, connections),
                                    HttpLoad(bench, "nginx", nginx, "/", connections),
                                    bench.scaled(2, 1))
        bench.row(f"GET through the gateway against nginx with a static file, {connections} "
                  "connections", f"{ratio:.2f}", "0.9", note)


@figure("gateway-get-tls")
def get_against_nginx_over_tls(bench):
    """The same over TLS, and with a new connection and a full handshake for each GET."""
    gateway, nginx = start_gateway(bench, tls=True), bench.start(Nginx(bench, tls=True))
    for title, is_kept, aim in (("50 connections", True, "0.9"),
                                ("a full handshake each", False, "0.7")):
        loads = [HttpLoad(bench, name, program, path, 50, is_kept=is_kept) for name, program, path
                 in (("gateway", gateway, PATH), ("nginx", nginx, "/"))]
        ratio, note = bench.compare(*loads, bench.scaled(2, 1))
        bench.row(f"GET through the gateway over TLS against nginx, {title}", f"{ratio:.2f}", aim,
                  note)


@figure("gateway-put", with_etcd=True)
def put_against_etcd(bench):
    """PUT through the gateway against etcd's JSON gateway, 500 bytes, 50 connections."""
    gateway, etcd = start_gateway(bench), bench.start(Etcd(bench))
    put = {name: base64.b64encode(text.encode()).decode()
           for name, text in (("key", "prod/service-42"), ("value", payload(500)))}
    loads = [HttpLoad(bench, "gateway", gateway, PATH, 50, "PUT",
                      '{"config_data":%s}' % payload(500)),
             HttpLoad(bench, "etcd", etcd, "/v3/kv/put", 50, "POST", json.dumps(put))]
    before = gateway.server.metric("confreg_revision"), etcd.revision()
    ratio, note = bench.compare(*loads, bench.scaled(2, 1))
    made = gateway.server.metric("confreg_revision") - before[0], etcd.revision() - before[1]
    for load, count in zip(loads, made):
        assert count >= load.calls, f"{load.title}: {load.calls} answers, but {count} writes"
    bench.row("PUT through the gateway against etcd's JSON gateway", f"{ratio:.2f}", "3.0", note)


@figure("event-stream-memory")
def event_stream_memory(bench):
    """What the gateway's memory grows by with each idle stream of server-sent events."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    count = bench.scaled(4_000, 1_000)
    gateway = start_gateway(bench)
    command = ["h2load", "--h1", "-n", count, "-c", count, "-t", 1,
               f"http://{gateway.http}/api/watch"]
    each = memory_of_each(gateway, "confreg_gateway_event_streams", count, command)
    bench.row(f"memory an idle stream of server-sent events ({count:,} streams)",
              f"{each / 1024:.1f} KiB", "under 8 KiB")
