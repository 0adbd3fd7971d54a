"""FCVID: 239 categories of web video, VGG features, 25 frames of 4096 values; the test set is its own query set."""

from __future__ import annotations

from typing import ClassVar

from benchmark.data.file_dataset import FileDataset, one


class FCVID(FileDataset):
    """Jiang, Wu, Wang, Xue, Chang: Exploiting feature and class relationships in video categorization (TPAMI 2018)."""

    title = "FCVID"
    source = (
        "FCVID (Jiang et al., TPAMI 2018), VGG features by the SSVH authors (Song et al., TIP 2018); "
        "the download is linked in the README of github.com/gimpong/AAAI23-ConMH (Baidu disk)"
    )
    official: ClassVar = {"train": 45_585, "database": 45_600, "query": 45_600}

    train_files = one("fcv_train_feats.h5", "fcv_train_labels.mat")
    database_files = one("fcv_test_feats.h5", "fcv_test_labels.mat")
    query_files = None
