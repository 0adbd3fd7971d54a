"""HMDB51: 51 actions, official split 1, 25 frames of 4096 values; the training set is also the database."""

from __future__ import annotations

from typing import ClassVar

from benchmark.data.file_dataset import FileDataset, one


class HMDB51(FileDataset):
    """Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB, a large video database for human motion recognition (ICCV 2011)."""

    title = "HMDB51"
    source = (
        "HMDB51 (Kuehne et al., ICCV 2011), frame features as distributed with S5VH (Wang et al., AAAI 2025); "
        "the download is linked in the README of github.com/gimpong/AAAI25-S5VH (Baidu disk)"
    )
    official: ClassVar = {"train": 3_570, "database": 3_570, "query": 1_530}

    train_files = one("hmdb_train_feats.h5", "hmdb_train_labels.mat")
    database_files = one("hmdb_train_feats.h5", "hmdb_train_labels.mat")
    query_files = one("hmdb_test_feats.h5", "hmdb_test_labels.mat")
