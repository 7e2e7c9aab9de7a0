"""`python -m txt2sql` is the command `txt2sql`."""

from txt2sql.cli.main import main

if __name__ == "__main__":
    main()
