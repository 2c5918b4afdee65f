"""Flags from confreg with OpenFeature's own SDK and OFREP provider.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python client.py http://127.0.0.1:8000/api/ofrep/prod/billing

A token of confreg comes from CONFREG_TOKEN. Each line of standard input evaluates the flags again.
"""

import os
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext


def headers():
    token = os.environ.get("CONFREG_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def show(flags):
    user = EvaluationContext(targeting_key="user-123", attributes={"plan": "free"})
    for details in (
            flags.get_boolean_details("new-checkout", False, user),
            flags.get_string_details("banner", "none", user),
            flags.get_integer_details("page-size", 10, user),
            flags.get_float_details("ratio", 0.5, user),
            flags.get_object_details("limits", {}, user),
            flags.get_boolean_details("beta", True, user),
            flags.get_boolean_details("unheard-of", False, user),
            flags.get_object_details("hosts", {}, user)):
        code = details.error_code.value if details.error_code else details.variant
        print(details.flag_key, details.value, str(details.reason), code, flush=True)


api.set_provider(OFREPProvider(sys.argv[1], headers_factory=headers))
client = api.get_client()
show(client)
for _ in sys.stdin:
    show(client)
