"""The command line: `main` and one file per command. Heavy imports happen inside the commands.

txt2sql ask "How many shops are there?"
"""
