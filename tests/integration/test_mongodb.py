"""A database server that goes away, comes back, hangs or refuses; two servers on one database.

Starts database servers of its own, whatever the rest of the run uses."""

import contextlib
import hashlib
import struct
import subprocess
import time

import grpc
import pymongo
import pytest
import history
import mongodb
from calls import Registry, create_change, update_change
from certificates import Authority
from daemon import BUILD, Confregd, until
from errors import Refusal, refused
from proxy import Proxy
from stubs import api_pb
from tape import TAPE
from watching import Watch

pytestmark = pytest.mark.own_store

# Where nothing may answer; and where the database has to answer first, on a busy machine, too.
QUICK = "serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=1500"
HASTY = "serverSelectionTimeoutMS=3000&connectTimeoutMS=3000&socketTimeoutMS=3000"


@pytest.fixture(params=["secantus", "ferretdb"])
def database(request, tmp_path):
    """A database server that the test may do to as it likes."""
    server = mongodb.Server(request.param, tmp_path / "database",
                            extra=mongodb.DURABLE[request.param]).start()
    yield server
    server.stop()


@pytest.fixture
def server(launch, database):
    """A server whose database may take its time."""
    server = launch(Confregd, store=mongodb.database(database.address, "registry")).start()
    yield server
    server.end()


@pytest.fixture
def hasty(launch, database):
    """A server that soon gives up on its database."""
    server = launch(Confregd, store=f"{database.address}/registry?{HASTY}").start()
    yield server
    server.end()


def connect(address):
    """A client of the test's own, which waits for a slow database whatever the address says."""
    return pymongo.MongoClient(address, serverSelectionTimeoutMS=60000, connectTimeoutMS=60000,
                               socketTimeoutMS=120000)


def try_update(registry, **fields):
    """The answer, or the Refusal."""
    try:
        return registry.update("billing", '{"a":2}', **fields)
    except grpc.RpcError as error:
        return Refusal(error)


def expect_trouble(registry, **fields):
    begun = time.monotonic()
    refusal = try_update(registry, **fields)
    assert isinstance(refusal, Refusal) and refusal.code == "UNAVAILABLE", refusal
    assert refusal.reason in ("STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"), refusal
    assert time.monotonic() - begun < 15
    return refusal


def until_written(registry, **fields):
    def written():
        answer = try_update(registry, **fields)
        return None if isinstance(answer, Refusal) else answer

    return until(written, "writes go well again")


def check_history(server):
    recorder = history.Recorder(server)
    recorder.start()
    history.check(server, recorder)
    history.check_memory_against_store(server)
    recorder.stop()


# ---- The database server goes away ----

def test_the_database_dies_and_comes_back(hasty, database):
    registry = Registry(hasty.stub)
    registry.create("billing", '{"a":0}')
    registry.update("billing", '{"a":1}')
    database.kill()
    expect_trouble(registry)
    assert registry.data("billing") == b'{"a":1}', "reads go on from memory"
    status = registry.status()
    assert not status.writable and status.not_writable_reason
    with refused("UNAVAILABLE", "STORE_UNAVAILABLE"):
        registry.get("billing", version=1)
    database.start()
    until_written(registry)
    assert registry.get("billing", version=1).config.config_data == b'{"a":0}'
    assert registry.status().writable
    check_history(hasty)


def test_the_database_hangs_and_goes_on(hasty, database):
    """The write that met it may have happened: repeated with its request_id, it has, once."""
    registry = Registry(hasty.stub)
    registry.create("billing", '{"a":1}')
    database.freeze()
    expect_trouble(registry, request_id="once")
    assert registry.data("billing") == b'{"a":1}'
    database.thaw()
    written = until_written(registry, request_id="once")
    assert written.config.version == 2
    assert registry.version_numbers("billing") == [2, 1]
    check_history(hasty)


def test_a_server_stops_well_without_its_database(hasty, database):
    Registry(hasty.stub).create("billing")
    database.kill()
    hasty.stop()
    database.start()
    hasty.start()
    assert Registry(hasty.stub).get("billing").config.version == 1


