"""Names that methods, cells and records share: precisions, and the variant of a method that has only one."""

FP32, BF16 = "fp32", "bf16"

DEFAULT_VARIANT = "default"
"""The name of a method's only variant, which no label and no command shows."""
