"""UCF101: 101 actions, official split 1, 25 frames of 4096 values; the training set is also the database."""

from __future__ import annotations

from typing import ClassVar

from benchmark.data.file_dataset import FileDataset, one


class UCF101(FileDataset):
    """Soomro, Zamir, Shah: UCF101 (CRCV-TR-12-01, 2012)."""

    title = "UCF101"
    source = (
        "UCF101 (Soomro, Zamir, Shah, 2012), frame features as distributed with S5VH (Wang et al., AAAI 2025); "
        "the download is linked in the README of github.com/gimpong/AAAI25-S5VH (Baidu disk)"
    )
    official: ClassVar = {"train": 9_537, "database": 9_537, "query": 3_783}

    train_files = one("ucf_train_feats.h5", "ucf_train_labels.mat")
    database_files = one("ucf_train_feats.h5", "ucf_train_labels.mat")
    query_files = one("ucf_test_feats.h5", "ucf_test_labels.mat")
