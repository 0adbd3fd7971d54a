"""YFCC: 80 concepts, VGG features, 25 frames of 4096 values, in 9 training and 2 test shards."""

from __future__ import annotations

from typing import ClassVar

from benchmark.data.file_dataset import FileDataset, one, shards


class YFCC(FileDataset):
    """Thomee et al.: YFCC100M (Communications of the ACM 2016). The first few shards of a split will do."""

    title = "YFCC"
    source = (
        "YFCC100M (Thomee et al., CACM 2016), VGG features by the SSVH authors (Song et al., TIP 2018); "
        "the download is linked in the README of github.com/gimpong/AAAI23-ConMH (Baidu disk)"
    )
    official: ClassVar = {"train": 409_788, "database": 101_256, "query": 1_000}

    train_files = shards(9, "yfcc_train_feats_{}.h5")
    database_files = shards(2, "yfcc_test_feats_{}.h5", "yfcc_test_labels_{}.mat")
    query_files = one("query1000_feats.h5", "query1000_labels.mat")
