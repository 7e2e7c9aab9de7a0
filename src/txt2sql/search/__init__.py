"""Search at test time: Monte Carlo tree search over the steps of an answer, and the final choice.

`mcts` is the algorithm and knows no SQL; `steps` and `states` say what a step is, when it cannot be
right, and what an answer so far is worth; `predictor` is all of it behind one method, with the vote of
`models.vote`; `tree` is what people read. Nothing here takes an example with its gold query: questions
come in as `states.Question`.
"""
