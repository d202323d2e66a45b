"""What an experiment file may say, one file per part, and how it is read. The named rows are in `methods.yaml`."""
