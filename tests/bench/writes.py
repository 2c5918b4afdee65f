"""Durable writes over gRPC."""

import sys

from harness import SERVICE, figure
from loads import SHAPES, GrpcLoad, InsertLoad, field, payload, switch
from programs import Confregd, Etcd, MongoDb


class Counted:
    """A load of writes, each of which must have moved the store's own counter by one."""

    def __init__(self, load, count):
        self.load, self.count = load, count
        self.title, self.program = load.title, load.program

    def run(self, calls):
        before = self.count()
        result = self.load.run(calls)
        made = self.count() - before
        if made != calls:
            sys.exit(f"{self.title}: {calls} calls, but {made:.0f} writes")
        return result


@figure("update-etcd", with_etcd=True)
def update_against_etcd(bench):
    """UpdateConfig against etcd's Put, 500 bytes, on one file system."""
    server = bench.start(Confregd(bench))
    etcd = bench.start(Etcd(bench))
    for name, shape in SHAPES.items():
        update = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                          field(1, "prod") + field(2, "written") + field(3, payload(500))
                          + switch(8), **shape)
        put = GrpcLoad(bench, "etcd Put", etcd, "/etcdserverpb.KV/Put",
                       field(1, "prod/written") + field(2, payload(500)), **shape)
        ratio, note = bench.compare(Counted(update, lambda: server.metric("confreg_revision")),
                                    Counted(put, etcd.revision), bench.scaled(10_000, 5_000))
        bench.row(f"durable UpdateConfig against etcd's Put, {name}", f"{ratio:.2f}",
                  "2.0, better 2.5", note)


def update_on(bench, kind):
    """UpdateConfig on a database against single inserts into it by the driver alone."""
    database = bench.start(MongoDb(bench, kind))
    server = bench.start(Confregd(bench, "--store", f"{database.uri}/bench"))
    update = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                      field(1, "prod") + field(2, "written") + field(3, payload(500)) + switch(8),
                      connections=1, streams=50)
    insert = InsertLoad(bench, "single inserts", database, 50, 500)
    ratio, note = bench.compare(Counted(update, lambda: server.metric("confreg_revision")), insert,
                                bench.scaled(4_000, 2_000))
    bench.row(f"UpdateConfig on {kind}, 50 in flight, against the driver's single inserts",
              f"{ratio:.2f}", "3", note)


@figure("update-secantus")
def update_on_secantus(bench):
    """UpdateConfig on SecantusDB, every commit on disk, against single inserts, 50 in flight."""
    update_on(bench, "secantus")


@figure("update-ferretdb")
def update_on_ferretdb(bench):
    """UpdateConfig on FerretDB against single inserts, 50 in flight."""
    update_on(bench, "ferretdb")
