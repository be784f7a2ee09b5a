"""Data sets from a server on loopback that answers as Zenodo does, with its faults."""

import contextlib
import shutil

import pytest

from jax_dns.data.layouts import index_clips
from jax_dns.datasets.dcase_records import DATASETS
from jax_dns.datasets.download import download
from jax_dns.errors import InputError, UsageError

RECORDS = ["4562016", "4660992", "4884786", "5257674"]
FAN, PUMP = "dev_data_fan.zip", "dev_data_pump.zip"
DEV = {"parts": ("dev",)}


def get(zenodo, root, **options):
    return download(root, base_url=zenodo.url, client=zenodo.client, **options)


def files(root):
    """Contents by path, of everything but the bookkeeping."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in (".download", "factory.json")
    }


@pytest.mark.parametrize("jobs", [1, 5])
@pytest.mark.parametrize("shape", [{}, {"top_folder": False, "loose_labels": True}])
def test_what_is_unpacked_is_the_data_set(zenodo, zips, tmp_path, jobs, shape):
    vars(zenodo.faults).update(shape)
    root = tmp_path / "new"
    counts = get(zenodo, root, jobs=jobs)
    assert files(root) == files(zenodo.data)
    clips, expected = index_clips(root), index_clips(zenodo.data)
    assert {m: [c[1:] for c in found] for m, found in clips.items()} == {
        m: [c[1:] for c in found] for m, found in expected.items()
    }
    assert all(c.label in (0, 1) for found in clips.values() for c in found)
    assert [c.files for c in counts.values()] == [24, 8, 16, 4]
    assert counts["dev"].fetched == counts["dev"].archives == 2
    assert "files to fetch" in zenodo.messages[0] and "needs room for" in zenodo.messages[0]
    zenodo.requested()
    again = get(zenodo, root, jobs=jobs)
    assert zenodo.requested() == []
    assert [c._replace(fetched=0) for c in counts.values()] == list(again.values())


def test_one_machine_then_the_other(zenodo, tmp_path):
    get(zenodo, tmp_path, machines=["fan"])
    fan = [FAN, "eval_data_fan_test.zip", "eval_data_fan_train.zip", "ground_truth.zip"]
    assert zenodo.requested() == RECORDS + fan
    assert list(index_clips(tmp_path)) == ["fan"]
    get(zenodo, tmp_path, machines=["fan"])
    assert zenodo.requested() == []
    get(zenodo, tmp_path)
    pump = [PUMP, "eval_data_pump_test.zip", "eval_data_pump_train.zip"]
    assert zenodo.requested() == RECORDS[:3] + pump
    assert files(tmp_path) == files(zenodo.data)


def test_train_and_test_of_one_machine_share_a_folder(zenodo, tmp_path):
    get(zenodo, tmp_path, parts=("eval_test",))
    get(zenodo, tmp_path, parts=("eval_train",))
    splits = sorted(path.name for path in (tmp_path / "eval_data/fan").iterdir())
    assert splits == ["source_test", "target_test", "train"]


def test_a_cut_connection_is_taken_up_where_it_broke(zenodo, tmp_path):
    zenodo.faults.cut, zenodo.faults.cuts = {FAN: 100_001}, 1
    get(zenodo, tmp_path, **DEV)
    assert zenodo.ranges(FAN) == [None, "bytes=100001-"]
    assert any("attempt 2 of 3" in line for line in zenodo.messages)


def test_a_connection_cut_again_and_again_is_taken_up_by_the_next_call(zenodo, tmp_path):
    zenodo.faults.cut = {FAN: 50_000}
    with pytest.raises(InputError, match=f"{FAN}: connection.*tried 3 times.*is kept") as error:
        get(zenodo, tmp_path, **DEV)
    assert "\n" not in str(error.value)
    assert (tmp_path / f"zips/{FAN}.partial").stat().st_size == 150_000
    assert (tmp_path / "dev_data/pump").is_dir() and not (tmp_path / "dev_data/fan").exists()
    zenodo.faults.cut = {}
    zenodo.log.clear()
    get(zenodo, tmp_path, **DEV)
    assert zenodo.ranges(FAN) == ["bytes=150000-"] and zenodo.ranges(PUMP) == []
    assert not (tmp_path / "zips").exists()
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_a_server_without_ranges_starts_anew_and_that_is_said(zenodo, tmp_path):
    zenodo.faults.cut, zenodo.faults.cuts, zenodo.faults.no_ranges = (
        {FAN: 70_000},
        1,
        True,
    )
    get(zenodo, tmp_path, **DEV)
    assert zenodo.ranges(FAN) == [None, "bytes=70000-"]
    assert any(f"{FAN}: the server sends no ranges" in line for line in zenodo.messages)
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_a_wrong_checksum_is_removed_and_fetched_again(zenodo, tmp_path):
    zenodo.faults.wrong_md5 = {FAN}
    with pytest.raises(InputError, match=f"{FAN}: .* md5:.*the record says .* md5:0000.*removed"):
        get(zenodo, tmp_path, **DEV)
    assert not list(tmp_path.glob("zips/*")) and not (tmp_path / "dev_data/fan").exists()
    assert (tmp_path / "dev_data/pump").is_dir()
    zenodo.faults.wrong_md5 = set()
    zenodo.requested()
    get(zenodo, tmp_path, **DEV)
    assert zenodo.requested() == ["4562016", FAN]


def test_sizes_that_the_record_leaves_out_are_asked_for(zenodo, tmp_path):
    zenodo.faults.no_sizes = True
    get(zenodo, tmp_path, **DEV)
    assert [r.method for r in zenodo.log].count("HEAD") == 2
    assert "unknown size" not in zenodo.messages[0]
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_unpacked_files_that_went_missing_are_fetched_again(zenodo, tmp_path):
    get(zenodo, tmp_path, **DEV)
    clips = sorted(tmp_path.glob("dev_data/fan/*/*.wav"))
    for damage in (clips[0].unlink, lambda: clips[1].write_bytes(b"short")):
        damage()
        zenodo.requested()
        get(zenodo, tmp_path, **DEV)
        assert zenodo.requested() == ["4562016", FAN]
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_kept_zips_are_used_again(zenodo, tmp_path):
    get(zenodo, tmp_path, keep_zips=True, **DEV)
    assert sorted(p.name for p in tmp_path.glob("zips/*")) == [FAN, PUMP]
    shutil.rmtree(tmp_path / "dev_data")
    zenodo.requested()
    get(zenodo, tmp_path, **DEV)
    assert zenodo.requested() == ["4562016"]
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_another_zip_of_the_same_name_leaves_nothing_of_the_old_one(
    download_factory, zenodo, tmp_path, monkeypatch
):
    from zenodo_server.server import serve

    shutil.copytree(download_factory / "dev_data", tmp_path / "data/dev_data")
    root = tmp_path / "root"
    with serve(tmp_path / "data") as url:
        download(root, base_url=url, client=zenodo.client, **DEV)
    next(tmp_path.glob("data/dev_data/fan/train/*.wav")).unlink()
    with serve(tmp_path / "data") as url:
        download(root, base_url=url, client=zenodo.client, **DEV)
    assert files(root) == files(tmp_path / "data")


def test_a_zip_that_reaches_outside_is_refused_whole(zenodo, tmp_path):
    zenodo.faults.extra = {"../../evil.wav": b"evil"}
    with pytest.raises(InputError, match=r"'\.\./\.\./evil.wav' lies outside"):
        get(zenodo, tmp_path / "root", **DEV)
    assert not list(tmp_path.rglob("*.wav"))


def test_one_call_at_a_time(zenodo, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / ".download").mkdir()
    with (tmp_path / ".download/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another download is at work there"):
            get(zenodo, tmp_path, **DEV)
    get(zenodo, tmp_path, **DEV)


def test_a_link_in_place_of_the_lock_keeps_its_target(zenodo, tmp_path):
    (tmp_path / "root/.download").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("theirs")
    (tmp_path / "root/.download/lock").symlink_to(tmp_path / "notes.txt")
    with contextlib.suppress(InputError):
        get(zenodo, tmp_path / "root", **DEV)
    assert (tmp_path / "notes.txt").read_text() == "theirs"


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"missing": {"4562016"}}, "/api/records/4562016: 404 Not Found"),
        ({"missing": {FAN}}, f"{FAN}/content: 404 Not Found"),
        ({"json": b"<html>"}, "4562016: not a Zenodo record .expected JSON"),
        (
            {"json": b'{"files": []}'},
            "record 4562016 has no files .expected dev_data_<machine>.zip",
        ),
    ],
)
def test_what_zenodo_does_not_have(zenodo, tmp_path, faults, message):
    vars(zenodo.faults).update(faults)
    with pytest.raises(InputError, match=message) as error:
        get(zenodo, tmp_path, **DEV)
    assert "\n" not in str(error.value)


def test_a_ground_truth_record_without_ground_truth(zenodo, tmp_path):
    empty = zenodo.data / "dev_data"  # no labels apart, so its ground_truth.zip is empty
    from zenodo_server.server import serve

    with (
        serve(empty) as url,
        pytest.raises(InputError, match=r"5257674: nothing in ground_truth.zip .expected ground_t"),
    ):
        download(tmp_path, base_url=url, client=zenodo.client, parts=("ground_truth",))


def test_unknown_data_sets_parts_and_machines(zenodo, tmp_path):
    names = ",".join(DATASETS["dcase2021"])
    with pytest.raises(UsageError, match=f"'train', expected some of {names}"):
        get(zenodo, tmp_path, parts=["train"])
    get(zenodo, tmp_path, machines=["fan"])
    with pytest.raises(UsageError, match="'saw' is not in record 4562016, which has fan, pump"):
        get(zenodo, tmp_path, machines=["fan", "saw"])
    with pytest.raises(UsageError, match="'dcase2019', expected one of dcase2020, dcase2021"):
        get(zenodo, tmp_path, dataset="dcase2019")
