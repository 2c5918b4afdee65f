"""Durable writes over gRPC."""

import sys

from harness import SERVICE, figure
from loads import GrpcLoad, field, payload, switch
from programs import Confregd, Etcd


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


@figure("update-etcd")
def update_against_etcd(bench):
    """UpdateConfig against etcd's Put, 500 bytes, 1 connection x 50 streams, on one file system."""
    server = bench.start(Confregd(bench))
    etcd = bench.start(Etcd(bench))
    shape = {"connections": 1, "streams": 50}
    update = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                      field(1, "prod") + field(2, "written") + field(3, payload(500)) + switch(8),
                      **shape)
    put = GrpcLoad(bench, "etcd Put", etcd, "/etcdserverpb.KV/Put",
                   field(1, "prod/written") + field(2, payload(500)), **shape)
    ratio, note = bench.compare(Counted(update, lambda: server.metric("confreg_revision")),
                                Counted(put, etcd.revision), bench.scaled(10_000, 5_000))
    bench.row("durable UpdateConfig against etcd's Put, 1 connection x 50 streams", f"{ratio:.2f}",
              "1.5, better 2.5", note)
