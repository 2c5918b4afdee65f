"""Reads over gRPC."""

import statistics

from harness import SERVICE, figure
from loads import SHAPES, GrpcLoad, field, payload, switch
from programs import Confregd, CoreEmpty, Etcd, MongoDb, TlsConfregd, make_certificate

NAME = field(1, "prod") + field(2, "service-42")


def get_config(bench, server, **shape):
    return GrpcLoad(bench, "GetConfig", server, SERVICE + "GetConfig", NAME, least=500, **shape)


@figure("get-empty")
def get_against_empty(bench):
    """GetConfig (500-byte payload, 100 configs) against an empty method of the same server."""
    server = bench.start(Confregd(bench))
    server.fill(100)
    empty = GrpcLoad(bench, "Health/Check", server, "/grpc.health.v1.Health/Check", b"")
    ratio, note = bench.compare(get_config(bench, server), empty, bench.scaled(60_000, 30_000))
    bench.row("GetConfig against an empty unary method of the same server", f"{ratio:.2f}", "0.90",
              note)


@figure("get-tls")
def get_over_tls(bench):
    """GetConfig over TLS against the core's own TLS with an empty method."""
    pair = make_certificate(bench)
    server = bench.start(TlsConfregd(bench, *pair))
    server.fill(100)
    core = bench.start(CoreEmpty(bench, *pair))
    empty = GrpcLoad(bench, "the core's empty method", core, "/grpc.health.v1.Health/Check", b"")
    ratio, note = bench.compare(get_config(bench, server), empty, bench.scaled(60_000, 30_000))
    bench.row("GetConfig over TLS against an empty method over the core's own TLS",
              f"{ratio:.2f}", "0.90", note)


@figure("get-mongodb")
def get_on_mongodb(bench):
    """GetConfig of a server whose log is on SecantusDB against one whose log is in SQLite."""
    database = bench.start(MongoDb(bench, "secantus"))
    stores = {"on SecantusDB": ["--store", f"{database.uri}/bench"], "on SQLite": []}
    loads = []
    for where, options in stores.items():
        server = bench.start(Confregd(bench, *options))
        server.fill(100)
        loads.append(get_config(bench, server))
        loads[-1].title += f" {where}"
    ratio, note = bench.compare(*loads, bench.scaled(60_000, 30_000))
    bench.row("GetConfig on SecantusDB against GetConfig on SQLite", f"{ratio:.2f}", "0.95", note)


@figure("get-etcd", with_etcd=True)
def get_against_etcd(bench):
    """GetConfig against etcd's serializable Range of one key, 500 bytes, 100 keys: rates, and the
    99th percentile of the times."""
    server = bench.start(Confregd(bench))
    server.fill(100)
    etcd = bench.start(Etcd(bench))
    for i in range(100):
        put = field(1, f"prod/service-{i}") + field(2, payload(500))
        GrpcLoad(bench, "Put", etcd, "/etcdserverpb.KV/Put", put, 1, 1).run(1)
    for name, shape in SHAPES.items():
        get = get_config(bench, server, **shape)
        read = GrpcLoad(bench, "etcd Range", etcd, "/etcdserverpb.KV/Range",
                        field(1, "prod/service-42") + switch(7), least=500, **shape)
        ratio, note = bench.compare(get, read, bench.scaled(40_000, 20_000))
        bench.row(f"GetConfig against etcd's serializable Range, {name}", f"{ratio:.2f}", "2.5",
                  note)
        p99, etcd_p99 = (statistics.median(load.p99s) for load in (get, read))
        bench.row(f"GetConfig, p99, {name}", f"{p99:.2f} ms", "etcd's", f"etcd {etcd_p99:.2f} ms")
