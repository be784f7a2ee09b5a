"""Names of the records' files, and which of them are unpacked."""

import pytest

from jax_dns.datasets import dcase_records
from jax_dns.datasets.dcase_records import DATASETS, find_items, refresh
from jax_dns.datasets.zenodo import RemoteFile
from jax_dns.errors import InputError, UsageError
from jax_dns.files import write_json

PARTS = DATASETS["dcase2021"]
DEV = PARTS["dev"]


def find(zenodo, root, part=DEV, machines=()):
    root.mkdir(exist_ok=True)
    return find_items(root, part, machines=machines, base_url=zenodo.url, client=zenodo.client)


@pytest.mark.parametrize(
    ("part", "key", "machine"),
    [
        ("dev", "dev_data_ToyCar.zip", "ToyCar"),
        ("dev", "eval_data_ToyCar_train.zip", None),
        ("dev", "dev_data_ToyCar.zip.md5", None),
        ("eval_train", "eval_data_fan_train.zip", "fan"),
        ("eval_train", "eval_data_fan_test.zip", None),
        ("eval_test", "eval_data_fan_test.zip", "fan"),
        ("ground_truth", "dev_data_fan.zip", None),
    ],
)
def test_machine_of_a_file(part, key, machine):
    assert PARTS[part].machine(key) == machine


@pytest.mark.parametrize(
    ("dataset", "part", "key", "machine"),
    [
        ("dcase2020", "dev", "dev_data_ToyConveyor.zip", "ToyConveyor"),
        ("dcase2020", "eval_train", "eval_data_train_fan.zip", "fan"),
        ("dcase2020", "eval_test", "eval_data_test_fan.zip", "fan"),
        ("dcase2022", "dev", "dev_bearing.zip", "bearing"),
        ("dcase2023", "eval_test", "eval_data_ToyTank_test.zip", "ToyTank"),
        ("dcase2024", "eval_train", "eval_data_3DPrinter_train_r2.zip", "3DPrinter"),
        ("dcase2025", "eval_train", "eval_data_ToyRCCar_train.zip", "ToyRCCar"),
    ],
)
def test_names_of_other_years(dataset, part, key, machine):
    """As the official baselines' download scripts have them."""
    assert DATASETS[dataset][part].machine(key) == machine


def test_of_two_revisions_the_later_is_fetched(zenodo, tmp_path, monkeypatch):
    keys = ["eval_data_a_train_r2.zip", "eval_data_a_train.zip", "eval_data_b_train.zip"]
    files = [RemoteFile(key, f"http://x/{key}", 1, "md5:0") for key in keys]
    monkeypatch.setattr(dcase_records, "read_record", lambda *a, **k: files)
    items = find(zenodo, tmp_path / "root", DATASETS["dcase2024"]["eval_train"])
    assert [item.file.key for item in items] == [keys[0], keys[2]]


def test_nothing_is_done_at_first(zenodo, tmp_path):
    items = find(zenodo, tmp_path / "root")
    assert items and not any(item.done or item.unpacked for item in items)
    assert {DEV.machine(item.file.key) for item in items} >= {"fan"}


def finish(root, items):
    for number, item in enumerate(items):
        (root / f"{number}.wav").write_bytes(b"12")
        unpacked = {f"{number}.wav": 2}
        write_json(item.marker, {"checksum": item.file.checksum, "unpacked": unpacked})


def test_done_is_what_is_there_in_size_and_asks_for_nothing(zenodo, tmp_path):
    root = tmp_path / "root"
    items = find(zenodo, root)
    finish(root, items)
    assert all(item.done for item in refresh(root, items))
    zenodo.requested()
    assert all(item.done for item in find(zenodo, root)) and zenodo.requested() == []
    (root / "0.wav").write_bytes(b"1")
    assert [item.done for item in refresh(root, items)] == [False] + [True] * (len(items) - 1)
    find(zenodo, root)
    assert zenodo.requested() and any("missing or out of date" in text for text in zenodo.messages)


def test_another_checksum_is_not_done(zenodo, tmp_path):
    root = tmp_path / "root"
    items = find(zenodo, root)
    finish(root, items)
    write_json(items[0].marker, {"checksum": "md5:0", "unpacked": {"0.wav": 2}})
    assert not refresh(root, items)[0].done


def test_a_damaged_marker_is_none(zenodo, tmp_path):
    root = tmp_path / "root"
    items = find(zenodo, root)
    finish(root, items)
    items[0].marker.write_text('{"checksum": ')
    assert not refresh(root, items)[0].done


def test_a_machine_that_is_not_there(zenodo, tmp_path):
    with pytest.raises(UsageError, match=r"'bearing' is not in record 4562016, which has .*fan"):
        find(zenodo, tmp_path / "root", machines=("bearing",))


def test_a_record_of_other_things(zenodo, tmp_path):
    part = DEV._replace(zips="other_<machine>.zip")
    with pytest.raises(InputError, match=r"expected other_<machine>\.zip"):
        find(zenodo, tmp_path / "root", part)
