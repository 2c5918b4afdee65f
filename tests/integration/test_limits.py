"""Limits: refusals name the field, the limit and the value found. Payloads are kept byte for byte."""

import contextlib

import grpc
import pytest
from calls import Registry, create_change, delete_change, patch_change, rollback_change
from daemon import Confregd
from errors import Refusal, refused
from stubs import api_grpc, api_pb, pb

pytestmark = pytest.mark.any_store

MIB = 1 << 20


def raw_call(channel, method, request):
    """A call whose request is these bytes, whatever the stubs would think of them."""
    call = channel.unary_unary(f"/confreg.v1.RegistryService/{method}",
                               request_serializer=lambda b: b, response_deserializer=lambda b: b)
    return call(request, timeout=60)


def field(number, data):
    """A length-delimited field on the wire."""
    out, size = bytearray([number << 3 | 2]), len(data)
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + data


# ---- Names ----

@pytest.mark.parametrize("bad, reason", [
    ("", "NAME_EMPTY"), ("x" * 256, "NAME_TOO_LONG"), ("ü" * 128, "NAME_TOO_LONG"),
    ("a/b", "NAME_CHARACTER"), ("a\x1fb", "NAME_CHARACTER"), ("a\nb", "NAME_CHARACTER"),
    ("a\x7fb", "NAME_CHARACTER"), ("a\x85b", "NAME_CHARACTER"), (".", "NAME_DOTS"),
    ("..", "NAME_DOTS"),
])
def test_bad_service_names(registry, bad, reason):
    with refused("INVALID_ARGUMENT", reason, field="service_name"):
        registry.create(bad)
    with refused("INVALID_ARGUMENT", reason, field="service_name"):
        registry.get(bad)


@pytest.mark.parametrize("bad, reason", [
    ("x" * 256, "NAME_TOO_LONG"), ("a/b", "NAME_CHARACTER"), ("\x01", "NAME_CHARACTER"),
    (".", "NAME_DOTS"), ("..", "NAME_DOTS")])
def test_bad_environments(registry, name, bad, reason):
    with refused("INVALID_ARGUMENT", reason, field="environment"):
        registry.create(name, environment=bad)


@pytest.mark.parametrize("good", ["x" * 255, "ü" * 127, "日本語", "a b", "a.b-c_d:e", "...", "%2F",
                                  "😀", "ﬁ", "'; drop table commits; --", "\\", '"'])
def test_good_names(registry, good):
    registry.create(good, environment=good)
    config = registry.get(good, environment=good).config
    assert (config.service_name, config.environment) == (good, good)
    assert registry.list(service_name=good, environment=good).configs[0].version == 1


def test_names_are_not_normalised(registry, name):
    registry.create(f"{name}é", '{"form":"composed"}')
    registry.create(f"{name}e\u0301", '{"form":"decomposed"}')
    assert registry.data(f"{name}é") == b'{"form":"composed"}'


@pytest.mark.parametrize("number, path", [(1, "environment"), (2, "service_name"),
                                          (11, "comment"), (12, "created_by"), (13, "request_id")])
