"""The store as a whole: who uses which step, what nobody uses, and bundles for another machine."""
