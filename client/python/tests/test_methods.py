"""The methods of both clients, against the API and against what they are made of."""

import asyncio
import inspect
import pathlib
import subprocess
import sys

import confreg
from confreg import _api
from confreg._calls import Call, Calls, Listing, Watching

GENERATE = pathlib.Path(__file__).parents[1] / "generate_methods.py"
ARGUMENTS = {"data": {}, "merge_patch": {}, "schema": {}, "write": confreg.Create("billing"),
             "writes": [confreg.Create("billing")], "names": [("prod", "billing")]}


def methods(kind):
    return {name: function for name, function in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name != "close"}


def required(function):
    """Arguments for the parameters that have to be given."""
    return {name: ARGUMENTS.get(name, "billing")
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is parameter.empty and name != "self"
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD}


def method_called(client, name):
    """The name of the API's method that a method of the client calls."""
    made = methods(Calls)[name](client, **required(methods(confreg.Client)[name]))
    if isinstance(made, Watching):
        return "Watch"
    if not isinstance(made, (Call, Listing)):
        made = next(made)
    return made.method.name


def test_every_method_of_the_api_has_one_of_the_clients():
    called = {method_called(Calls(), name) for name in methods(confreg.Client)}
    assert called == set(_api.method_names())


def test_both_clients_have_the_same_methods():
    sync, other = methods(confreg.Client), methods(confreg.AsyncClient)
    assert set(sync) == set(other) == set(methods(Calls))
    for name, function in sync.items():
        assert (inspect.signature(function).parameters
                == inspect.signature(other[name]).parameters), name
        assert function.__doc__ == other[name].__doc__ == methods(Calls)[name].__doc__


def test_what_is_made_is_fresh():
    """Else run client/python/generate_methods.py."""
    assert subprocess.run([sys.executable, GENERATE, "--check"], check=False).returncode == 0


def test_options_of_writes_are_their_members():
    options = set(inspect.signature(confreg.Client.update).parameters)
    assert options == {"self", "service_name", "data", "environment", "comment", "author",
                       "request_id", "validate_only", "allow_secrets", "expected_version",
                       "expected_revision", "expected_epoch", "allow_missing"}


def test_a_list_goes_on_after_a_page_that_could_not_be_got():
    def run(call):
        tokens.append(call.request.page_token)
        if len(tokens) == 2:
            raise confreg.UnavailableError("", "UNAVAILABLE")
        return call.parse(_api.new(
            "TrySchemaResponse", breaches=[_api.new("Breach", service_name=f"s{len(tokens)}")],
            checked_count=10, filtered=len(tokens) == 3, next_page_token="next" * (len(tokens) < 3)))

    async def run_later(call):
        return run(call)

    async def items():
        return [breach.service_name async for breach in others]

    listing = Calls().try_schema("billing", {})
    tokens, found = [], confreg.Pages(listing, run)
    assert next(found).service_name == "s1"
    assert (found.filtered, found.checked_count) == (False, 10)
    try:
        next(found)
        raise AssertionError("the second page cannot be got")
    except confreg.UnavailableError:
        pass
    assert [breach.service_name for breach in found] == ["s3"]
    assert (found.filtered, found.checked_count, tokens) == (True, 20, ["", "next", "next"])
    tokens, others = ["", "", ""], confreg.AsyncPages(listing, run_later)
    assert asyncio.run(items()) == ["s4"] and others.checked_count == 10