@pytest.mark.parametrize("bad", [b"a\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"a\xc3", b"a\0b", b"\0"],
                         ids=["byte", "overlong", "surrogate", "cut", "nul", "only nul"])
def test_strings_that_are_not_utf8_or_hold_nul(confregd, number, path, bad):
    fields = {2: b"billing", 3: b"{}", number: bad}
    request = b"".join(field(n, data) for n, data in sorted(fields.items()))
    with refused("INVALID_ARGUMENT", field=path):
        raw_call(confregd.channel, "CreateConfig", request)


def test_bytes_that_are_no_message(confregd):
    for junk in (b"\xff", b"\x0a\xff\xff", b"\x12\x05ab", b"\x0f", b"\x80" * 11):
        with refused("INVALID_ARGUMENT", "MALFORMED_MESSAGE"):
            raw_call(confregd.channel, "CreateConfig", junk)


def test_unknown_fields_are_ignored(confregd, registry, name):
    raw_call(confregd.channel, "CreateConfig",
             field(1, b"prod") + field(2, name.encode()) + field(3, b"{}") + field(15, b"later"))
    assert registry.data(name) == b"{}"


# ---- Texts ----

@pytest.mark.parametrize("text_field, limit", [("comment", 65536), ("created_by", 1024),
                                               ("request_id", 128)])
def test_texts_have_limits(registry, name, text_field, limit):
    with refused("INVALID_ARGUMENT", "TEXT_TOO_LONG", field=text_field) as caught:
        registry.create(name, **{text_field: "x" * (limit + 1)})
    assert str(limit) in caught[0].message.replace(",", "")
    registry.create(name, **{text_field: (name + "-" + "x" * limit)[:limit]})


def test_texts_keep_what_they_were(registry, name):
    comment = "line 1\nline 2\t\x7f “quoted” 😀 \\ ' \" %s"
    registry.create(name, comment=comment, created_by="ada <ada@example.org>")
    config = registry.get(name).config
    assert (config.comment, config.created_by) == (comment, "ada <ada@example.org>")


LONGEST = {"comment": "é" * 32768, "created_by": "w" * 1024}


def told(message):
    return {"comment": message.comment, "created_by": message.created_by}


def test_the_longest_texts_last(launch):
    server = launch(Confregd).start()
    Registry(server.stub).create("billing", **LONGEST)
    Registry(server.stub).update("billing", **LONGEST)
    server.end()
    server.start()
    registry = Registry(server.stub)
    assert told(registry.get("billing").config) == LONGEST
    assert told(registry.get("billing", version=1).config) == LONGEST
    assert [told(version) for version in registry.versions("billing").versions] == [LONGEST] * 2
    watch = server.stub.Watch(api_pb.WatchRequest(start_revision=1), timeout=60)
    events = []
    while len(events) < 2:
        events += next(watch).events
    assert [told(event) for event in events] == [LONGEST] * 2


def test_the_longest_comment_of_a_commit_of_128_changes(confregd, registry, name):
    """Its answer and each message of a watch fit a client with its default limit of 4 MiB."""
    changes = [create_change(f"{name}-{i}") for i in range(128)]
    with contextlib.closing(grpc.insecure_channel(confregd.listen)) as channel:
        stub = api_grpc.RegistryServiceStub(channel)
        answer = Registry(stub).commit(changes, **LONGEST)
        assert told(answer.commit) == LONGEST and len(answer.commit.changes) == 128
        assert all(change.comment == "" for change in answer.commit.changes)
        watch = stub.Watch(api_pb.WatchRequest(
            selectors=[api_pb.Selector(service_name_prefix=name)], include_previous=True,
            start_revision=answer.commit.revision), timeout=60)
        events = []
        while len(events) < 128:
            events += next(watch).events
        assert all(told(event) == LONGEST for event in events)
        page, listed = None, []
        while page is None or page.next_page_token:
            page = stub.ListConfigs(api_pb.ListConfigsRequest(
                service_name_prefix=name, view=api_pb.VIEW_BASIC,
                page_token=page.next_page_token if page else ""), timeout=60)
            listed += page.configs
        assert [told(config) for config in listed] == [LONGEST] * 128


# ---- Payloads ----

def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("bad, reason", [
    ("", "JSON_SYNTAX"), ("{", "JSON_SYNTAX"), ("{}x", "JSON_SYNTAX"), ('{"a":1,}', "JSON_SYNTAX"),
    ("{'a':1}", "JSON_SYNTAX"), ('{"a":01}', "JSON_SYNTAX"), ('{"a":NaN}', "JSON_SYNTAX"),
    ('\ufeff{}', "JSON_SYNTAX"), ('{"a":"\\ud800"}', "JSON_SYNTAX"), ('{"a":"\t"}', "JSON_SYNTAX"),
    ("[]", "JSON_NOT_OBJECT"), ("1", "JSON_NOT_OBJECT"), ("null", "JSON_NOT_OBJECT"),
    ('"{}"', "JSON_NOT_OBJECT"), ('{"a":1,"\\u0061":2}', "JSON_DUPLICATE_KEY"),
    ('{"a":9223372036854775808}', "JSON_NUMBER_RANGE"), ('{"a":1e400}', "JSON_NUMBER_RANGE"),
    (nested(65), "JSON_DEPTH"),
])
def test_payloads_that_are_refused(registry, name, bad, reason):
    with refused("INVALID_ARGUMENT", reason, field="config_data"):
        registry.create(name, bad)


def test_a_payload_that_is_not_utf8(registry, name):
    with refused("INVALID_ARGUMENT", "JSON_SYNTAX", field="config_data"):
        registry.create(name, b'{"a":"\xff"}')


@pytest.mark.parametrize("data", [
    '{"n":1.0,"m":1.50,"e":1E+05,"z":-0,"big":9223372036854775807,"low":-9223372036854775808}',
    '{"long":0.1000000000000000055511151231257827021181583404541015625}',
    '{"z":1,"a":2,"m":{"b":1,"a":2}}', '{"esc":"\\u00e9\\/\\n","raw":"é/","":0}', "{}",
    '{"nul":"a\\u0000b"}', '{"emoji":"😀\\ud83d\\ude00"}', nested(64),
])
def test_payloads_are_kept_byte_for_byte(registry, name, data):
    registry.create(name, data)
    assert registry.data(name) == data.encode()
    registry.update(name, "{}")
    assert registry.data(name, version=1) == data.encode()
    assert registry.rollback(name, 1).config.config_data == data.encode()


def test_insignificant_white_space_goes(registry, name):
    registry.create(name, ' {\n\t"a b" : [ 1 , "c  d" ] ,\r\n "e":{ } } ')
    assert registry.data(name) == b'{"a b":[1,"c  d"],"e":{}}'


def test_a_payload_of_exactly_one_mebibyte(registry, name):
    data = '{"x":"%s"}' % ("y" * (MIB - 8))
    assert len(data) == MIB
    registry.create(name, data)
    assert registry.data(name) == data.encode()
    with refused("RESOURCE_EXHAUSTED", "JSON_TOO_LARGE", field="config_data") as caught:
        registry.update(name, data[:-2] + 'y"}')
    assert str(MIB) in caught[0].message.replace(",", "")


def test_a_message_beyond_all_limits(registry, name):
    for size in (5 * MIB, 20 * MIB):
        with refused("RESOURCE_EXHAUSTED"):
            registry.create(name, b"x" * size)
    registry.create(name)


# ---- Commits ----

def test_a_commit_of_128_changes(registry, name):
    changes = [create_change(f"{name}-{i}") for i in range(128)]
    assert len(registry.commit(changes).commit.changes) == 128
    with refused("INVALID_ARGUMENT", "CHANGES_COUNT", field="changes"):
        registry.commit([delete_change(f"{name}-{i}", allow_missing=True) for i in range(129)])


def test_a_commit_of_8_mebibytes(registry, name):
    payload = '{"x":"%s"}' % ("y" * (MIB - 8))
    changes = [create_change(f"{name}-{i}", payload) for i in range(8)]
    assert len(registry.commit(changes).commit.changes) == 8
    with refused("RESOURCE_EXHAUSTED", "COMMIT_TOO_LARGE"):
        registry.commit([create_change(f"{name}-x{i}", payload[:-100_002] + '"}')
                         for i in range(9)])


def test_a_commit_is_bounded_by_what_it_brings_and_not_by_what_is_sent(registry, name):
    registry.create(name, '{"x":"%s"}' % ("y" * (MIB - 8)))
    registry.update(name, "{}")
    assert len(registry.commit([rollback_change(name, 1)] * 8).commit.changes) == 8
    before = registry.revision()
    with refused("RESOURCE_EXHAUSTED", "COMMIT_TOO_LARGE"):
        registry.commit([rollback_change(name, 1)] * 9)
    with refused("RESOURCE_EXHAUSTED", "COMMIT_TOO_LARGE"):
        registry.commit([patch_change(name, '{"x":"%s"}' % ("z" * (MIB - 8)))] +
                        [patch_change(name, '{"n":null}')] * 8)
    assert registry.revision() == before


def test_an_unknown_method_and_an_unknown_service(confregd):
    for path in ("/confreg.v1.RegistryService/Nothing", "/no.Such/Thing", "/x"):
        call = confregd.channel.unary_unary(path, request_serializer=lambda b: b,
                                            response_deserializer=lambda b: b)
        try:
            call(b"", timeout=20)
            raise AssertionError("an unknown method was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED


# ---- What programs are told of a limit ----

def limits_of(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    refusal = Refusal(error.value)
    return refusal.reason, refusal.info.get("limit"), refusal.info.get("found")


def test_every_limit_says_how_large_it_is(registry, confregd, name):
    half = '{"x":"%s"}' % ("y" * 1_000_000)
    nine = [create_change(f"{name}-{i}", half) for i in range(9)]
    assert limits_of(lambda: registry.commit(nine[:9])) == (
        "COMMIT_TOO_LARGE", str(8 << 20), str(9 * len(half)))
    for i in range(9):
        registry.create(f"{name}-{i}", half)
    patches = [patch_change(f"{name}-{i}", '{"z":1}') for i in range(9)]
    reason, limit, found = limits_of(lambda: registry.commit(patches))
    assert (reason, limit) == ("COMMIT_TOO_LARGE", str(8 << 20)) and int(found) > 8 << 20
    many = [create_change(name)] * 129
    assert limits_of(lambda: registry.commit(many)) == ("CHANGES_COUNT", "128", "129")
    assert limits_of(lambda: registry.commit([])) == ("CHANGES_COUNT", "128", "0")
    assert limits_of(lambda: registry.write(many)) == ("WRITES_COUNT", "128", "129")
    names = [pb.ConfigName(service_name=name)] * 1001
    assert limits_of(lambda: registry.batch(names)) == ("NAMES_COUNT", "1000", "1001")
    selectors = [api_pb.Selector(service_name=name)] * 129
    assert limits_of(lambda: next(confregd.stub.Watch(api_pb.WatchRequest(selectors=selectors)))) == (
        "SELECTORS_COUNT", "128", "129")
    assert limits_of(lambda: next(confregd.stub.Watch(api_pb.WatchRequest(watch_id="x" * 129)))) == (
        "TEXT_TOO_LONG", "128", None)
