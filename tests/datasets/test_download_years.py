"""Each year's data set from a server on loopback, read back in its layout."""

import pytest
from data.layouts.trees import index, make_tree
from zenodo_server.server import serve

from jax_dns.datasets.dcase_records import DATASETS
from jax_dns.datasets.download import download
from jax_dns.errors import InputError

SECTION = "section_{:02d}_source_{}_normal_0000_vel_6.wav"
TREES = {
    "dcase2020": [
        "dev_data/{fan,ToyConveyor}/{train,test}/normal_id_00_00000000.wav",
        "eval_data/{fan,ToyConveyor}/train/normal_id_01_00000000.wav",
        "eval_data/{fan,ToyConveyor}/test/id_01_00000000.wav",
    ],
    "dcase2021": [
        f"dev_data/{{fan,pump}}/train/{SECTION.format(0, 'train')}",
        f"dev_data/{{fan,pump}}/source_test/{SECTION.format(0, 'test')}",
        f"eval_data/{{fan,pump}}/train/{SECTION.format(3, 'train')}",
        "eval_data/{fan,pump}/target_test/section_03_target_test_0000.wav",
    ],
    "dcase2022": [
        f"dev_data/{{fan,bearing}}/train/{SECTION.format(0, 'train')}",
        f"dev_data/{{fan,bearing}}/test/{SECTION.format(1, 'test')}",
        f"eval_data/{{fan,bearing}}/train/{SECTION.format(3, 'train')}",
        "eval_data/{fan,bearing}/test/section_03_0000.wav",
    ],
    "dcase2023": [
        f"dev_data/{{fan,bearing}}/train/{SECTION.format(0, 'train')}",
        f"dev_data/{{fan,bearing}}/test/{SECTION.format(0, 'test')}",
        f"eval_data/{{ToyTank,Vacuum}}/train/{SECTION.format(0, 'train')}",
        "eval_data/{ToyTank,Vacuum}/supplemental/section_00_machine_0000_noAttribute.wav",
        "eval_data/{ToyTank,Vacuum}/test/section_00_0000.wav",
    ],
}
TREES |= {"dcase2024": TREES["dcase2023"], "dcase2025": TREES["dcase2023"]}


@pytest.fixture(params=DATASETS)
def dataset(request, tmp_path, monkeypatch):
    """A data set's name, its folder, the address of a server of it, and the server's log."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = make_tree(tmp_path / "data", *TREES[request.param])
    for path in folder.rglob("*.wav"):
        path.write_bytes(str(path).encode())
    for machine in folder.glob("*/*"):
        (machine / "attributes_00.csv").write_text("file_name,d1p,d1v\nx.wav,vel,6\n")
    if request.param == "dcase2020":
        rows = "id_01_00000000.wav,normal_id_01_00000000.wav,0\n"
        (folder / "eval_data_list.csv").write_text(f"fan\n{rows}ToyConveyor\n{rows}")
    if request.param == "dcase2021":
        for machine in ("fan", "pump"):
            file = f"ground_truth_{machine}_section_03_target_test.csv"
            (folder / file).write_text("section_03_target_test_0000.wav,1\n")
    log = []
    with serve(folder, cache=tmp_path / "cache", log=log) as url:
        yield request.param, folder, url, log


def test_a_data_set_is_downloaded_and_read_as_it_was(dataset, tmp_path):
    name, folder, url, log = dataset
    summaries = download(tmp_path / "new", dataset=name, base_url=url)
    assert list(summaries) == list(DATASETS[name])
    rows, lines = index(tmp_path / "new")
    expected, _ = index(folder)
    assert rows == expected
    layout = "dcase2023" if name > "dcase2023" else name
    assert f": {layout} " in lines[0]
    labels = {label for *_, label, _ in rows.values()}
    assert labels == {"dcase2020": {0}, "dcase2021": {0, 1}}.get(name, {0, -1})
    for path in folder.glob("*_data/**/*.*"):
        assert (tmp_path / "new" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    log.clear()
    again = download(tmp_path / "new", dataset=name, base_url=url)
    assert log == [] and all(summary.fetched == 0 for summary in again.values())


def test_two_data_sets_need_two_folders(dataset, tmp_path):
    name, _, url, _ = dataset
    other = "dcase2021" if name != "dcase2021" else "dcase2022"
    download(tmp_path / "new", dataset=name, base_url=url, parts=["dev"])
    with pytest.raises(InputError, match=f"new: holds {name} .expected another folder for {other}"):
        download(tmp_path / "new", dataset=other, base_url=url)
