"""ActivityNet: 200 activities, ResNet-50 features, 30 frames of 2048 values."""

from __future__ import annotations

from typing import ClassVar

from benchmark.data.file_dataset import FileDataset, one


class ActivityNet(FileDataset):
    """Caba Heilbron, Escorcia, Ghanem, Niebles: ActivityNet (CVPR 2015). The training split has no labels."""

    title = "ActivityNet"
    source = (
        "ActivityNet (Caba Heilbron et al., CVPR 2015), ResNet-50 features by the BTH authors (Li et al., CVPR 2021); "
        "the download is linked in the README of github.com/gimpong/AAAI23-ConMH (Baidu disk)"
    )
    official: ClassVar = {"train": 9_722, "database": 3_758, "query": 1_000}

    train_files = one("train_feats.h5")
    database_files = one("test_feats.h5", "re_label.mat", labels_key="re_label")
    query_files = one("query_feats.h5", "q_label.mat", labels_key="q_label")
