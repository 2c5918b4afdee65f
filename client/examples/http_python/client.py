"""A client of the HTTP interface, with code that openapi-python-client makes of its description.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    PATH=$PWD/venv/bin:$PATH ./generate ../../../gateway/openapi.json
    venv/bin/python client.py http://127.0.0.1:8000
"""

import json
import sys

from confreg_client import Client
from confreg_client.api.default import create_config, get_config, list_configs, update_config
from confreg_client.models import Data, Document, Error, Write

NAME = "client-http-python"
http = Client(base_url=sys.argv[1])


def body(pool: int) -> Write:
    return Write(config_data=Data.from_dict({"pool": pool}), created_by="ada")


created = create_config.sync_detailed(NAME, client=http, environment="prod", body=body(10))
assert isinstance(created.parsed, Document)
print(f"created {created.parsed.version} {created.parsed.created_by}")

for pool in 20, 30:  # the second one comes too late
    put = update_config.sync_detailed(NAME, client=http, environment="prod", body=body(pool),
                                      if_match=created.headers["ETag"])
    if isinstance(put.parsed, Error):
        print(f"conflict {put.status_code.value} {put.parsed.reason} {put.parsed.current_version}")
    elif isinstance(put.parsed, Document):
        print(f"updated {put.parsed.version}")

read = get_config.sync(NAME, client=http, environment="prod")
assert isinstance(read, Data)
print(f"read {json.dumps(read.to_dict(), separators=(',', ':'))}")

listed = list_configs.sync(client=http, service_name=NAME)
assert isinstance(listed, list)
for entry in listed:
    print(f"listed {entry.environment}/{entry.service_name} {entry.version}")
