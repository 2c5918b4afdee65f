"""load_typed_config and ConfigUpdate."""

import json

import pytest

import confreg

FIELDS = {
    "db_host": {"type": "string", "source": "env", "env_var": "DB_HOST", "default": "localhost"},
    "db_port": {"type": "int", "source": "env", "env_var": "DB_PORT", "default": 5432},
    "debug": {"type": "bool", "source": "env", "env_var": "DEBUG", "default": False},
    "ratio": {"type": "float", "source": "static", "default": 0.5},
    "password": {"type": "string", "source": "secret", "secret_name": "db_password",
                 "required": True},
    "limits": {"type": "object", "source": "storage"},
}


@pytest.fixture
def schema(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    for variable in ("DB_HOST", "DB_PORT", "DEBUG", "CONFREG_URL", "SCHEMA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "db_password").write_text("s3cret\n")

    def write(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "billing.json").write_text(text)
        return str(tmp_path)
    return write


def test_from_where_the_schema_says(schema, monkeypatch, client, server):
    monkeypatch.setenv("DB_PORT", "6543")
    monkeypatch.setenv("DEBUG", "on")
    monkeypatch.setenv("CONFREG_URL", server.address)
    client.create("billing", {"limits": {"cpu": 2}})
    config = confreg.load_typed_config("billing", schema({"fields": FIELDS}))
    assert (config.db_host, config.db_port, config.debug, config.ratio, config.password,
            config.limits) == ("localhost", 6543, True, 0.5, "s3cret", {"cpu": 2})


def test_without_a_registry_its_fields_are_none(schema):
    assert confreg.load_typed_config("billing", schema({"fields": FIELDS})).limits is None


def test_all_faults_together(schema, tmp_path, monkeypatch):
    fields = {name: {**field, "required": True} for name, field in FIELDS.items()}
    fields["db_port"].pop("default")
    fields["limits"]["required"] = True
    monkeypatch.setenv("DB_PORT", "many")
    (tmp_path / "secrets" / "db_password").unlink()
    with pytest.raises(confreg.ConfigValidationError) as faults:
        confreg.load_typed_config("billing", schema({"fields": fields}))
    assert str(faults.value).splitlines() == [
        "db_port: cannot be converted to int", "password: is required", "limits: is required"]


def test_data_that_is_checked(schema):
    folder = schema({"fields": FIELDS})
    good = {"password": "x", "db_port": 1, "ratio": 2, "unknown": [1]}
    config = confreg.load_typed_config("billing", folder, good)
    assert (config.db_port, config.unknown, config.db_host) == (1, [1], "localhost")
    with pytest.raises(confreg.ConfigValidationError) as faults:
        confreg.load_typed_config("billing", folder, {"db_port": True, "debug": 1, "limits": []})
    assert faults.value.errors == [
        "db_port: is bool, must be int", "debug: is int, must be bool", "password: is required",
        "limits: is list, must be object"]


def test_settings_are_attributes_that_cannot_be_changed(schema):
    config = confreg.load_typed_config("billing", schema({"fields": FIELDS}))
    with pytest.raises(AttributeError, match="db_host, db_port"):
        config.db_hots  # noqa: B018
    with pytest.raises(AttributeError, match="cannot be changed"):
        config.db_host = "other"
    with pytest.raises(AttributeError, match="cannot be removed"):
        del config.db_host
    with pytest.raises(TypeError):
        config["db_host"]
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"fields": []}', '{"fields": {"a": 1}}',
                                     '{"fields": {"a": {"type": "number"}}}'])
def test_a_damaged_schema(schema, content):
    with pytest.raises(confreg.ConfigSchemaError, match=r"billing\.json"):
        confreg.load_typed_config("billing", schema(content))


def test_no_schema(schema, monkeypatch):
    with pytest.raises(confreg.ConfigSchemaError, match="has no schema"):
        confreg.load_typed_config("other", schema({}))
    with pytest.raises(confreg.ConfigSchemaError, match="documents/schemas/configs"):
        confreg.load_typed_config("other")


def test_a_json_schema(schema, monkeypatch):
    folder = schema({"type": "object", "required": ["pool"], "properties": {
        "pool": {"type": "integer", "minimum": 1}, "host": {"type": "string", "default": "db"}}})
    assert confreg.load_typed_config("billing", folder, {"pool": 2}).pool == 2
    with pytest.raises(confreg.ConfigValidationError, match="pool: 0 is less than"):
        confreg.load_typed_config("billing", folder, {"pool": 0})
    monkeypatch.setenv("POOL", "3")
    config = confreg.load_typed_config("billing", folder)
    assert (config.pool, config.host) == (3, "db")
    monkeypatch.setenv("POOL", "three")
    with pytest.raises(confreg.ConfigValidationError, match="pool: 'three' is not of type"):
        confreg.load_typed_config("billing", folder)


def test_an_update():
    update = confreg.ConfigUpdate(config_data={"a": 1}, comment="why", created_by="ada")
    assert update.model_dump() == update.dict() == {
        "config_data": {"a": 1}, "comment": "why", "created_by": "ada"}
    assert confreg.ConfigUpdate({}).model_dump(exclude_none=True) == {"config_data": {}}
    with pytest.raises(TypeError, match="config_data"):
        confreg.ConfigUpdate([])
