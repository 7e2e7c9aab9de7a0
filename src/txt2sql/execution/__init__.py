"""The execution floor: databases opened read-only, statements that can be stopped, results compared."""
