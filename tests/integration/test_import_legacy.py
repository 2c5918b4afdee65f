"""Import of the data of the service that confreg replaces, from real servers."""

import datetime
import os
import subprocess

import mongodb
import pymongo
import pytest
from bearer import new_token
from calls import Registry
from daemon import BUILD, Confregd, Gateway
from rest import Rest
from stubs import api_pb

WHEN = datetime.datetime(2025, 3, 1, 12, 30, 1, 507000)
DATA = {"host": "db-1", "ratio": 1.5, "whole": 2.0, "pool": 2**53 + 1, "list": [1, {"x": None}],
        "text": "é"}


def document(service, environment, version, data, **other):
    return {"service_name": service, "environment": environment, "version": version,
            "config_data": data, "created_at": WHEN, "updated_at": WHEN, "created_by": "ada",
            "comment": f"change {version}", **other}


GOOD = [document("billing", "prod", version, {**DATA, "n": version}) for version in (1, 2, 4)] + [
    document("billing", "default", 7, {}, created_by=None, comment=None)]
BAD = {
    "service_name": document("a/b", "default", 1, {}),
    'service_name is ".."': document("..", "default", 1, {}),
    'environment is "."': document("parsing", ".", 1, {}),
    "version: a number": document("parsing", "default", "1", {}),
    "config_data.when": document("parsing", "default", 2, {"when": WHEN}),
    "config_data: an object": document("parsing", "default", 4, [1]),
    "created_at": document("parsing", "default", 5, {}, created_at="yesterday", updated_at=None),
    "comment has": document("parsing", "default", 6, {}, comment="x" * 65537),
    "created_by has": document("parsing", "default", 9, {}, created_by="x" * 1025),
    "another document": document("billing", "prod", 4, {"other": True}),
    "config_data has": document("parsing", "default", 8, {"x": "y" * (2 << 20)}),
}


@pytest.fixture(params=mongodb.KINDS)
def old(request, tmp_path):
    """A database of the old service, as (URI, collection)."""
    given = os.environ.get("CONFREG_TEST_MONGODB_URI")
    server = None if given else mongodb.Server(request.param, tmp_path / "mongodb").start()
    address = given or server.address
    client = pymongo.MongoClient(address)
    name = f"old_{os.getpid()}_{request.param}"
    yield f"{address}/{name}", client[name].configs
    client.drop_database(name)
    client.close()
    if server:
        server.stop()


def take_over(uri, store):
    """Runs the import; gives (exit code, lines, counts)."""
    done = subprocess.run([BUILD / "confregd", "import-legacy", "--from", uri, "--store", store],
                          capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.splitlines()
    counts = {name: int(count) for name, count in (line.rsplit(": ", 1) for line in lines[-4:])}
    return done.returncode, lines[:-4], (counts["imported"], counts["already there"],
                                         counts["refused"]), done.stderr


def test_versions_keep_all_that_they_had(old, launch):
    uri, collection = old
    collection.insert_many([dict(d) for d in GOOD])
    server = launch(Confregd)
    assert take_over(uri, server.store)[:3] == (0, [], (4, 0, 0))
    assert take_over(uri, server.store)[:3] == (0, [], (0, 4, 0))
    server.start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    history = rest.get("/api/configs/billing/history?environment=prod").json()
    assert [(d["version"], d["created_by"], d["comment"]) for d in history] == [
        (v, "ada", f"change {v}") for v in (4, 2, 1)]
    assert all(d["created_at"] == d["updated_at"] == "2025-03-01T12:30:01.507000Z"
               for d in history)
    assert [d["config_data"] for d in history] == [{**DATA, "n": v} for v in (4, 2, 1)]
    assert b'"whole":2.0' in rest.get("/api/configs/billing?environment=prod").body
    assert rest.get("/api/configs/billing?environment=prod&version=3").status == 404
    updated = rest.put("/api/configs/billing", {"config_data": {"new": 1}}).json()
    assert updated["version"] == 8


def test_versions_with_secrets_are_taken_and_counted(old, launch):
    uri, collection = old
    token = new_token()
    collection.insert_many([document("billing", "prod", 1, {"token": token}), document("billing", "prod", 2, DATA),
                            document("tax", "prod", 1, {"a": token, "b": token})])
    server = launch(Confregd)
    for suspect in (2, 0):  # the second time nothing is imported
        done = subprocess.run([BUILD / "confregd", "import-legacy", "--from", uri, "--store", server.store],
                              capture_output=True, text=True, check=True, timeout=120)
        assert f"of these with suspected secrets: {suspect}\n" in done.stdout
        assert token not in done.stdout + done.stderr
    server.start()
    found = server.stub.FindSecrets(api_pb.FindSecretsRequest(include_superseded=True), timeout=60).suspects
    assert [(s.service_name, s.version, s.pointer) for s in found] == [
        ("billing", 1, "/token"), ("tax", 1, "/a"), ("tax", 1, "/b")]


def test_the_longest_texts_are_taken_over(old, launch):
    uri, collection = old
    texts = {"comment": "release\n" * 8192, "created_by": "w" * 1024}
    collection.insert_one(document("billing", "prod", 1, DATA, **texts))
    server = launch(Confregd)
    assert take_over(uri, server.store)[:3] == (0, [], (1, 0, 0))
    server.start()
    config = Registry(server.stub).get("billing").config
    assert {"comment": config.comment, "created_by": config.created_by} == texts


def test_what_does_not_fit_is_told_and_the_rest_is_taken(old, launch):
    uri, collection = old
    collection.insert_many([dict(d) for d in [*GOOD, *BAD.values()]])
    server = launch(Confregd)
    code, lines, counts, _ = take_over(uri, server.store)
    assert code == 1 and counts == (len(GOOD), 0, len(BAD)), lines
    for said in BAD:
        assert any(line.startswith("refused: ") and said in line for line in lines), (said, lines)
    server.start()
    assert Registry(server.stub).status().config_count == 2


def test_what_went_on_here_since_is_left_alone(old, launch):
    uri, collection = old
    collection.insert_one(dict(GOOD[0]))
    server = launch(Confregd)
    assert take_over(uri, server.store)[2] == (1, 0, 0)
    server.start()
    Registry(server.stub).update("billing", '{"mine":1}')
    server.stop()
    collection.insert_one(dict(GOOD[1]))
    code, lines, counts, _ = take_over(uri, server.store)
    assert code == 1 and counts == (0, 1, 1)
    assert "prod/billing version 2" in lines[0] and "another version" in lines[0]
    server.start()
    assert Registry(server.stub).data("billing") == b'{"mine":1}'


def test_a_database_that_is_away(launch):
    server = launch(Confregd)
    code, _, counts, said = take_over(
        "mongodb://127.0.0.1:1/old?serverSelectionTimeoutMS=500", server.store)
    assert code == 1 and counts == (0, 0, 0) and "SOURCE_UNAVAILABLE" in said
    code, _, _, said = take_over("mongodb://127.0.0.1:1", server.store)
    assert code == 1 and "SOURCE_ADDRESS" in said and "names a database" in said
