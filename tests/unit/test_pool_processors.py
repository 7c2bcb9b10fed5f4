"""A pool is the same on every processor."""

import json
import os
import subprocess
import sys

from e2e_data.config import load
from e2e_data.pool import Pool

KNOBS = {
    "hostile_percentage": "2.5",
    "pattern_percentage": 20,
    "boundary_percentage": 20,
    "hot_account_share": 20,
    "hot_payment_share": 50,
    "regions": ["a", "b"],
}
SCRIPT = (
    "import json\n"
    "from numpy._core import _multiarray_umath as core\n"
    "from e2e_data.config import load\n"
    "from e2e_data.pool import Pool\n"
    f"pool = Pool.in_memory(load('small', {KNOBS}), 7)\n"
    "used = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]\n"
    "print(json.dumps([used, [shard.hash for shard in pool.shards()]]))\n"
)


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_without_the_processor_features_that_numpy_dispatches_on():
    """Vector instructions change no hash: what numpy would use here is switched off, and compared."""
    used, with_them = run()
    left, without = run(NPY_DISABLE_CPU_FEATURES=" ".join(used))
    assert left == []
    assert with_them == without
    assert with_them == [shard.hash for shard in Pool.in_memory(load("small", KNOBS), 7).shards()]
