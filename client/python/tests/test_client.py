"""Client and AsyncClient: every call of the API."""

import asyncio
import datetime
import json
import os
import subprocess
import threading
from decimal import Decimal

import pytest
from conftest import BUILD, Server, free_port, until

import confreg

NOW = datetime.timezone.utc


def test_the_life_of_a_config(client, name):
    created = client.create(name, {"pool": 10}, "prod", author="ada", comment="first")
    assert (created.config.version, created.config.kind) == (1, "create")
    assert (created.config.created_by, created.config.comment) == ("ada", "first")
    assert client.patch(name, {"tls": True}, "prod").config.data == {"pool": 10, "tls": True}
    assert client.update(name, {"pool": 30}, "prod").config.version == 3
    assert client.rollback(name, "prod").config.data == {"pool": 10, "tls": True}
    assert client.get(name, "prod").source_version == 2
    assert client.get(name, "prod", version=1).data == {"pool": 10}
    assert [v.version for v in client.versions(name, "prod", page_size=3)] == [4, 3, 2, 1]
    diff = client.diff(name, "prod", old_version=1, new_version=4)
    assert (diff.added, diff.removed, diff.changed) == ({"tls": True}, {}, {})
    assert diff.json_patch == [{"op": "add", "path": "/tls", "value": True}]
    assert client.delete(name, "prod", comment="by accident").deleted_count == 4
    with pytest.raises(confreg.NotFoundError) as missing:
        client.get(name, "prod")
    assert missing.value.reason == "CONFIG_NOT_FOUND"
    deleted, = client.configs("prod", name, deleted=True)
    assert (deleted.deleted, deleted.data, deleted.comment) == (True, None, "by accident")
    assert client.undelete(name, "prod").config.version == 5
    commits = list(client.commits("prod", name, view="diff", oldest_first=True))
    assert [c.changes[0].kind for c in commits] == [
        "create", "update", "update", "rollback", "delete", "undelete"]
    assert commits[1].changes[0].diff.added == {"tls": True}
    since = commits[-1].time
    assert [c.revision for c in client.commits("prod", name, since=since, kinds=["undelete"])] == [
        commits[-1].revision]


def test_a_write_on_condition(client, name):
    first = client.create(name, {"n": 1})
    client.update(name, {"n": 2}, expected_version=1)
    for condition in ({"expected_version": 1}, {"expected_revision": first.config.mod_revision}):
        with pytest.raises(confreg.ConflictError) as conflict:
            client.update(name, {"n": 3}, **condition)
        assert conflict.value.details["current_version"] == "2"
    with pytest.raises(confreg.AlreadyExistsError):
        client.create(name, {})


def test_a_repeat_of_a_write_changes_nothing(client, name):
    write = confreg.Create(name, data={"n": 1})
    first = client.write(write)
    assert client.write(write) == first
    assert len(list(client.versions(name))) == 1


def test_looking_before_writing(client, name):
    client.create(name, {"n": 1})
    answer = client.update(name, {"n": 2}, validate_only=True)
    assert answer.diff.changed == {"n": (1, 2)}
    assert client.get(name).data == {"n": 1}


def test_several_writes(client, name):
    made = client.commit([confreg.Create(name, "dev", data={"n": 1}),
                          confreg.Create(name, "prod", data={"n": 1})], comment="both")
    assert (made.commit.change_count, made.commit.comment) == (2, "both")
    assert client.get(name, "dev", after=made.position).revision == made.position.revision
    assert client.commit([confreg.Delete(name, "none", allow_missing=True)]).commit is None
    with pytest.raises(confreg.AlreadyExistsError):
        client.commit([confreg.Update(name, "dev", merge_patch={"n": 2}),
                       confreg.Create(name, "prod", data={})])
    assert client.get(name, "dev").data == {"n": 1}, "all or none"
    good, bad = client.write_many([
        confreg.Update(name, "dev", json_patch=[{"op": "replace", "path": "/n", "value": 2}]),
        confreg.Create(name, "prod", data={})])
    assert good.config.data == {"n": 2}
    assert isinstance(bad, confreg.AlreadyExistsError)
    found = client.get_many([("dev", name), ("prod", name), ("none", name)])
    assert [c.environment for c in found.configs] == ["dev", "prod"]
    assert (found.missing, found.denied) == ((("none", name),), ())
    assert [d.changed for d in client.diffs("prod", "dev", service_name=name)] == [{"n": (1, 2)}]


def test_what_is_refused_names_the_field(client, name):
    with pytest.raises(confreg.InvalidArgumentError) as refused:
        client.create("a/b", {})
    assert (refused.value.field, refused.value.reason) == ("service_name", "NAME_CHARACTER")
    with pytest.raises(ValueError, match="exactly one"):
        client.write(confreg.Update(name))
    with pytest.raises(ValueError, match="none of"):
        list(client.commits(kinds=["rename"]))


