"""What only PostgreSQL has: its catalog, locks, notifications, plans and migrations."""