def test_a_server_does_not_start_without_its_database(launch):
    port = mongodb.free_port()
    address = f"mongodb://user:s3cret@127.0.0.1:{port}/registry?{QUICK}"
    code, said = launch(Confregd, store=address).fails_to_start()
    assert code == 1
    assert "cannot_start" in said and "STORE_UNAVAILABLE" in said and str(port) in said
    assert "s3cret" not in said


# ---- Two on one database ----

def test_two_servers_share_a_database(launch, server):
    other = launch(Confregd, store=server.store).start()
    here, there = Registry(server.stub), Registry(other.stub)
    created = here.create("billing", '{"n":0}')
    assert there.status().header.epoch == created.header.epoch
    read = api_pb.ReadOptions(consistency=api_pb.CONSISTENCY_LINEARIZABLE)
    for n in range(1, 11):
        writer, reader = (here, there) if n % 2 else (there, here)
        writer.update("billing", f'{{"n":{n}}}')
        assert reader.get("billing", read=read).config.config_data == f'{{"n":{n}}}'.encode()
    assert here.version_numbers("billing") == list(range(11, 0, -1))
    for one in (server, other):
        check_history(one)
    server.kill()
    assert Registry(other.stub).update("billing", '{"n":11}').config.version == 12
    server.start()
    assert Registry(server.stub).data("billing") == b'{"n":11}'
    other.end()


@pytest.mark.parametrize("database", ["secantus"], indirect=True)
def test_pages_are_short_where_the_store_is_slow(launch, database):
    """Each read takes 0.4 s: all that a page may have would take longer than the call may."""
    way = Proxy(database.port)
    store = mongodb.database(f"mongodb://127.0.0.1:{way.port}", "registry")
    server = launch(Confregd, store=store).start()
    registry = Registry(server.stub)
    names = [f"s{number:02}" for number in range(50)]
    before = registry.commit([create_change(name, '{"n":1}') for name in names]).header.revision
    first = registry.list(page_size=1)
    registry.commit([update_change(name, '{"n":2}') for name in names])
    calls = [
        ("ListCommits", api_pb.ListCommitsRequest(view=api_pb.COMMIT_VIEW_DIFF), "commits"),
        ("DiffConfigs", api_pb.DiffConfigsRequest(environment="prod", old_revision=before), "diffs"),
        ("ListConfigs", api_pb.ListConfigsRequest(page_token=first.next_page_token), "configs"),
    ]
    way.delay(0.2, 0)
    running = [getattr(server.stub, call).future(request, timeout=15) for call, request, _ in calls]
    pages = [call.result() for call in running]
    way.release()
    for (call, _, items), page in zip(calls, pages):
        assert page.next_page_token and getattr(page, items), call
    commit = pages[0].commits[0]
    assert commit.more and 0 < len(commit.changes) < len(names)
    server.kill()


def test_heads_that_are_saved_late_do_not_replace_newer_ones(launch, database):
    """One node's copy of the heads is held up on its way until the other one has saved newer ones."""
    way = Proxy(database.port)
    store = mongodb.database(f"mongodb://127.0.0.1:{way.port}", "registry")
    slow = launch(Confregd, store=store).start()
    held = way.hold_from(b"confreg_heads")
    Registry(slow.stub).create("billing", '{"n":1}')
    assert held.wait(60), "heads are saved when nothing comes for a while"
    quick = launch(Confregd, store=mongodb.database(database.address, "registry")).start()
    Registry(quick.stub).update("billing", '{"n":2}')
    with connect(database.address) as client:
        heads = client.registry.confreg_heads_3
        until(lambda: [h["row_revision"] for h in heads.find()] == [2], "the newer one is saved")
        way.release()
        Registry(slow.stub).create("next")  # the node is through with what it saved
        assert heads.find_one({"_id": "prod/billing"})["row_revision"] == 2
    for node in (quick, slow):
        node.kill()
        node.start()
        assert Registry(node.stub).data("billing") == b'{"n":2}'
    check_history(quick)
    for node in (quick, slow):
        node.end()
    way.close()


# ---- Indexes ----

