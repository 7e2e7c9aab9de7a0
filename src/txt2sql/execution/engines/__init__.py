"""The engines beside SQLite: one file each for what runs inside the process that talks to it."""
