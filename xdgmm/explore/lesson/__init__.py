"""How do pages work that need no server?

Their mathematics is JavaScript: `mixture.js` and `em.js` hold functions of numbers, `random.js` the random numbers of
NumPy; `mixture_page.js` and `em_page.js` turn clicks and drags into components, and components into curves.

- `mixture_lesson`: figures and widgets of a mixture that is moved by hand, which the server shows as its first tab;
- `em_lesson`: those of expectation maximisation, step by step;
- `scripts`: callbacks of bokeh from the JavaScript;
- `export`: both lessons in one HTML file.
"""
