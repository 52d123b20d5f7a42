#!/usr/bin/env bash
# What a machine with an NVIDIA card can check: the tests of cards, and the benchmark, whose tables bear the card's name.
# Usage: tools/gpu_checks.sh [FOLDER]
# It installs nothing, ends within ten minutes, and writes tests.txt, gpu.md and gpu.json to FOLDER (gpu-checks): the last
# after each row, so that it holds what was measured until then.
# PYTHON chooses the interpreter, which must have the extras test and cuda.  Exit code 2 and one sentence without a card.
set -euo pipefail

mkdir -p "${1:-gpu-checks}"
folder=$(cd "${1:-gpu-checks}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}

"$python" - <<'END'
import sys

from xdgmm.errors import InputError
from xdgmm.kernels import device_in_words

try:
    print(device_in_words("cuda"))
except InputError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
END

export PYTHONUNBUFFERED=1  # what was printed before a limit is kept
failed=0
timeout -k 15 240 "$python" -m pytest -q -n 0 -m gpu -rs 2>&1 | tee "$folder/tests.txt" || failed=1
timeout -k 15 300 "$python" -m benchmarks gpu --output "$folder/gpu.json" 2>&1 | tee "$folder/gpu.md" || failed=1
exit $failed
