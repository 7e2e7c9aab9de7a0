"""Schema + question -> Prompt: the only renderer, for training and inference alike.

render("How many singers are there?", schema).text
"""

from txt2sql.prompts.ddl import ANSWER_TOKENS, count_tokens, question_prompt, render
from txt2sql.prompts.shots import Shot

__all__ = ["ANSWER_TOKENS", "Shot", "count_tokens", "question_prompt", "render"]
