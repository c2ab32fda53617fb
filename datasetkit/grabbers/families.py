"""The families that are known, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from datasetkit.grabbers.danbooru import Danbooru
from datasetkit.grabbers.e621 import E621
from datasetkit.grabbers.family import Family
from datasetkit.grabbers.gelbooru import Gelbooru
from datasetkit.grabbers.moebooru import Moebooru
from datasetkit.grabbers.philomena import Philomena
from datasetkit.grabbers.site import Site
from datasetkit.grabbers.szurubooru import Szurubooru
from datasetkit.grabbers.zerochan import Zerochan

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "danbooru": Danbooru(),
        "gelbooru": Gelbooru(),
        "moebooru": Moebooru(),
        "e621": E621(),
        "philomena": Philomena(),
        "zerochan": Zerochan(),
        "szurubooru": Szurubooru(),
    }
)


def family_of(site: Site) -> Family:
    """The code that speaks with a site."""
    return FAMILIES[site.family]
