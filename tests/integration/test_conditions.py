"""If-Match and If-None-Match on writes, by RFC 9110, decided by the server."""

import threading

import pytest

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"a": 1}}
PATCH = {"Content-Type": "application/merge-patch+json"}
OTHER = '"0123456789abcdef-1"'

# Writes of a config with two versions, by what they answer where there is none.
WRITES = {
    "PUT": (lambda rest, path, headers: rest.put(path, DATA, headers=headers), 400),
    "PATCH": (lambda rest, path, headers: rest.call("PATCH", path, "{}", {**PATCH, **headers}), 404),
    "DELETE": (lambda rest, path, headers: rest.delete(path, headers=headers), 200),
    "DELETE of a version": (
        lambda rest, path, headers: rest.delete(path + "&version=1", headers=headers), 200),
    "rollback": (lambda rest, path, headers: rest.post(
        path.replace("?", "/rollback?"), {"version": 1}, headers=headers), 404),
}


@pytest.fixture(params=WRITES.values(), ids=WRITES.keys())
def write(request):
    return request.param


@pytest.fixture
def path(rest, name):
    path = f"/api/configs/{name}?environment=prod"
    rest.post(path, DATA)
    rest.put(path, DATA)
    return path


def tag_of(rest, path):
    return rest.get(path).headers["ETag"]


REFUSED = [{"If-None-Match": "*"}, {"If-None-Match": "{tag}"}, {"If-None-Match": "W/{tag}"},
           {"If-None-Match": f"{OTHER}, \"x\", {{tag}}"},
           {"If-Match": "{tag}", "If-None-Match": "{tag}"},
           {"If-Match": "{tag}", "If-None-Match": "*"}, {"If-Match": "*", "If-None-Match": "*"},
           {"If-Match": "*", "If-None-Match": "W/{tag}"},
           {"If-Match": OTHER, "If-None-Match": OTHER}, {"If-Match": OTHER, "If-None-Match": "{tag}"},
           {"If-Match": "W/{tag}"}, {"If-Match": OTHER}, {"If-Match": f"{OTHER}, {{old}}"},
           {"If-Match": '"x"'}]
CARRIED_OUT = [{"If-None-Match": OTHER}, {"If-None-Match": '"x"'}, {"If-None-Match": "{old}"},
               {"If-None-Match": ""}, {"If-Match": "{tag}", "If-None-Match": "{old}"},
               {"If-Match": "*", "If-None-Match": "{old}"}, {"If-Match": "*"},
               {"If-Match": f"{OTHER}, {{old}}, {{tag}}"}, {"If-Match": "{old}, {tag}"}]


def headers_of(templates, tag, old):
    return {name: text.format(tag=tag, old=old) for name, text in templates.items()}


@pytest.mark.parametrize("templates", REFUSED, ids=str)
def test_writes_that_the_conditions_refuse(rest, registry, name, write, templates):
    path = f"/api/configs/{name}?environment=prod"
    old = rest.post(path, DATA).headers["ETag"]
    tag = rest.put(path, DATA).headers["ETag"]
    revision = registry.revision()
    answer = write[0](rest, path, headers_of(templates, tag, old))
    assert answer.status == 412 and answer.json()["detail"], answer
    assert (registry.revision(), tag_of(rest, path)) == (revision, tag)


@pytest.mark.parametrize("templates", CARRIED_OUT, ids=str)
def test_writes_that_the_conditions_allow(rest, registry, name, write, templates):
    path = f"/api/configs/{name}?environment=prod"
    old = rest.post(path, DATA).headers["ETag"]
    tag = rest.put(path, DATA).headers["ETag"]
    revision = registry.revision()
    assert write[0](rest, path, headers_of(templates, tag, old)).status == 200
    assert registry.revision() == revision + 1


@pytest.mark.parametrize("condition", ["*", OTHER])
def test_where_there_is_no_config_if_none_match_holds(rest, registry, name, write, condition):
    path = f"/api/configs/{name}?environment=prod"
    call, missing = write
    for _ in range(2):
        revision = registry.revision()
        plain = call(rest, path, {})
        assert plain.status == missing
        if condition != "*" or missing != 400:  # a PUT creates it, see test_http_writes.py
            assert call(rest, path, {"If-None-Match": condition}).json() == plain.json()
        assert call(rest, path, {"If-Match": "*"}).status == 412
        assert call(rest, path, {"If-Match": "*", "If-None-Match": condition}).status == 412
        assert registry.revision() == revision
        rest.post(path, DATA)
        rest.delete(path)  # once more, with a tombstone


@pytest.mark.parametrize("malformed", ["0123456789abcdef-1", '"x', '"x" "y"', '*, "x"'])
def test_an_if_none_match_that_cannot_be_read_lets_no_write_pass(rest, registry, path, write,
                                                                 malformed):
    revision = registry.revision()
    answer = write[0](rest, path, {"If-None-Match": malformed})
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["header", "If-None-Match"])
    assert registry.revision() == revision


def test_creates(rest, name):
    path = f"/api/configs/{name}?environment=prod"
    assert rest.post(path, DATA, headers={"If-Match": "*"}).status == 412
    created = rest.post(path, DATA, headers={"If-None-Match": "*"})
    assert created.status == 201
    tag = created.headers["ETag"]
    for condition in ("*", tag, f"W/{tag}", f"{OTHER}, {tag}"):
        assert rest.post(path, DATA, headers={"If-None-Match": condition}).status == 412, condition
    assert rest.post(path, DATA, headers={"If-None-Match": OTHER}).status == 400
    assert rest.post(path, DATA, headers={"If-Match": tag}).status == 412
    rest.delete(path)
    assert rest.post(path, DATA, headers={"If-None-Match": tag}).status == 201


def test_of_creates_at_the_same_time_one_succeeds(rest, name):
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(
        rest.post(f"/api/configs/{name}", DATA, headers={"If-None-Match": "*"}).status))
        for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [412] * 15


@pytest.mark.parametrize("n", [17, 150, 1000])
def test_many_tags_of_if_match(rest, path, n):
    tag = tag_of(rest, path)
    wrong = ", ".join(f'"{tag[1:17]}-{10_000_000 + i}"' for i in range(n - 1))
    assert rest.put(path, DATA, headers={"If-Match": wrong}).status == 412
    assert rest.put(path, DATA, headers={"If-Match": f"{wrong}, {tag}"}).status == 200


def test_the_server_decides_and_not_the_mirror(rest, registry, name):
    """The gateway may not know the newest head yet."""
    path = f"/api/configs/{name}?environment=prod"
    registry.create(name)
    for _ in range(100):
        answer = registry.update(name)
        tag = f'"{answer.header.epoch}-{answer.config.mod_revision}"'
        assert rest.put(path, DATA, headers={"If-None-Match": tag}).status == 412
        assert rest.put(path, DATA, headers={"If-Match": tag}).status == 200
