"""What does every room need?

Arrays and their checks (`arrays`), what messages call an argument (`argument_names`), units of coordinates (`units`),
checks of parameters that many functions have (`parameters`), small symmetric matrices (`linalg`), probabilities of
the normal distribution and their quantiles (`quantiles`), progress bars (`progress`), and whether another package
shares the folder of this one (`installation`).
Nothing here depends on observations or mixtures.
"""
