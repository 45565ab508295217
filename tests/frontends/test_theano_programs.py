"""Programs that say `import theano`."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import numpy
import theano
import theano.tensor as T
import theano.tensor.nnet as nnet
from theano import config, function, shared
from theano.compile.ops import *
from theano.gof.graph import inputs
from theano.ifelse import ifelse
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams
import theano.tensor.var
import theano.scan_module.scan_utils
import arignote

assert theano is arignote and T is arignote.tensor and T.nnet is nnet
assert T.var is arignote.tensor.var and callable(T.var)
x = T.vector("x", dtype="float64")
w = shared(numpy.zeros(3), name="w")
cost = ((T.dot(x, w) - 1.0) ** 2).sum()
step = theano.function([x], cost, updates=[(w, w - float(sys.argv[2]) * T.grad(cost, w))])
for _ in range(50):
    last = step(numpy.arange(3.0))
print("cost %.6f" % last, w.get_value().round(3).tolist(), __name__, sys.argv[1:])
"""


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arignote.frontends.cli.main", "run", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_program_runs_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_text(PROGRAM)
    done = run(script, "--rate", "0.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cost 0.000000 [0.0, 0.2, 0.4] __main__ ['--rate', '0.1']\n"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_text("import theano.sandbox.cuda.dnn\n")
    done = run(script)
    assert done.returncode == 1
    assert "No module named 'theano.sandbox.cuda'" in done.stderr and "docs/surface.md" in done.stderr
    assert f'File "{script}", line 1' in done.stderr


def test_theano_itself_is_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "theano.py").write_text("")
    script = "import sys; sys.path.insert(0, sys.argv[1]); import theano; import arignote.theano"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Theano itself is loaded already" in done.stderr
