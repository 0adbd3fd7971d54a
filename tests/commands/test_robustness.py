"""``robustness`` and ``run --robustness`` from the command line: files, what is kept, what is refused."""

import json
import shutil

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.records import record, robustness, store
from benchmark.records.code_file import read_codes, write_codes


@pytest.fixture
def call(tmp_path, cache_root, monkeypatch, capsys):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    monkeypatch.setenv("VIDEO_HASHING_DATA", str(tmp_path / "data"))

    def run(verb, *words, page=False):
        words = [verb, "--results", tmp_path / "results", *words, *([] if page else ["--no-page"])]
        return main([str(word) for word in words]), capsys.readouterr()

    return run


@pytest.fixture
def trained(call, tiny):
    """Run small cells on the tiny dataset."""

    def run(*words, methods=("itq",), bits=(8,)):
        code, printed = call("run", "--methods", *methods, "--datasets", tiny, "--bits", *bits, *words)
        assert code == 0, printed.err
        return printed

    return run


def cells(tmp_path):
    found = store.scan(tmp_path / "results")
    return {
        (item.identity.method, item.identity.bits, item.identity.seed): found.folders[item.place]
        for item in found.records
    }


def of(folder):
    item = store.load(folder)
    found = robustness.read(folder, item.key)
    assert isinstance(found, robustness.Robustness), found
    return item, found


def test_a_trained_cell_is_perturbed_later_without_training(call, trained, tmp_path):
    words = ("--epochs", 1, "--set", "conmh.size=mini", "--seeds", 0, 1)
    trained(*words, methods=("itq", "conmh"))
    before = {key: (folder / record.RECORD).read_bytes() for key, folder in cells(tmp_path).items()}
    code, printed = call("robustness")
    assert code == 0 and printed.out.count("loses") == 4
    assert "[1/4] conmh on tiny, 8 bits, seed 0: mAP@20 " in printed.out
    assert "share of mAP@20 that is lost" in printed.out
    for key, folder in cells(tmp_path).items():
        item, found = of(folder)
        assert (folder / record.RECORD).read_bytes() == before[key]
        assert len(found.perturbed) == 20 and found.code["digest"] and found.environment["packages"]["torch"]
        assert set(found.timing) == {"encode", "evaluate", "statistics"}
        for preset, measured in item.metrics.items():
            assert found.clean[preset] == {name: measured.metrics[name] for name in found.clean[preset]}
            table = robustness.read_precisions(folder, found, preset)
            assert table.shape == (30, 21)
            with np.load(folder / record.QUERIES, allow_pickle=False) as stored:
                assert (table[:, 0] == stored[f"ap_{preset}"][:, stored["k"].tolist().index(20)]).all()
    _, blind = of(cells(tmp_path)["itq", 8, 0])
    assert all(item.map == blind.clean for item in blind.perturbed if item.perturbation in ("shuffle", "reverse"))
    assert any(item.loss["field"].mean != 0 for item in blind.perturbed if item.perturbation == "drop")


def test_what_is_there_is_kept_and_measured_again_on_request(call, trained, tmp_path):
    printed = trained("--robustness", bits=(8, 12))
    assert printed.out.count("loses") == 2 and "kept" not in printed.out
    first = {key: (folder / robustness.FILE).read_bytes() for key, folder in cells(tmp_path).items()}
    assert call("robustness")[1].out.count("(kept, made") == 2
    assert trained("--robustness", bits=(8, 12)).out.count("(kept, made") == 4
    assert {key: (folder / robustness.FILE).read_bytes() for key, folder in cells(tmp_path).items()} == first
    (cells(tmp_path)["itq", 8, 0] / robustness.QUERIES).unlink()
    _, printed = call("robustness", "--bits", 8)
    assert printed.out.count("loses") == 1 and "kept" not in printed.out
    assert "kept" not in call("robustness", "--rerun")[1].out
    for key, folder in cells(tmp_path).items():
        again, before = of(folder)[1], robustness.Robustness.model_validate_json(first[key])
        assert (again.clean, again.perturbed) == (before.clean, before.perturbed)


def test_cells_are_chosen(call, trained, tmp_path, tiny):
    trained("--seeds", 0, 1, methods=("itq", "lsh"), bits=(8, 12))
    code, printed = call("robustness", "--methods", "lsh", "--bits", 12, "--seeds", 1, "--datasets", tiny)
    assert code == 0 and "[1/1] lsh on tiny, 12 bits, seed 1" in printed.out
    measured = [key for key, folder in cells(tmp_path).items() if (folder / robustness.FILE).exists()]
    assert measured == [("lsh", 12, 1)]
    for words in (["--methods", "pcah"], ["--bits", 64], ["--seeds", 7]):
        code, printed = call("robustness", *words)
        assert code == 2 and "no finished cell is of this choice" in printed.err
    code, printed = call("robustness", "--methods", "lhs")
    assert code == 2 and "did you mean 'lsh'?" in printed.err