def test_numbers_keep_their_digits(server, name):
    data = {"i": 2**63 - 1, "d": Decimal("0.10000000000000000001"), "e": Decimal("1E+2")}
    with confreg.Client(server.address, decimals=True) as client:
        client.create(name, data)
        assert client.get(name).data == data
    with confreg.Client(server.address) as client:
        assert client.get(name).data == {"i": 2**63 - 1, "d": 0.1, "e": 100.0}
    with confreg.Client(server.address) as client, pytest.raises(ValueError):
        client.update(name, {"x": float("nan")})


def test_a_read_is_as_new_as_asked_for(client, name):
    written = client.create(name, {"n": 1})
    assert client.get(name, after=written.position).version == 1
    assert client.get(name, linearizable=True).version == 1


def test_a_resolved_config(client, name):
    client.create(name, {"a": 1, "b": 1})
    client.create(name, {"b": 2}, "prod")
    assert client.get(name, "prod", resolve=True).data == {"a": 1, "b": 2}


def test_a_copy_from_another_environment(client, name):
    client.create(name, {"pool": 10}, "staging")
    client.update(name, {"pool": 20}, "staging")
    assert client.copy(name, "staging", "prod", comment="tried").config.data == {"pool": 20}
    copied = client.copy(name, "staging", "prod", 1, expected_version=1)
    assert (copied.config.version, copied.config.data) == (2, {"pool": 10})
    assert [(v.source_environment, v.source_version) for v in client.versions(name, "prod")] == [
        ("staging", 1), ("staging", 2)]
    change, = next(client.commits("prod", name)).changes
    assert (change.source_environment, change.source_version) == ("staging", 1)
    with pytest.raises(confreg.NotFoundError) as missing:
        client.copy(name, "nowhere", "prod")
    assert missing.value.reason == "SOURCE_NOT_FOUND"
    with pytest.raises(confreg.NotFoundError):
        client.copy(name, "staging", "dev", allow_missing=False)


# ---- Schemas ----

PORT = {"properties": {"port": {"type": "integer", "default": 80}}}


def test_defaults_of_the_schema_are_filled_in(client, name):
    client.set_schema(name, PORT)
    client.create(name, {"host": "a"})
    filled = client.get(name, apply_defaults=True)
    assert (filled.data, filled.defaulted) == ({"host": "a", "port": 80}, ("/port",))
    assert (client.get(name).data, client.get(name).defaulted) == ({"host": "a"}, ())


def test_what_breaks_a_schema(client, name):
    client.create(name, {"port": "a"}, "dev")
    client.create(name, {"port": "b"}, "prod")
    written = client.update(name, {"port": 1}, "prod")
    tried = client.try_schema(name, PORT)
    assert [b.environment for b in tried] == ["dev"]
    assert (tried.checked_count, tried.filtered) == (2, False)
    assert tried.position.revision >= written.position.revision
    assert [(b.environment, b.version, b.pointer, b.superseded) for b in client.try_schema(
        name, PORT, include_superseded=True, page_size=1)] == [
            ("dev", 1, "/port", False), ("prod", 1, "/port", True)]
    assert list(client.try_schema(name, PORT, "prod")) == []
    with pytest.raises(confreg.InvalidArgumentError):
        list(client.try_schema(name, {"type": "int"}))
    assert list(client.find_broken(service_name=name)) == []
    with pytest.raises(confreg.FailedPreconditionError) as refused:
        client.set_schema(name, PORT)
    assert refused.value.reason == "SCHEMA_BREAKS_CONFIGS"
    client.set_schema(name, PORT, force=True)
    breach, = client.find_broken(prefix=name)
    assert breach.service_name == name and breach.revision < written.position.revision
    assert breach.rule == f"confreg:/{name}#/properties/port/type"
    assert breach.description.startswith("must be an integer") and not breach.resolved
    assert list(client.try_schema(name, None)) == [], "without a schema nothing is broken"


def test_the_life_of_a_schema(client, name):
    first = client.set_schema(name, PORT, comment="first", author="ada")
    assert (first.config.data, first.config.created_by) == (PORT, "ada")
    second = client.set_schema(name, {"type": "object"}, expected_version=1)
    assert client.get_schema(name, after=second.position).version == 2
    assert client.get_schema(name, "prod", in_force=True).environment == ""
    assert client.diff_schema(name).added == {"type": "object"}
    with pytest.raises(confreg.ConflictError):
        client.set_schema(name, PORT, expected_version=1)
    assert client.set_schema(name, None, undo=True).config.data == PORT
    assert client.set_schema(name, None, source_version=2).config.data == {"type": "object"}
    assert [s.version for s in client.schema_versions(name, page_size=2)] == [4, 3, 2, 1]
    assert [s.version for s in client.schemas(prefix=name)] == [4]
    assert client.delete_schema(name, validate_only=True).diff is not None
    assert client.delete_schema(name).deleted_count == 4
    assert [s.deleted for s in client.schemas(prefix=name, deleted=True)] == [True]
    with pytest.raises(confreg.NotFoundError):
        client.get_schema(name)


