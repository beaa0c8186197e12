"""The SQLite engine: one database file in WAL mode, for a drive on one machine."""
