"""Every mistake of a user ends in one clear sentence on standard error and exit code 2."""

import numpy as np
import pytest

from benchmark.cli import main


@pytest.fixture
def told(capsys, monkeypatch, tmp_path, cache_root):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    monkeypatch.setenv("VIDEO_HASHING_DATA", str(tmp_path / "data"))

    def call(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        assert code == 2
        assert printed.err.startswith("error: ")
        sentence = printed.err.strip().splitlines()
        assert len(sentence) == 1
        return sentence[0]

    return call


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "run needs --methods"),
        (["run", "--methods", "conhm"], "unknown method 'conhm'; did you mean 'conmh'?"),
        (["run", "--methods", "itq", "--datasets", "fcvd"], "unknown dataset 'fcvd'; did you mean 'fcvid'?"),
        (["run", "--methods", "itq", "--datasets", "fcvid"], "dataset 'fcvid' is not here: "),
        (["run", "--methods", "itq", "--datasets", "no/such/folder"], "no/such/folder: no such folder"),
        (["run", "--methods", "itq", "--datasets", "synthetic:videos"], "cannot read the option 'videos'"),
        (["run", "--methods", "itq", "--datasets", "synthetic:vidoes=3"], "videos"),
        (["run", "--methods", "itq", "--datasets", "moving_digits:x=3"], "takes no options"),
        (["run", "--methods", "itq", "--bits", "0"], "--bits is out of range"),
        (["run", "--methods", "itq", "--config", "absent.toml"], "absent.toml: no such file"),
        (["run", "--methods", "itq", "--set", "itq.iteration=3", "--datasets", "synthetic"], "no setting 'iteration'"),
        (["report", "--results", "absent"], "absent: no such results folder"),
        (["encode", "--method", "conmh", "--checkpoint", "a", "--features", "b", "--out", "c.txt"], "ends in .npz"),
        (["evaluate", "--database-codes", "a.npy", "--database-labels", "b.npy"], "needs --query-codes"),
    ],
)
def test_one_sentence(told, words, message):
    assert message in told(*words)


def test_a_folder_without_dataset_toml(told, tmp_path):
    assert "dataset.toml" in told("run", "--methods", "itq", "--datasets", tmp_path)


def test_cuda_where_there_is_none(told, tiny):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    message = told("run", "--methods", "itq", "--datasets", tiny, "--device", "cuda")
    assert "no CUDA device is visible to torch; use --device cpu or auto" in message


def test_evaluate_refuses_self_with_queries(told):
    words = ("evaluate", "--self", "--database-codes", "a.npy", "--database-labels", "b.npy")
    assert "leave the query files out" in told(*words, "--query-codes", "c.npy")
    assert "a.npy" in told(*words)


def test_encode_refuses_what_does_not_fit(told, tiny, tmp_path):
    import torch

    from benchmark.files.tensors import MODEL_FORMAT, save_tensors

    def encode(checkpoint, method="itq", features=tiny / "query.h5", *more):
        return told(
            *("encode", "--method", method, "--checkpoint", checkpoint, "--features", features),
            *("--out", tmp_path / "codes.npz", *more),
        )

    path = tmp_path / "model.pt"
    assert "no such checkpoint file" in encode(path)
    path.write_text("text")
    assert "model.pt" in encode(path)
    ours = {"format": MODEL_FORMAT, "method": "lsh", "bits": 8, "frames": 6, "dim": 24, "config": "{}", "state": {}}
    save_tensors(path, ours)
    assert "is a checkpoint of another method; expected itq, found lsh" in encode(path)
    assert "does not fit the method's settings" in encode(path, "lsh")
    save_tensors(path, {**ours, "dim": 4096})
    assert "expected 6 frames of 4096 dimensions, found 6 frames of 24 dimensions" in encode(path, "lsh")
    save_tensors(path, {"weights": torch.zeros(2)})
    assert "checkpoint" in encode(path, "lsh")
    assert "absent.h5" in encode(path, "itq", tmp_path / "absent.h5")
    assert "feat" in encode(path, "itq", tiny / "query.h5", "--key", "feat")
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert "x.npy" in encode(path, "itq", tmp_path / "x.npy")


def test_argparse_mistakes_exit_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["run", "--bits", "many"])
    assert caught.value.code == 2
    assert "invalid int value: 'many'" in capsys.readouterr().err
