"""JSON Patches (RFC 6902) as the content of an update."""

import json

import pytest
from calls import json_patch_change
from errors import refused
from seed import chance
from stubs import pb


def operations(*ops):
    return json.dumps(ops)


def test_a_json_patch_keeps_digits_and_order(registry, name):
    registry.create(name, '{"z":1.0,"a":{"n":12345678901234567.890,"m":[1E5,{}]}}')
    answer = registry.json_patch(name, operations(
        {"op": "test", "path": "/z", "value": 1},
        {"op": "copy", "from": "/a/m/0", "path": "/a/m/-"},
        {"op": "move", "from": "/a/n", "path": "/n"}))
    assert answer.config.kind == pb.CHANGE_KIND_UPDATE
    assert registry.data(name) == b'{"z":1.0,"a":{"m":[1E5,{},1E5]},"n":12345678901234567.890}'


def test_a_json_patch_creates_with_allow_missing(registry, name):
    patch = operations({"op": "add", "path": "/a", "value": 1})
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.json_patch(name, patch)
    assert registry.json_patch(name, patch, allow_missing=True).config.config_data == b'{"a":1}'


@pytest.mark.parametrize("patch, code, reason", [
    ("{}", "INVALID_ARGUMENT", "PATCH_SYNTAX"),
    ('[{"op":"add","path":"/b"}]', "INVALID_ARGUMENT", "PATCH_SYNTAX"),
    ('[{"op":"add","path":"/b","path":"/c","value":1}]', "INVALID_ARGUMENT", "JSON_DUPLICATE_KEY"),
    ('[{"op":"remove","path":"/b"}]', "INVALID_ARGUMENT", "PATCH_PATH"),
    ('[{"op":"test","path":"/a","value":2}]', "ABORTED", "PATCH_TEST_FAILED"),
    ('[{"op":"add","path":"","value":[]}]', "INVALID_ARGUMENT", "JSON_NOT_OBJECT"),
    ("[%s]" % ",".join('{"op":"copy","from":"","path":"/b%d"}' % i for i in range(40)),
     "RESOURCE_EXHAUSTED", "JSON_TOO_LARGE"),
    ("[%s]" % ",".join(['{"op":"test","path":"","value":1}'] * 10_001), "RESOURCE_EXHAUSTED",
     "PATCH_OPERATIONS")])
def test_json_patches_that_are_refused(registry, name, patch, code, reason):
    registry.create(name)
    with refused(code, reason, field="json_patch"):
        registry.json_patch(name, patch)
    assert registry.get(name).config.version == 1


def test_a_refusal_names_the_operation_and_the_pointer(registry, name):
    registry.create(name)
    with refused("ABORTED", "PATCH_TEST_FAILED") as caught:
        registry.json_patch(name, operations({"op": "test", "path": "/a", "value": 1},
                                             {"op": "test", "path": "/a", "value": 1.5}))
    assert (caught[0].info["operation"], caught[0].info["pointer"]) == ("1", "/a")


def test_json_patches_in_one_commit(registry, name):
    registry.create(name)
    add = json_patch_change(name, operations({"op": "add", "path": "/b", "value": [1]}))
    registry.commit([add, json_patch_change(name, operations({"op": "add", "path": "/b/0", "value": 0}))])
    assert registry.data(name) == b'{"a":1,"b":[0,1]}'
    with refused("INVALID_ARGUMENT", "PATCH_PATH", field="changes[1].update.json_patch"):
        registry.commit([add, json_patch_change(name, operations({"op": "remove", "path": "/x"}))])


def random_value(rng, depth=0):
    if depth == 4 or rng.random() < 0.3:
        return rng.choice([0, 1, 1.5, "", "a", "é/~", True, False, None, 10**15])
    if rng.random() < 0.3:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(["a", "b", "a/b", "~", "", "é", "0"]): random_value(rng, depth + 1)
            for _ in range(rng.randrange(5))}


def test_the_patch_of_any_difference_leads_from_the_old_value_to_the_new(registry, name):
    rng = chance("patches")
    registry.create(name, "{}")
    for version in range(2, 52):
        value = {"v": random_value(rng), "w": random_value(rng)}
        registry.update(name, json.dumps(value))
        patch = registry.diff(name, version - 1, version).diff.json_patch
        registry.create(f"{name}-{version}", registry.data(name, version - 1))
        patched = registry.json_patch(f"{name}-{version}", patch).config
        assert json.loads(patched.config_data) == value, patch
