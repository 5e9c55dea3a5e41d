"""The price list that comes with Everfit."""

import json
from importlib import resources

from everfit.domain.cost import PriceList, read_prices


def own_prices() -> PriceList:
    """Return the prices that come with Everfit."""
    text = resources.files("everfit.adapters.aws.stack").joinpath("prices.json").read_text(encoding="utf-8")
    return read_prices(json.loads(text))
