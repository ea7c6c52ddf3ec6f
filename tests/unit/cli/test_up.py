"""How a command is told to stop."""

import subprocess
import sys

#: Sends the signal at each line in turn that waiting comes to, and waits on.
PROGRAM = """
import signal, sys, threading
from drlactors.cli.up import until_signal

def signal_at(line):
    def trace(frame, event, _):
        nonlocal line
        if event == "line":
            line -= 1
            if line == 0:
                signal.raise_signal(signal.SIGTERM)
        return trace
    return trace

for line in range(1, 30):
    with until_signal() as stopped:
        late = threading.Timer(0.2, stopped.set)  # where waiting has fewer lines
        late.start()
        sys.settrace(signal_at(line))
        stopped.wait()
        sys.settrace(None)
        late.cancel()
        late.join()
print("stopped each time")
"""


#: The kernel may give a signal to any thread.
ELSEWHERE = """
import signal, threading, time
from drlactors.cli.up import until_signal

def other():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)

with until_signal() as stopped:
    threading.Thread(target=other, daemon=True).start()
    stopped.wait()
print("stopped")
"""


def test_a_signal_that_another_thread_took_stops_a_command_as_well() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, timeout=600, check=False)
    assert (done.stdout, done.returncode) == ("stopped\n", 0), done.stderr


def test_a_signal_stops_a_command_at_whatever_point_of_its_waiting_it_comes() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=600, check=False)
    assert (done.stdout, done.returncode) == ("stopped each time\n", 0), done.stderr
