"""A server that stands in for JupyterLab where only its life matters: it answers 200 on the workspace's socket.

Started inside a sandbox with `python -c`; what it does on the side is chosen by its arguments.
"""

SOURCE = """
import os, signal, socket, sys, time
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        continue
server = socket.socket(socket.AF_UNIX)
server.bind("/run/door/lab.sock")
os.chmod("/run/door/lab.sock", 0o660)
server.listen(16)
held = open("/home/researcher/held", "ab")
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(60)
while True:
    connection, _ = server.accept()
    with connection:
        try:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
        except OSError:
            continue  # whoever asked has hung up
"""

SIGNALS_IGNORED = ("/opt/tre/workspace/bin/python", "-I", "-S", "-c", SOURCE)
"""A server that ignores every signal it can, holds a file open, and has children in sessions of their own."""