def test_a_cell_whose_model_and_codes_part_is_refused_and_the_others_go_on(call, trained, tmp_path):
    trained(methods=("itq", "lsh", "random", "sh"))
    found = cells(tmp_path)
    codes = read_codes(found["itq", 8, 0] / record.CODES)
    packed = codes["query"].packed.copy()
    packed[0, 0] ^= np.uint64(1)
    write_codes(found["itq", 8, 0] / record.CODES, {**codes, "query": codes["query"]._replace(packed=packed)})
    (found["lsh", 8, 0] / record.MODEL).unlink()
    (found["sh", 8, 0] / record.CODES).write_bytes(b"PK")
    code, printed = call("robustness")
    assert code == 1 and "Traceback" not in printed.out + printed.err
    assert (
        "itq on tiny, 8 bits, seed 0: NOT MEASURED: is stale" in printed.out and "1 of 240 bits differ" in printed.out
    )
    assert "NOT MEASURED" in printed.out and "no such checkpoint file" in printed.out
    assert "its stored codes cannot be read" in printed.out
    assert [key[0] for key, folder in found.items() if (folder / robustness.FILE).exists()] == ["random"]


def test_other_data_of_the_same_name_are_refused(call, trained, tmp_path, tiny):
    trained()
    other = tmp_path / "tiny"
    shutil.copytree(tiny, other)
    labels = np.load(other / "query.npy")
    np.save(other / "query.npy", labels[::-1])
    code, printed = call("robustness", "--datasets", other)
    assert code == 2 and "dataset 'tiny' is not the one that the cells were made from" in printed.err
    (facts,) = (tmp_path / "results" / "tiny").glob("data-*/dataset.json")
    facts.write_text(facts.read_text().replace(json.dumps(str(tiny)), json.dumps(str(other))))
    code, printed = call("robustness")
    assert code == 2 and "expected fingerprint" in printed.err and "Traceback" not in printed.err
    assert call("robustness", "--datasets", tiny)[0] == 0


def test_a_part_of_a_dataset_is_recorded_with_the_file_of_the_whole(call, trained, tmp_path):
    trained("--subset", 40)
    assert call("robustness")[0] == 0
    (folder,) = cells(tmp_path).values()
    item, found = of(folder)
    assert item.identity.subset == 40
    assert found.code["dataset_file"] == item.code["dataset_file"] == "benchmark/data/file_dataset.py"
    assert found.code["digest"] == item.code["digest"]


def test_a_folder_without_results_is_told(call):
    code, printed = call("robustness")
    assert code == 2 and "no such results folder" in printed.err


def test_codes_that_were_replaced_are_measured_anew(call, trained, tmp_path):
    trained("--robustness")
    (folder,) = cells(tmp_path).values()
    path = folder / robustness.FILE
    path.write_text(path.read_text().replace('"codes": "', '"codes": "0'))
    _, printed = call("robustness")
    assert "kept" not in printed.out and printed.out.count("loses") == 1


def test_bfloat16_cells_encode_in_bfloat16(call, trained, tmp_path):
    trained("--precision", "bf16", "--epochs", 1, "--set", "conmh.size=mini", methods=("conmh",))
    code, printed = call("robustness")
    assert code == 0 and "conmh on tiny, 8 bits, seed 0, bf16: mAP@20" in printed.out


def test_self_retrieval_is_said_on_the_page(call, tiny, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(tiny, folder)
    toml = (folder / "dataset.toml").read_text().replace('name = "tiny"', 'name = "own"\nquery = "database"')
    head, tail = toml.split("[train]")
    tail = tail.split("[query]")[0]
    (folder / "dataset.toml").write_text(f"{head}[train]{tail}[protocol]\nself_retrieval = true\n")
    code, printed = call("run", "--methods", "lsh", "--datasets", folder, "--bits", 8, "--robustness", page=True)
    assert code == 0, printed.err
    (place,) = cells(tmp_path).values()
    item, found = of(place)
    assert item.data.self_retrieval and found.self_retrieval
    lost = {(p.perturbation, p.strength): p.loss for p in found.perturbed}
    assert lost["noise", 2.0]["strict"].mean > 0
    text = (tmp_path / "results" / "html" / "index.html").read_text()
    assert "its own intact copy included where the protocol" in text


def test_moving_digits_from_the_command_line(call, tmp_path):
    words = ("--methods", "lsh", "--datasets", "moving_digits", "--bits", 16)
    code, _ = call("run", *words, "--robustness")
    assert code == 0
    (folder,) = cells(tmp_path).values()
    _, found = of(folder)
    lost = {(p.perturbation, p.strength): p.loss["field"] for p in found.perturbed}
    assert lost["reverse", 1.0].mean == lost["shuffle", 1.0].mean == 0
    assert lost["drop", 0.9].low > 0 and lost["crop", 0.9].low > 0
    assert lost["drop", 0.25].mean < lost["drop", 0.9].mean


def test_a_toml_file_may_ask_for_it(call, tmp_path, tiny):
    (tmp_path / "e.toml").write_text(f'methods = ["lsh"]\ndatasets = ["{tiny}"]\nbits = [8]\nrobustness = true\n')
    code, printed = call("run", "--config", tmp_path / "e.toml")
    assert code == 0 and "loses" in printed.out
    (tmp_path / "e.toml").write_text('methods = ["lsh"]\nrobustness = "yes"\n')
    code, printed = call("run", "--config", tmp_path / "e.toml")
    assert code == 2 and "key 'robustness'" in printed.err
