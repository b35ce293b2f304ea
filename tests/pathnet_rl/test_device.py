import subprocess
import sys

import pytest

PROBE = """
import os, torch
from pathnet_rl.device import make_reproducible
make_reproducible({device!r})
workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), workspace)
"""


@pytest.mark.parametrize(("device", "printed"), [("cpu", "1 False None"), ("cuda", "1 True :4096:8")])
def test_a_process_computes_on_one_thread_and_on_cuda_in_one_order(device, printed):
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(device=device)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == printed
