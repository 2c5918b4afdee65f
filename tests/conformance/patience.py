"""How long the program waits for what a client must do."""

import os

PATIENCE = float(os.environ.get("CONFORMANCE_PATIENCE", "20"))  # seconds
