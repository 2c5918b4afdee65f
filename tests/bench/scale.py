"""Very many configs, and very many versions."""

from harness import SERVICE, figure
from loads import GrpcLoad, ManyGrpcLoad, field, number, payload, switch
from programs import Confregd


def reads(bench, title, server, configs):
    messages = (field(1, "prod") + field(2, f"service-{i}") for i in range(configs))
    return ManyGrpcLoad(bench, title, server, SERVICE + "GetConfig", messages)


@figure("million-configs")
def million_configs(bench):
    """GetConfig at 1 million configs against 100, the memory that they take, and the start."""
    count = bench.scaled(1_000_000, 100_000)
    small, big = bench.start(Confregd(bench)), bench.start(Confregd(bench))
    small.fill(100)
    big.fill(count)
    each = (big.resident_bytes - small.resident_bytes) / count
    ratio, note = bench.compare(reads(bench, f"{count:,} configs", big, count),
                                reads(bench, "100 configs", small, 100),
                                bench.scaled(60_000, 30_000))
    bench.row(f"GetConfig of random configs at {count:,} against 100", f"{ratio:.2f}", "0.8", note)
    bench.row(f"memory a config of 500 bytes at {count:,}, ring and all", f"{each:,.0f} bytes",
              "under 1,200 bytes")
    big.stop()
    seconds = sorted(restart(big) for _ in range(3))[1]
    bench.row(f"start with {count:,} configs", f"{seconds:.1f} s", "under 5 s",
              f"then {(big.resident_bytes - small.resident_bytes) / count:,.0f} bytes a config")


def restart(program):
    if program in program.bench.running:
        program.stop()
    return program.start()


@figure("million-versions")
def million_versions(bench):
    """Reads after 1 million versions of 100 configs against a fresh server."""
    versions = bench.scaled(10_000, 1_000)
    fresh, old = bench.start(Confregd(bench)), bench.start(Confregd(bench))
    fresh.fill(100)
    old.fill(100, versions=versions)
    ratio, note = bench.compare(reads(bench, "old", old, 100), reads(bench, "fresh", fresh, 100),
                                bench.scaled(60_000, 30_000))
    bench.row(f"reads after {versions * 100:,} versions of 100 configs against fresh",
              f"{ratio:.2f}", "0.95", note)


def write_of(service):
    """A Write of WriteConfigs: an update that creates the config if it is not there."""
    return field(1, field(2, field(1, "prod") + field(2, service) + field(3, payload(500))
                          + switch(8)))


@figure("change-log")
def change_log(bench):
    """ListCommits: the 1,000 newest commits of one service among 1 million commits of 100."""
    calls = bench.scaled(10_000, 1_000)
    server = bench.start(Confregd(bench))
    message = b"".join(write_of(f"service-{i}") for i in range(100))
    GrpcLoad(bench, "WriteConfigs", server, SERVICE + "WriteConfigs", message, 1, 8).run(calls)
    for title, fields in (("of one service", field(2, "service-7")), ("of all services", b"")):
        load = GrpcLoad(bench, "ListCommits", server, SERVICE + "ListCommits",
                        fields + number(15, 1_000), 1, 1, least=50_000)
        times = sorted(seconds / n * 1e3 for n, seconds in (load.run(20) for _ in range(bench.rounds)))
        bench.row(f"the 1,000 newest commits {title} of {calls * 100:,}",
                  f"{times[len(times) // 2]:.1f} ms", "under 50 ms")
