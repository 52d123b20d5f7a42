"""Formulas as MathML, translated by docutils: browsers show them without a network, a font or a script."""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

FUNCTION = re.compile(
    r"(<mi[^>]*>(?:ln|det|exp|tr)</mi>)"
)  # docutils puts no space between a function and what follows
logger = logging.getLogger(__name__)


def translated(node, *, as_block):
    """The MathML of a formula; where docutils does not know a command of it, a warning and the LaTeX itself."""
    text = node.astext()
    body = text.replace(r"\begin{align}", "").replace(r"\end{align}", "").strip()  # amsmath of a page in Markdown
    try:
        return FUNCTION.sub(r'\1<mspace width="0.17em"/>', tex2mathml(body, as_block=as_block))
    except SyntaxError as error:
        logger.warning("a formula cannot be shown: %s in %s", error, text, location=node)
        return f"<code>{text}</code>"


def inline(writer, node):
    """Write a formula in a line."""
    writer.body.append(translated(node, as_block=False))
    raise nodes.SkipNode


def display(writer, node):
    """Write a formula on lines of its own, with its number."""
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append(translated(node, as_block=True))
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Offer the renderer to `html_math_renderer`."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
