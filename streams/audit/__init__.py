"""The audit: what folds the archive again, to verify, preview, reconcile and explain."""
