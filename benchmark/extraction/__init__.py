"""From a folder of videos to frame features: collecting, decoding, a backbone, and files in the field's layout."""
