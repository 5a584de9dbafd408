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

AGENT_SOURCE = """
import json, os, signal, socket
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = socket.socket(socket.AF_UNIX)
server.bind("/run/door/lab.sock")
os.chmod("/run/door/lab.sock", 0o660)
server.listen(16)

def serve(connection):
    asked = b""
    while not asked.endswith(b"\\0"):
        asked += connection.recv(65536) or b"\\0"
        if asked.startswith(b"GET "):
            return b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"
    space = {}
    try:
        exec(asked.rstrip(b"\\0").decode(), space)
        answer = {"result": space.get("result")}
    except BaseException as error:
        answer = {"refused": type(error).__name__, "errno": getattr(error, "errno", None), "words": str(error)}
    return json.dumps(answer).encode()

while True:
    connection, _ = server.accept()
    child = -1
    try:
        child = os.fork()
    except OSError:
        pass
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            connection.sendall(serve(connection))
            connection.shutdown(socket.SHUT_RDWR)  # what the code left running has a copy of it
        finally:
            os._exit(0)
    connection.close()
"""

AGENT = ("/opt/tre/workspace/bin/python", "-I", "-S", "-c", AGENT_SOURCE)
"""A researcher who does what a test says: runs Python code that arrives on the socket, each in a process of its own."""

SERVERS = {"stubborn": SIGNALS_IGNORED, "agent": AGENT}
