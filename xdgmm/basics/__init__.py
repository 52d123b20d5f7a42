"""What does every room need?

Arrays and their checks (`arrays`), units of coordinates (`units`), checks of parameters that many functions have
(`parameters`), small symmetric matrices (`linalg`) and progress bars (`progress`).  Nothing here knows what an
observation or a mixture is.
"""