def test_no_two_commits_have_one_request_id(server, database):
    """A unique partial index says so; where the server has none, another one finds them at least."""
    Registry(server.stub).create("billing", request_id="once")
    with connect(server.store) as client:
        commits = client.get_default_database()["confreg_commits"]
        index = commits.index_information()["requests"]
        assert index["key"] == [("request", 1)]
        if database.kind == "ferretdb":
            assert "unique" not in index
            return
        assert index["unique"] and index["partialFilterExpression"] == {"request": {"$exists": True}}
        request = commits.find_one({"request": {"$exists": True}})["request"]
        with pytest.raises(pymongo.errors.DuplicateKeyError):
            commits.insert_one({"_id": 1000, "request": request})
        commits.insert_many([{"_id": 1001}, {"_id": 1002}])
        commits.delete_many({"_id": {"$gt": 1000}})


# ---- Backup and restore ----

def dump(address):
    """What a backup of the database holds: the documents of each collection, and its indexes."""
    with connect(address) as client:
        database = client.get_default_database()
        return {name: (list(database[name].find()), database[name].index_information())
                for name in database.list_collection_names()}


def restore(address, dumped):
    with connect(address) as client:
        database = client.get_default_database()
        for name in database.list_collection_names():
            database.drop_collection(name)
        for name, (documents, indexes) in dumped.items():
            if documents:
                database[name].insert_many(documents)
            for index, details in indexes.items():
                if index != "_id_":
                    database[name].create_index(details["key"], name=index,
                                                sparse=details.get("sparse", False))


@pytest.mark.parametrize("kept_of_it", ["all", "the log"])
def test_a_restored_database_with_a_new_epoch_voids_every_position(server, kept_of_it):
    """Heads and marks are made again from the log where a backup has none, or none that fit."""
    registry = Registry(server.stub)
    registry.create("billing", '{"a":1}')
    dumped = dump(server.store)
    if kept_of_it == "the log":
        dumped = {name: dumped[name] for name in ("confreg_commits", "confreg_meta")}
    kept = registry.get("billing").header  # of a moment that the backup holds
    registry.update("billing", '{"lost":1}')
    server.stop()
    restore(server.store, dumped)
    subprocess.run([BUILD / "confregd", "--store", server.store, "--new-epoch"], check=True,
                   capture_output=True, timeout=60)
    server.start()
    registry = Registry(server.stub)
    header = registry.get("billing").header
    assert header.revision == kept.revision == 1 and header.epoch != kept.epoch
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        Watch(server.stub, resume_after=kept).next()
    assert registry.update("billing", '{"b":1}').config.version == 2
    assert registry.version_numbers("billing") == [2, 1]
    assert registry.data("billing", version=1) == b'{"a":1}'
    check_history(server)


def other_end(launch, database, dumped):
    """What the database would hold if other things had been written behind a backup of it."""
    store = mongodb.database(database.address, "other")
    restore(store, dumped)
    node = launch(Confregd, store=store).start()
    Registry(node.stub).update("billing", '{"kept":1}')
    node.stop()
    return dump(store)


def put(collection, document):
    """Again where the nodes put one there at the same time: an upsert does not do that by itself."""
    while True:
        with contextlib.suppress(pymongo.errors.DuplicateKeyError):
            collection.replace_one({"_id": document["_id"]}, document, upsert=True)
            return


def put_over(address, dumped):
    with connect(address) as client:
        for name, (documents, _) in dumped.items():
            for document in documents:
                put(client.get_default_database()[name], document)


def test_a_log_whose_end_is_rewritten_under_its_nodes(launch, server, database):
    """They find out by themselves, give nothing of what was, and start anew."""
    nodes = [server, launch(Confregd, store=server.store).start()]
    first, second = (Registry(node.stub) for node in nodes)
    first.create("billing", '{"a":1}')
    replacement = other_end(launch, database, dump(server.store))
    lost = first.update("billing", '{"lost":1}').header
    until(lambda: second.revision() == lost.revision, "both nodes have it")
    put_over(server.store, replacement)

    def starts_anew(node):
        with contextlib.suppress(grpc.RpcError):
            return Registry(node.stub).data("billing") == b'{"kept":1}'

    for node in nodes:
        until(lambda node=node: starts_anew(node), "it gives what is there now")
    TAPE.take(lost.epoch)  # what was answered before is of a log that has not been
    for node in nodes:
        assert "event=log_changed" in node.log.read_text()
        with refused("FAILED_PRECONDITION"):
            Watch(node.stub, resume_after=lost).next()
    assert first.update("billing", '{"b":1}').config.version == 3
    assert second.update("billing", '{"b":2}').config.version == 4
    until(lambda: first.revision() == second.revision(), "both nodes have it")
    for node in nodes:
        check_history(node)
    nodes[1].end()


