"""Names of clips and of official files."""

import pytest

from jax_dns.score_files.clip_names import (
    OFFICIAL,
    ClipName,
    base_name,
    file_name,
    match_names,
    naming_year,
    no_match,
    parse_clip_name,
    stem,
)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("section_03_target_test_anomaly_0007_f-n_A.wav", ClipName(3, "target", 1)),
        ("section_00_source_test_normal_0206_pat_01.wav", ClipName(0, "source", 0)),
        ("fan/source_test/Section_12_Source_Test_Normal_0000.WAV", ClipName(12, "source", 0)),
        (r"fan\section_01_source_test_0000", ClipName(1, "source", -1)),
        ("section_00_0000.wav", ClipName(0, "", -1)),
        ("normal_id_01_00000000.wav", ClipName(1, "", 0)),
        ("test/anomaly_id_04_00000123.wav", ClipName(4, "", 1)),
        ("id_05_00000000.wav", ClipName(5, "", -1)),
        ("anything.wav", ClipName(-1, "", -1)),
    ],
)
def test_clip_names(name, says):
    assert parse_clip_name(name) == says


@pytest.mark.parametrize(
    ("name", "year", "parts"),
    [
        ("anomaly_score_ToyCar_id_05.csv", 2020, ("ToyCar", "05", None)),
        ("anomaly_score_my_fan_section_03_target_test.csv", 2021, ("my_fan", "03", "target")),
        ("anomaly_score_fan_section_00.csv", 2022, ("fan", "00", None)),
        ("anomaly_score_bandsaw_section_00_test.csv", 2023, ("bandsaw", "00", None)),
        (
            "anomaly_score_DCASE2023T2shaker_section_00_test_seed13711_id(0_)_Eval.csv",
            2023,
            ("shaker", "00", None),
        ),
    ],
)
def test_official_files_of_every_year(name, year, parts):
    match = OFFICIAL.fullmatch(name)
    assert match.group("machine", "section", "domain") == parts
    assert naming_year(match) == year
    if "seed" not in name:
        machine, section, domain = parts
        assert file_name("anomaly_score", machine, int(section), domain or "", year) == name


def test_names_of_other_files():
    assert file_name("ground_truth", "f", 3, "") == "ground_truth_f_section_03_test.csv"
    for name in ("decision_result_fan_section_00_test.csv", "anomaly_score_fan.csv"):
        assert OFFICIAL.fullmatch(name) is None


@pytest.mark.parametrize(
    ("names", "others", "matched", "how"),
    [
        (["a.wav", "b.wav"], ["b.wav", "a.wav", "c.wav"], 2, ""),
        (["/x/a.wav", "/y/b.wav"], ["a.wav", "b.wav"], 2, "base name"),
        (["a.wav", "b.wav"], [r"C:\x\a.wav"], 1, "base name"),
        (["a.wav", "b.wav"], ["z/a.npy", "b.npy"], 2, "base name without suffix"),
        (["a", "b"], ["a.wav", "b.wav"], 2, "base name without suffix"),
        (["a.wav", "/x/b.wav"], ["a.wav", "b.wav"], 2, "base name"),
        # Base names that are not unique are not compared.
        (["x/a.wav", "y/a.wav"], ["a.wav"], 0, ""),
        (["a.wav"], ["x/a.wav", "y/a.wav"], 0, ""),
        (["a.wav"], ["b.wav"], 0, ""),
    ],
)
def test_names_match_by_the_strictest_comparison_that_finds_most(names, others, matched, how):
    match = match_names(names, others)
    assert (match.matched, match.total, match.how) == (matched, len(names), how)
    assert len({match.key(n) for n in names} & {match.key(n) for n in others}) == matched


def test_how_names_matched_in_words():
    assert match_names(["a"], ["a"]).describe("clips") == "1 of 1 clips"
    assert match_names(["x/a"], ["a"]).describe("names") == "1 of 1 names, by base name"
    assert no_match(["b", "a", "a"], ["x"], "the file has") == (
        "none of 2 names matches: the scores have a, b; the file has x"
    )
    assert (base_name(r"a/b\c.d.wav"), stem(r"a/b\c.d.wav"), stem(".wav")) == (
        "c.d.wav",
        "c.d",
        ".wav",
    )