# ---- Secrets and rights ----

TOKEN = "hv" + "s." + "q8Zx4nLw1RbY7uPeK3mTd9Vh"  # none that is real


def test_what_looks_like_a_secret(launch):
    server = launch(Server).start("--secrets", "refuse,dev=warn")
    with confreg.Client(server.address, author="ada") as client:
        warned = client.create("billing", {"key": TOKEN}, "dev")
        suspect, = warned.suspects
        assert (suspect.pointer, suspect.version) == ("/key", 0), "it was not written yet"
        assert warned.config.created_by == "ada"
        made = client.commit([confreg.Create("mail", "dev", data={"key": TOKEN})])
        assert [s.service_name for s in made.suspects] == ["mail"]
        refused = [lambda **more: client.create("billing", {"key": TOKEN}, "prod", **more),
                   lambda **more: client.update("billing", {"n": TOKEN}, "prod", **more),
                   lambda **more: client.copy("mail", "dev", "prod", **more),
                   lambda **more: client.write_many([confreg.Create(
                       "search", "prod", data={"key": TOKEN}, **more)]),
                   lambda **more: client.commit([confreg.Create(
                       "ads", "prod", data={"key": TOKEN})], **more)]
        for write in refused:
            with pytest.raises(confreg.ConfregError) as error:
                first = write()
                raise first[0]  # of several writes
            assert "SECRET" in error.value.reason
            write(allow_secrets=True)
        found = client.find_secrets("prod")
        assert {(s.service_name, s.allowed) for s in found} == {
            (name, True) for name in ("billing", "mail", "search", "ads")}
        assert not found.filtered


def test_what_may_not_be_read_is_left_out(launch):
    server = launch(Server)
    access = server.folder / "access.json"
    tokens = [subprocess.run(
        [BUILD / "confregd", "access", "token", name, "--access", access, "--role", role],
        check=True, capture_output=True, text=True).stdout.strip()
        for name, role in (("ada", "super-admin"), ("bob", "reader"))]
    content = json.loads(access.read_text())
    for principal in content["principals"]:
        if principal["name"] == "bob":
            principal["grants"][0]["services"] = ["mine"]
    access.write_text(json.dumps(content))
    server.spawn("confregd", "--listen", server.address, "--store", f"sqlite:{server.store}",
                 "--access", "access.json")
    ada, bob = (confreg.Client(server.address, confreg.Credentials(token=token), timeout=60)
                for token in tokens)
    with ada, bob:
        ada.commit([confreg.Create(name, data={"n": 1}) for name in ("mine", "yours")])
        lists = [lambda client: client.configs(), lambda client: client.commits(),
                 lambda client: client.diffs("default", "prod"),
                 lambda client: client.find_broken()]
        for found in lists:
            mine, every = found(bob), found(ada)
            assert len(list(mine)) <= len(list(every))
            assert (mine.filtered, every.filtered) == (True, False)
        batch = bob.get_many([("default", "mine"), ("default", "yours")])
        assert [c.service_name for c in batch.configs] == ["mine"]
        assert batch.denied == (("default", "yours"),)
        who = bob.access()
        assert (who.name, who.credential_kind, who.rights_in_force) == ("bob", "token", True)
        assert [(g.role, g.services) for g in who.grants] == [("reader", ("mine",))]
        assert (bob.status().filtered, ada.status().filtered) == (True, False)


def test_the_state_of_the_node(client):
    status = client.status()
    assert (status.store, status.writable) == ("sqlite", True)
    assert status.position.revision >= status.oldest_revision - 1
    assert status.started_at < datetime.datetime.now(NOW) and not status.filtered
    assert status.log_revision >= status.position.revision and status.relay.bus == "local"


def test_compaction(launch, name):
    with confreg.Client(launch(Server).start().address) as client:
        client.create(name, {"n": 1})
        revision = client.update(name, {"n": 2}).position.revision
        assert client.compact(revision) == revision + 1
        until(lambda: [v.payload for v in client.versions(name)] == ["", "compacted"],
              "the old payload is gone")


def test_a_call_waits_for_a_server_that_starts(launch, name):
    server = launch(Server)
    with confreg.Client(server.address, timeout=60) as client:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.create(name, {})))
        thread.start()
        server.start()
        thread.join(60)
    assert answers[0].config.version == 1