def test_a_database_that_is_dropped_under_its_node_is_not_made_anew(server):
    """The node ends: it must not replace the store that was there by an empty one."""
    Registry(server.stub).create("billing")
    with connect(server.store) as client:
        client.drop_database(client.get_default_database().name)
    assert server.process.wait(60) == 1
    said = server.log.read_text()
    assert "event=log_changed" in said and "STORE_MISSING" in said.splitlines()[-1]
    assert said.count("event=new_registry") == 1


def test_no_write_succeeds_after_its_database_was_dropped(server):
    """An insert makes the collection again, so that nothing else tells; not even the writes that were
    under way may hide it."""
    Registry(server.stub).create("billing")
    calls = []

    def write(n):
        calls.append(server.stub.UpdateConfig.future(api_pb.UpdateConfigRequest(
            environment="prod", service_name=f"c-{n}", config_data=b"{}", allow_missing=True),
            timeout=60))

    for n in range(20):
        write(n)
    with connect(server.store) as client:
        client.drop_database(client.get_default_database().name)
    for n in range(20):
        write(20 + n)
    assert all(call.exception() is not None for call in calls[20:])
    assert server.process.wait(60) == 1
    said = server.log.read_text()
    assert "event=log_changed" in said and "STORE_MISSING" in said.splitlines()[-1]


# ---- A log with a hole ----

@contextlib.contextmanager
def removed(address, revisions):
    """These commits are not there meanwhile."""
    with connect(address) as client:
        commits = client.get_default_database().confreg_commits
        chosen = {"_id": {"$in": list(revisions)}}
        kept = list(commits.find(chosen))
        assert len(kept) == len(revisions)
        commits.delete_many(chosen)
        yield
        commits.insert_many(kept)


def heads_mark(address):
    with connect(address) as client:
        return client.get_default_database().confreg_marks.find_one({"_id": HEADS})["value"]


@pytest.mark.parametrize("database", ["secantus"], indirect=True)
def test_a_hole_in_the_log_is_never_taken_for_its_end(launch, server):
    """Wherever the hole is behind the heads, and wherever in the parts in which the log is read."""
    registry = Registry(server.stub)
    registry.create("billing", '{"a":0}')
    server.stop()
    mark = heads_mark(server.store)
    server.start()
    newest = Registry(server.stub).update("billing", '{"a":1}').header.revision
    while newest < mark + 130:
        newest = Registry(server.stub).update("billing", f'{{"a":{newest}}}').header.revision
    server.kill()
    assert heads_mark(server.store) == mark
    for first, last in ((1, 1), (2, 2), (31, 31), (32, 32), (33, 33), (96, 96), (97, 97),
                        (20, 80), (20, 129), (1, 129)):
        with removed(server.store, range(mark + first, mark + last + 1)):
            code, said = server.fails_to_start()
            assert code == 1 and "LOG_DAMAGED" in said, said
    server.start()
    registry = Registry(server.stub)
    assert registry.update("billing", '{"b":1}').header.revision == newest + 1
    check_history(server)


@pytest.mark.parametrize("database", ["secantus"], indirect=True)
def test_a_node_that_meets_a_hole_takes_no_write(launch, server):
    writer = launch(Confregd, store=server.store).start()
    registry = Registry(server.stub)
    base = registry.create("billing", '{"a":0}').header.revision
    until(lambda: Registry(writer.stub).revision() == base, "both nodes have it")
    server.freeze()
    for n in range(40):
        Registry(writer.stub).update("billing", f'{{"a":{n}}}')
    with removed(server.store, [base + 1]):
        server.thaw()
        until(lambda: "event=log_damaged" in server.log.read_text(), "it looks at the log")
        for _ in range(3):
            with refused("DATA_LOSS", "LOG_DAMAGED"):
                registry.update("billing", '{"lost":1}')
        assert not registry.status().writable
    assert until_written(registry).config.version == 42
    assert registry.version_numbers("billing") == list(range(42, 0, -1))
    check_history(server)
    writer.end()


