"""Smoothing against the share of anomalies, at a tiny size on made data."""

import csv

import numpy as np
import prevalence
import pytest
import soundfile
from paper.cells import draw, load_cells, uav_cells

from jax_dns.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A table of features of two products; anomalies shifted."""
    rng = np.random.default_rng(3)
    n = 200
    anomaly = (np.arange(n) % 3 == 0).astype(np.int8)
    x = rng.normal(size=(n, 6)) + 2.0 * anomaly[:, None]
    folder = tmp_path_factory.mktemp("data")
    np.savez(
        folder / "mimii_fan_features.npz",
        X=x.astype(np.float32),
        anomaly=anomaly,
        product=np.arange(n, dtype=np.int8) % 2,
        snr_db=np.zeros(n, np.int8),
    )
    return folder


def test_a_draw_has_the_share_that_was_asked_for(data):
    cell = load_cells(data, [])[0]
    for share in (0.5, 0.2):
        rows = draw(cell, share, np.random.default_rng(0))
        assert cell.anomaly[rows.unlabelled].mean() == pytest.approx(share, abs=0.03)
        assert not cell.anomaly[rows.known].any()
        assert not np.isin(rows.known, rows.unlabelled).any()
    assert draw(cell, 0.005, np.random.default_rng(0)) is None  # less than one anomaly


def test_table_and_figure(data, tmp_path, capsys):
    out = tmp_path / "p"
    prevalence.main(["--data", str(data), "--out", str(out), "--draws", "2", "--shares", "0.5,0.1"])
    printed = capsys.readouterr().out
    assert "MIMII fan: 50 %" in printed and "adaptive, gate 3" in printed
    assert out.with_suffix(".png").stat().st_size > 10_000
    with out.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    base = [row for row in rows if row["rule"] == "a_G"]
    assert {row["share"] for row in base} == {"0.5", "0.1"}
    assert all(float(row["auc_change"]) == float(row["harmed"]) == 0 for row in base)
    assert all(int(row["draws"]) == 8 for row in base)  # two products, two splits, two draws


def test_the_paper_s_k_is_chosen_on_other_sections(data):
    cells = load_cells(data, [])
    names = [prevalence.fixed(k) for k in prevalence.KS]

    def rated(number, best):
        auc = {name: float(name == prevalence.fixed(best)) for name in names}
        return prevalence.Rated(number, 0.5, auc, auc)

    clusters = [cell.cluster for cell in cells]
    best = {clusters[0]: 8, clusters[-1]: 32}
    chosen = prevalence.carried_k(cells, [rated(i, best[c]) for i, c in enumerate(clusters)])
    assert chosen == {i: 32 if c == clusters[0] else 8 for i, c in enumerate(clusters)}


def test_recordings_are_read_by_section_and_domain(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"source_train_normal_{i:02d}" for i in range(10)] + ["target_train_normal_00"]
    names += [f"{d}_test_{w}_0" for d in ("source", "target") for w in ("normal", "anomaly")]
    for name in names:
        soundfile.write(tmp_path / f"section_00_{name}.wav", 0.1 * rng.normal(size=8000), 16000)
    cells = list(uav_cells(tmp_path))
    assert [cell.machine for cell in cells] == ["uavsource", "uavtarget"]
    # Six of ten training clips of the source domain fit the PCA.
    assert [(cell.known.sum(), (~cell.known).sum()) for cell in cells] == [(4, 2), (1, 2)]
    assert all(cell.anomaly[~cell.known].sum() == 1 for cell in cells)
    assert not any(cell.anomaly[cell.known].any() for cell in cells)


def test_without_data_it_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no dcase2021_dev_scores"):
        prevalence.main(["--data", str(tmp_path)])
