"""Run a program observed, silently, and print how many seconds that took longer than nothing: observe.py METHOD WORDS…

The clock starts where smt has loaded what it needs anyway, and ends with the program; ``none`` is to compare with.
"""

import os
import sys
import tempfile
import time

from sumatra.capture import observation

method, *words = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    nowhere = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    observer = observation.begin(os.path.join(folder, "log"), method)
    pid = observer.spawn(words[0], words, os.environ, {0: nowhere, 1: nowhere}, ())
    _, status = os.waitpid(pid, 0)
    took = time.perf_counter() - began
    observer.finish()
print(took)
sys.exit(os.waitstatus_to_exitcode(status) != 0 or observer.method != method.partition("/")[0])
