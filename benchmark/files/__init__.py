"""What lies on disk, whatever it means: atomic writes, arrays, labels, pictures, tensors, artefacts, locks."""
