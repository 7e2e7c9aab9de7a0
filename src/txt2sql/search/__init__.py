"""Search at test time: Monte Carlo tree search over the steps of an answer, and the final choice.

`mcts` is the algorithm and knows no SQL; `state`, `actions` and `relaxation` say what a step is and
when it cannot be right; `vote` chooses among results; `predictor` is all of it behind one method.
Nothing here takes an example with its gold query: questions come in as `state.Question`.
"""