# ---- Rows that steer what is served ----

HEADS = 7  # the mark's number


@pytest.mark.parametrize("database", ["secantus"], indirect=True)
def test_damaged_rows_of_the_database_are_told(server):
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    registry.update("billing", '{"n":2}')
    server.stop()
    with connect(server.store) as client:
        database = client.get_default_database()
        damages = [(database[name], key, field, value) for name, key, field, value in (
            ("confreg_marks", HEADS, "value", 1), ("confreg_marks", 3, "value", 1),
            ("confreg_heads_3", "prod/billing", "last_version", 1),
            ("confreg_heads_3", "prod/billing", "row_revision", 1),
            ("confreg_meta", "identity", "secret", bytes(32)))]
        for collection, key, field, value in damages:
            right = collection.find_one({"_id": key})
            assert right[field] != value
            collection.update_one({"_id": key}, {"$set": {field: value}})
            code, said = server.fails_to_start()
            assert code == 1 and "STORE_DAMAGED" in said, (key, field, said)
            collection.replace_one({"_id": key}, right)
        database.confreg_marks.delete_one({"_id": 3})
        code, said = server.fails_to_start()
        assert code == 1 and "is missing" in said, said
        database.confreg_marks.drop()
        database.confreg_heads_3.drop()
    server.start()
    assert Registry(server.stub).update("billing", '{"n":3}').config.version == 3
    check_history(server)


def make_format_2(database):
    """What a build wrote whose tombstones had no history: its heads and their mark, 0, stay."""
    identity = database.confreg_meta.find_one()
    seal = hashlib.sha256(b"identity\0" + struct.pack("<Q", 2) + identity["epoch"] +
                          identity["secret"])
    database.confreg_heads.insert_many(list(database.confreg_heads_3.find()))
    database.confreg_heads_3.drop()
    mark = database.confreg_marks.find_one_and_delete({"_id": HEADS})
    database.confreg_marks.insert_one(mark | {"_id": 0})
    database.confreg_meta.update_one({}, {"$set": {"format": 2, "seal": seal.digest()}})
    return mark["value"]


def test_a_database_of_format_2_is_made_one_of_this(server):
    """The nodes of the build before may go on: what they wrote is left alone."""
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    registry.create("gone")
    registry.delete("gone")
    server.stop()
    with connect(server.store) as client:
        database = client.get_default_database()
        mark = make_format_2(database)
        heads = list(database.confreg_heads.find().sort("_id"))
        server.start()
        assert database.confreg_meta.find_one()["format"] == 3
        registry = Registry(server.stub)
        assert registry.data("billing") == b'{"n":1}'
        assert registry.update("billing", '{"n":2}').config.version == 2
        server.stop()
        assert list(database.confreg_heads.find().sort("_id")) == heads
        assert database.confreg_marks.find_one({"_id": 0})["value"] == mark
        assert database.confreg_heads_3.count_documents({}) == 2
        server.start()
        assert Registry(server.stub).data("billing") == b'{"n":2}'
    check_history(server)


@pytest.mark.parametrize("database", ["secantus"], indirect=True)
def test_a_database_of_format_1_is_refused_until_it_is_prepared(server):
    Registry(server.stub).create("billing", '{"n":1}')
    server.stop()
    with connect(server.store) as client:
        database = client.get_default_database()
        database.confreg_meta.update_one({}, {"$set": {"format": 1}, "$unset": {"seal": 1}})
        code, said = server.fails_to_start()
        assert code == 1 and "STORE_FORMAT_OLDER" in said and "drop confreg_heads" in said, said
        database.confreg_marks.drop()
        server.start()
        assert database.confreg_meta.find_one()["format"] == 3
    assert Registry(server.stub).update("billing", '{"n":2}').config.version == 2
    check_history(server)


# ---- Who may use it, and over what ----

