"""How sure are we?

`parameter_errors` gives standard errors from the information matrix; `width_limit` says from the profile likelihood
whether a width is consistent with zero, and how large it may be; `background_limit` how large a background may be that
was not found.  To add a method, write a function of a mixture and its observations that returns a record like
`ParameterErrors`.
"""

from .background import background_limit
from .information import ParameterErrors, parameter_errors
from .limits import WidthLimit, width_limit

__all__ = ["ParameterErrors", "WidthLimit", "background_limit", "parameter_errors", "width_limit"]
