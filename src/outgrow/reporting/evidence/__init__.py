"""The contents of finished folders: answers, labels, texts, and the provenance of each row."""