@pytest.fixture
def guarded(tmp_path):
    """A database server that wants credentials: writer/s3cret has them for `registry`."""
    open_one = mongodb.Server("secantus", tmp_path / "guarded").start()
    with connect(open_one.address) as client:
        client.admin.command("createUser", "writer", pwd="s3cret",
                             roles=[{"role": "readWrite", "db": "registry"}])
    open_one.stop()
    open_one.extra = ["--auth"]
    yield open_one.start()
    open_one.stop()


def with_credentials(server, credentials):
    address = server.address.replace("//", f"//{credentials}@")
    return f"{address}/registry?authSource=admin&{mongodb.PATIENT}"


def test_credentials_are_needed(launch, guarded):
    for address in (mongodb.database(guarded.address, "registry"),
                    with_credentials(guarded, "writer:wr0ng")):
        code, said = launch(Confregd, store=address).fails_to_start()
        assert code == 1 and "STORE_DENIED" in said, said
        assert "wr0ng" not in said
    server = launch(Confregd, store=with_credentials(guarded, "writer:s3cret")).start()
    Registry(server.stub).create("billing")
    assert "s3cret" not in server.log.read_text() and "127.0.0.1" in server.log.read_text()
    server.stop()


def test_credentials_from_secret_files(launch, guarded, tmp_path):
    (tmp_path / "document_database_user").write_text("writer\n")
    (tmp_path / "document_database_password").write_text("s3cret\n")
    server = launch(Confregd, store=f"{guarded.address}/registry?authSource=admin&{mongodb.PATIENT}",
                    extra=["--secrets-dir", str(tmp_path)]).start()
    Registry(server.stub).create("billing")
    assert "s3cret" not in server.log.read_text()
    server.stop()
    (tmp_path / "document_database_password").write_text("wr0ng\n")
    code, said = server.fails_to_start()
    assert code == 1 and "STORE_DENIED" in said and "wr0ng" not in said


def make_certificate(folder, name):
    """A certificate that vouches for itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


def test_tls_checks_who_answers(launch, tmp_path):
    certificate, key = make_certificate(tmp_path, "server")
    other, _ = make_certificate(tmp_path, "other")
    database = mongodb.Server("secantus", tmp_path / "database", extra=[
        "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]).start()
    try:
        address = f"{database.address}/registry?tls=true&tlsCAFile="
        code, said = launch(Confregd, store=f"{address}{other}&{QUICK}").fails_to_start()
        assert code == 1 and "STORE_UNAVAILABLE" in said, said
        server = launch(Confregd, store=f"{address}{certificate}&{mongodb.PATIENT}").start()
        assert Registry(server.stub).create("billing").config.version == 1
        server.stop()
    finally:
        database.stop()


# What a server is told of its certificate, its key and the authority of its clients.
MUTUAL_TLS = {
    "secantus": lambda cert, key, ca: ["--tls-cert-file", cert, "--tls-key-file", key,
                                       "--tls-ca-file", ca, "--tls-require-client-cert"],
    "ferretdb": lambda cert, key, ca: [cert, key, ca],
}


@pytest.mark.parametrize("kind", MUTUAL_TLS)
def test_tls_with_a_client_certificate(launch, tmp_path, kind):
    """The database knows confregd by its certificate, and lets nobody else in."""
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    pair = authority.server()
    database = mongodb.Server(kind, tmp_path / "database", extra=MUTUAL_TLS[kind](
        str(pair.cert), str(pair.key), str(authority.ca))).start()

    def address(client, patience):
        own = ""
        if client:
            both = client.cert.with_suffix(".both")  # as MongoDB's drivers want it
            both.write_bytes(client.cert.read_bytes() + client.key.read_bytes())
            own = f"&tlsCertificateKeyFile={both}"
        return f"{database.address}/registry?{patience}&tls=true&tlsCAFile={authority.ca}{own}"

    try:
        for client in (None, stranger.client()):
            code, said = launch(Confregd, store=address(client, QUICK)).fails_to_start()
            assert code == 1 and "STORE_UNAVAILABLE" in said, said
        server = launch(Confregd, store=address(authority.client(), mongodb.PATIENT)).start()
        assert Registry(server.stub).create("billing").config.version == 1
        server.stop()
    finally:
        database.stop()
