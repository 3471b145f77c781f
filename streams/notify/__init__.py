"""The notifier: people are notified of stalled leads (docs/notifications.md)."""
