"""Search at test time: Monte Carlo tree search over the steps of an answer, and the final choice.

Nothing here takes an example with its gold query: questions come in as `states.Question`.
"""
