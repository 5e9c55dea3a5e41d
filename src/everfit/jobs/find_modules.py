"""Tell which modules an environment does not have, without importing them.

Reads ``modules`` from its parameters and writes ``output/modules.json`` with those that are ``missing``.
"""

import importlib.util
import json
import os
from pathlib import Path


def main() -> None:
    """Look for each module that is asked for."""
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    wanted: list[str] = json.loads((base / "input/config/parameters.json").read_text())["modules"]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    output = base / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "modules.json").write_text(json.dumps({"missing": missing}))


if __name__ == "__main__":
    main()
