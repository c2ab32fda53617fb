"""Characters in costumes: who is meant, by real names of Danbooru's."""

import pytest

from datasetkit.cleaners.tags.rules.costumes import Costumes

FOLDED = {
    "shimakaze_(the_white_rabbit_of_wonderland)_(azur_lane)": "shimakaze_(azur_lane)",
    "prinz_eugen_(unfading_smile)_(azur_lane)": "prinz_eugen_(azur_lane)",
    "st._louis_(luxurious_wheels)_(azur_lane)": "st._louis_(azur_lane)",
    "asuna_(bunny)_(blue_archive)": "asuna_(blue_archive)",
    "bb_(swimsuit_mooncancer)_(second_ascension)_(fate)": "bb_(fate)",
    "jeanne_d'arc_alter_(swimsuit_berserker)_(fate)": "jeanne_d'arc_alter_(fate)",
    "karyl_(summer)_(princess_connect!)": "karyl_(princess_connect!)",
    "skadi_(waverider)_(arknights)": "skadi_(arknights)",
}
OTHERS = """
    shimakaze_(kancolle) robin_(female)_(fire_emblem) byleth_(male)_(fire_emblem)
    tiki_(adult)_(fire_emblem) tiki_(young)_(fire_emblem) shun_(small)_(blue_archive)
    medusa_(rider)_(fate) artoria_pendragon_(lancer_alter)_(fate)
    artoria_pendragon_(alter_swimsuit_rider)_(fate) nia_(blade)_(xenoblade)
    dan_heng_(imbibitor_lunae)_(honkai:_star_rail) hatsune_miku hatsune_miku_(append)
    puru-see_(hoshizuki_(seigetsu)) shimakaze_(azur_lane)_(cosplay)
    fujimaru_ritsuka_(female)_(polar_chaldea_uniform) robin_(fire_emblem)_(female)
    kaga_(battleship)_(azur_lane) scaramouche_(cat)_(genshin_impact) amiya_(guard)_(arknights)
    oda_nobunaga_(maou_avenger)_(fate) she-ra_(1985)_(masters) naomi_(anime)_(some_series)
""".split()


@pytest.mark.parametrize(("name", "base"), FOLDED.items())
def test_a_costume_is_folded_or_dropped(name: str, base: str) -> None:
    assert Costumes("fold")(name, "character") == base
    assert Costumes("fold")(base, "character") == base
    assert Costumes("drop")(name, "character") == ""
    assert Costumes("keep")(name, "character") == name


@pytest.mark.parametrize("name", OTHERS)
def test_another_figure_is_no_costume(name: str) -> None:
    assert Costumes("fold")(name, "character") == Costumes("drop")(name, "character") == name


def test_only_characters_wear_costumes() -> None:
    name = "a_(b)_(c)"
    assert Costumes("fold")(name, "general") == Costumes("fold")(name, "copyright") == name
    assert Costumes("fold", settled=frozenset({name}))(name, "character") == name


def test_a_site_knows_costumes_without_a_series_and_who_wears_them() -> None:
    says = {
        "hatsune_miku_(append)": {"hatsune_miku"},
        "saber_alter_(ver._shinjuku_1999)_(fate)": {"saber_alter"},
        "tamamo_no_mae_(swimsuit_lancer)_(fate)": {"tamamo_(fate)"},
        "robin_(female)_(fire_emblem)": {"robin_(fire_emblem)"},
        "saber_alter": {"artoria_pendragon_(fate)"},
    }
    rule = Costumes("fold", lambda name: says.get(name, ()))
    assert {name: rule(name, "character") for name in says} == {
        "hatsune_miku_(append)": "hatsune_miku",
        "saber_alter_(ver._shinjuku_1999)_(fate)": "saber_alter",
        "tamamo_no_mae_(swimsuit_lancer)_(fate)": "tamamo_(fate)",
        "robin_(female)_(fire_emblem)": "robin_(female)_(fire_emblem)",
        "saber_alter": "saber_alter",
    }
