"""ML.ENERGY v2 and v3: what is measured lands in `energy_j`, what is modelled in `estimated_energy_j`."""

import json
import shutil
from pathlib import Path

import pytest

from prompt_joules.ingest import figures
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses

V2 = warehouses.DATA / "mlenergy_v2"
V3 = warehouses.DATA / "mlenergy_v3"


def test_a_v2_file_is_one_measured_figure(warehouse: Path) -> None:
    assert warehouses.ingest(V2, into=warehouse).status == 0
    row = warehouses.rows(warehouse, "from results join models using (model_id)").row(0, named=True)
    figure = [row[key] for key in ("energy_j", "estimated_energy_j", "energy_per_token_j", "throughput_tps", "tpot_s", "batch_size")]
    assert figure == [50.0, None, 0.25, 400.0, 0.02, 16]
    assert (row["task"], row["gpu_model"], row["num_gpus"], row["engine"]) == ("chat", "A100", 4, "vllm")
    assert row["model_name"] == "tiny-1B" and row["params_total_b"] == 1.0
    source = warehouses.rows(warehouse, "select published_gpu_model, parallelism, mean_batch_size from published").row(0)
    assert source == ("NVIDIA A100-SXM4-40GB", "tp2 pp2", 7.5)


def test_a_v2_file_outside_of_a_task_is_refused(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(next(V2.rglob("bs8*.json")), tmp_path / "lonely.json")
    report = warehouses.ingest(tmp_path / "lonely.json", into=warehouse)
    assert "outside of a folder named chat or code" in report.lines[0].why


def test_v2_files_that_are_loaded_together_are_each_what_they_are_alone(tmp_path: Path, warehouse: Path) -> None:
    """A second file of one figure adds nothing, a refused row is that of its file, and a file that cannot be read stops no other."""
    whole = json.loads(next(V2.rglob("bs8*.json")).read_text(encoding="utf-8"))
    files: dict[str, dict[str, object]] = {
        "a": {},
        "b": {"Energy/req (J)": -1.0},
        "c": {"Model": "acme/other-2B"},
        "d": {"Avg TPOT (s)": 9.0},
    }
    (tmp_path / "chat").mkdir()
    for name, change in files.items():
        (tmp_path / "chat" / f"{name}.json").write_text(json.dumps(whole | change), encoding="utf-8")
    (tmp_path / "e.json").write_text(json.dumps(whole | {"Avg BS (reqs)": 8.0}), encoding="utf-8")  # in no folder of a task
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert sorted((Path(line.path).stem, line.state, line.accepted, line.rejected) for line in report.lines) == [
        ("a", "loaded", 1, 0),
        ("b", "loaded", 0, 1),
        ("c", "loaded", 1, 0),
        ("d", "loaded", 1, 0),
        ("e", "unreadable", 0, 0),
    ]
    sql = "select published_model_id, energy_j, tpot_s, path from published join ingested_files using (file_id) order by path"
    kept = [(*figure, Path(path).stem) for *figure, path in warehouses.rows(warehouse, sql).rows()]
    assert kept == [("acme/tiny-1B", 50.0, 0.02, "a"), ("acme/other-2B", 50.0, 0.02, "c")]
    refused = warehouses.rows(warehouse, 'select path, "row", "column" from rejects where "row" is not null').rows()
    assert [(Path(path).stem, *rest) for path, *rest in refused] == [("b", 1, "energy_j")]


def test_v3_models_the_energy_of_a_request(warehouse: Path) -> None:
    report = warehouses.ingest(V3, into=warehouse)
    assert (report.status, sum(line.rejected for line in report.lines)) == (1, 1)
    rows = warehouses.rows(warehouse, "from results order by estimated_energy_j").rows(named=True)
    assert [row["estimated_energy_j"] for row in rows] == [1250.0, 1500.0]
    assert [row["energy_per_token_j"] for row in rows] == [1.25, 1.5]
    assert {row["energy_j"] for row in rows} == {None}
    assert {row["energy_reason"] for row in rows} == {"the source models the energy of a response, it did not measure it"}
    assert (rows[0]["itl_p50_s"], rows[0]["itl_p99_s"], rows[0]["power_w"]) == (0.02, 0.04, 300.0)
    assert (rows[0]["params_total_b"], rows[0]["params_active_b"]) == (4.0, 1.0)
    assert warehouses.rows(warehouse, 'select "row", "column" from rejects').rows() == [(3, "energy_per_token_j")]


def test_a_v3_file_about_pictures_is_refused(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((V3 / "tasks" / "gpqa.json").read_text()) | {"task": "text-to-image"}
    (tmp_path / "pictures.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path / "pictures.json", into=warehouse).status == 1
    assert warehouses.rows(warehouse, "select reason from rejects").item() == "is text-to-image, which does not make text from text"
    assert warehouses.rows(warehouse, "from published").is_empty()


@pytest.mark.parametrize("name", ["v2", "v3"])
def test_what_ships_is_what_the_real_files_give(tmp_path: Path, name: str) -> None:
    written = dict(figures.write([str(warehouses.shared(f"mlenergy/{name}"))], str(tmp_path)))
    assert written[tmp_path / "figures.csv"] == warehouses.PUBLISHED[name]
    shipped = warehouses.SHIPPED / "published" / f"mlenergy_{name}"
    for path in written:
        assert path.read_bytes() == (shipped / path.name).read_bytes()


def test_the_last_tables_of_v1_ship(tmp_path: Path) -> None:
    """The files beside the repository are earlier ones: the last tables have one model more, on each GPU and task."""
    figures.write([str(warehouses.shared("mlenergy/v1"))], str(tmp_path))
    shipped = warehouses.SHIPPED / "published" / "mlenergy_v1"
    assert (tmp_path / "quality.csv").read_bytes() == (shipped / "quality.csv").read_bytes()
    earlier, last = ((folder / "figures.csv").read_text(encoding="utf-8").splitlines() for folder in (tmp_path, shipped))
    added = [line for line in last if line not in set(earlier)]
    assert [line for line in last if line not in added] == earlier
    assert len(added) == 12
    assert all("Salesforce/xgen-7b-8k-inst" in line for line in added)


def test_sources_meet_in_one_model_and_one_gpu(shipped_warehouse: Path) -> None:
    warehouse = shipped_warehouse
    board = query.load("leaderboard", Selection(models=("meta-llama/Llama-3.1-8B-Instruct",), gpus=("H100",)), str(warehouse))
    assert set(board["source"]) == {"ML.ENERGY v2", "ML.ENERGY v3"}
    assert board["energy_j"].is_not_null().to_list() == (board["source"] == "ML.ENERGY v2").to_list()
    gpus = warehouses.rows(warehouse, "select distinct gpu_model from results order by all")["gpu_model"].to_list()
    assert gpus == ["A100", "A40", "B200", "H100", "H200", "V100"]
    unknown = warehouses.rows(warehouse, "select model_id from models where params_total_b is null or family = 'other'")
    assert unknown.is_empty()
    assert warehouses.rows(warehouse, "select count(*) from published").item() == sum(warehouses.PUBLISHED.values())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("NVIDIA RTX A4000", "RTX A4000"),
        ("AMD Instinct MI300X", "MI300X"),
        ("Recorded GPU", "Recorded GPU"),
        (None, "CPU"),
    ],
)
def test_short_names_of_gpus(shipped_warehouse: Path, name: str | None, label: str) -> None:
    text = "null" if name is None else f"'{name}'"
    assert warehouses.rows(shipped_warehouse, f"select gpu_label({text})").item() == label