def test_a_call_ends_in_time_where_there_is_no_server():
    with (confreg.Client(f"127.0.0.1:{free_port()}", timeout=0.5) as client,
          pytest.raises(confreg.UnavailableError)):
        client.get("billing")


def test_another_address_is_tried(server, name):
    away = f"127.0.0.1:{free_port()}"
    for addresses in (f"{away},{server.address}", [away, server.address]):
        with confreg.Client(addresses) as client:
            client.update(name, {}, allow_missing=True)


@pytest.mark.parametrize("addresses", ["", "http://127.0.0.1:1", "a:1,,b:1", "ftp://x", []])
def test_what_is_no_address(addresses):
    with pytest.raises(ValueError, match="is no address"):
        confreg.Client(addresses)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"two\nlines"])
def test_a_token_that_cannot_be_used(server, tmp_path, content):
    """A call tells so, and a watch goes on with the next one."""
    path, failures = tmp_path / "token", []
    if content is not None:
        path.write_bytes(content)

    def failed(error):
        failures.append(error)
        path.write_text("cfr_token\n")

    async def use():
        async with confreg.AsyncClient(server.address, credentials) as other:
            with pytest.raises(confreg.UnavailableError):
                await other.status()

    credentials = confreg.Credentials(token_file=str(path))
    asyncio.run(use())
    with confreg.Client(server.address, credentials) as client:
        with pytest.raises(confreg.UnavailableError) as broken:
            client.status()
        assert broken.value.reason == "CREDENTIALS_BROKEN"
        with client.watch(on_failure=failed) as watch:
            assert next(watch).first
    assert failures[0].reason == "CREDENTIALS_BROKEN"


def test_a_closed_client_says_so(server):
    client = confreg.Client(server.address)
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.status()


def test_a_client_after_a_fork(server, name):
    """It was made, and not used, before."""
    client = confreg.Client(server.address)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(client.create(name, {}).config.version).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"1"
    client.close()


# ---- asyncio ----

def test_asyncio(server, name):
    async def use():
        async with confreg.AsyncClient(server.address) as client:
            assert (await client.create(name, {"n": 1})).config.version == 1
            assert (await client.patch(name, {"m": 2})).config.version == 2
            assert (await client.update(name, {"m": 3})).config.version == 3
            assert (await client.rollback(name, version=1)).config.data == {"n": 1}
            assert (await client.get(name)).version == 4
            assert [v.version async for v in client.versions(name)] == [4, 3, 2, 1]
            assert [c.version async for c in client.configs("default", name)] == [4]
            assert (await client.diff(name)).removed == {"m": 3}
            assert (await client.delete(name)).deleted_count == 4
            assert (await client.undelete(name)).config.version == 5
            assert (await client.copy(name, "default", "prod")).config.data == {"n": 1}
            assert [b.environment async for b in client.try_schema(name, {"maxProperties": 0})] == [
                "default", "prod"]
            assert [b async for b in client.find_broken(service_name=name)] == []
            assert (await client.get(name, apply_defaults=True)).defaulted == ()
            assert len([c async for c in client.commits("default", name)]) == 6
            assert (await client.status()).writable
            found = await client.get_many([("default", name), ("none", name)])
            assert (len(found.configs), found.missing) == (1, (("none", name),))
            with pytest.raises(confreg.NotFoundError):
                await client.get("none-such")
            outcomes = await client.write_many([confreg.Create(name, "x", data={})])
            assert outcomes[0].config.version == 1
            made = await client.commit([confreg.Delete(name, "x")], author="ada")
            assert (made.commit.change_count, made.commit.created_by) == (1, "ada")
            assert (await client.set_schema(name, {"maxProperties": 9})).config.version == 1
            assert (await client.get_schema(name)).data == {"maxProperties": 9}
            assert [s.version async for s in client.schema_versions(name)] == [1]
            assert [s.service_name async for s in client.schemas(service_name=name)] == [name]
            assert [s async for s in client.find_secrets(service_name=name)] == []
            assert (await client.delete_schema(name)).deleted_count == 1
            assert not (await client.access()).rights_in_force
            assert [d.service_name async for d in client.diffs(
                "default", "nowhere", service_name=name)] == [name]
    asyncio.run(use())


def test_asyncio_watches(server, name):
    async def use():
        async with confreg.AsyncClient(server.address) as client:
            await client.create(name, {"n": 0})
            seen = []
            async for update in client.watch(confreg.Selector("default", name)):
                seen += [change.config.data["n"] for change in update.changes]
                if update.first or seen[-1] < 5:
                    await client.update(name, {"n": seen[-1] + 1})
                else:
                    return seen
    assert asyncio.run(use()) == [0, 1, 2, 3, 4, 5]
