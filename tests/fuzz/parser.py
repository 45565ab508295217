"""Coverage-guided fuzzing of the parser of the textual IR, run by hand:

    pip install atheris
    python tests/fuzz/parser.py CORPUS -max_total_time=3600 -rss_limit_mb=2048 -timeout=10

Whatever the text, `parse_module` returns a module or raises `ParseError`. A module that it returns prints, and what is
printed parses to the same; the verifier answers. Anything else ends the run and leaves the text in a file `crash-*`,
which belongs into `tests/ir/malformed.txt`.
"""

import re
import sys

import atheris

with atheris.instrument_imports(include=["arignote"]):
    from arignote.ir.canonical import structural_hash
    from arignote.ir.lexer import ParseError
    from arignote.ir.parse import parse_module
    from arignote.ir.text import print_module
    from arignote.ir.verify import violations

# What Python says of its own calls and objects tells nothing to who wrote the text.
PYTHON = re.compile(r"positional|keyword-only|argument|object has|NoneType|<class|Error|infer\(\)|iterable")


def one(data: bytes) -> None:
    """One text."""
    text = data.decode("utf-8", "replace")
    try:
        module = parse_module(text)
    except ParseError as e:
        message = str(e)
        assert message.startswith("<text>:") and "^" in message, message
        assert not PYTHON.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", message.splitlines()[0])), message
        return
    valid = not list(zip(violations(module), range(20), strict=False))
    printed = print_module(module)
    assert print_module(parse_module(printed)) == printed
    if valid:
        assert structural_hash(parse_module(printed)) == structural_hash(module)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
