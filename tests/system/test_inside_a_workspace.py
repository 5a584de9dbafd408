"""A curious researcher with a kernel: everything that must not be possible from inside, tried through the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTEMPT = """
import json

def attempt(function):
    try:
        return 'possible: ' + repr(function())
    except BaseException as error:
        return f'{{type(error).__name__}} {{getattr(error, "errno", "")}}'

{setup}
print(json.dumps(attempt(lambda: {expression})))
"""


async def tried(lab: Lab, expression: str, setup: str = "") -> str:
    """What became of an attempt in a kernel: the error, or `possible: …`."""
    printed = (await lab.run([ATTEMPT.format(expression=expression, setup=setup)]))[0]
    return str(json.loads(next(line for line in printed.splitlines() if line.startswith('"'))))


IMPOSSIBLE = {
    "connect out": ("socket.create_connection(('192.0.2.1', 443), 1)", "import socket", "OSError 97"),
    "connect to the gateway": ("socket.create_connection(('127.0.0.1', 8000), 1)", "import socket", "OSError 97"),
    "resolve a name": ("socket.getaddrinfo('example.org', 80)", "import socket", "gaierror"),
    "send a datagram": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "import socket", "OSError 97"),
    "open a raw socket": ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "import socket", "OSError 97"),
    "change the data": ("open('/data/chest-xray/README.md', 'a')", "", "PermissionError 13"),
    "add to the data": ("open('/data/chest-xray/new', 'w')", "", "OSError 30"),
    "remove data": ("os.unlink('/data/chest-xray/README.md')", "import os", "OSError 30"),
    "keep data by a hard link": (
        "os.link('/data/chest-xray/README.md', '/home/researcher/kept')",
        "import os",
        "OSError 18",
    ),
    "change programs": ("open('/opt/tre/init/seal.py', 'a')", "", "PermissionError 13"),
    "change the environment": ("open('/opt/tre/workspace/bin/python', 'ab')", "", "PermissionError 13"),
    "write beside the mounts": ("open('/new', 'w')", "", "OSError 30"),
    "read the machine's files": ("open('/etc/shadow').read()", "", "FileNotFoundError 2"),
    "see other homes": (
        "os.listdir('/home/researcher/..').remove('researcher') or os.listdir('/home')[5]",
        "import os",
        "IndexError",
    ),
    "see the services' sockets": ("os.listdir('/run/tre')", "import os", "FileNotFoundError 2"),
    "become root": ("os.setuid(0)", "import os", "OSError 22"),
    "mount": (
        "ctypes.CDLL(None, use_errno=True).mount(b't', b'/tmp', b'tmpfs', 0, None) and 1 / 0",
        "import ctypes",
        "ZeroDivisionError",
    ),
    "make a namespace": (
        "subprocess.run(['unshare', '-Ur', 'true'], check=True)",
        "import subprocess",
        "CalledProcessError",
    ),
    "read the first process": ("open('/proc/1/mem', 'rb').read(1)", "", "PermissionError 13"),
    "read its environment": ("open('/proc/1/environ').read()", "", "PermissionError 13"),
    "kill the first process": (
        "(os.kill(1, 9), os.kill(1, 0), time.sleep(0.2), open('/proc/1/status').read()[:0] or 1 / 0)",
        "import os, time",
        "ZeroDivisionError",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(world: World) -> AsyncIterator[Lab]:
    """One workspace serves all attempts: each runs in a kernel of its own."""
    grant = world.grant("inside")
    async with world.signed_in("alice") as (browser, projects):
        yield await open_workspace(browser, projects, grant, world.shell_of)


async def test_nothing_that_must_not_be_possible_is(lab: Lab) -> None:
    found = {name: await tried(lab, expression, setup) for name, (expression, setup, _) in IMPOSSIBLE.items()}
    wrong = {name: words for name, words in found.items() if not words.startswith(IMPOSSIBLE[name][2])}
    assert wrong == {}


async def test_what_a_researcher_needs_is_possible(lab: Lab) -> None:
    printed = await lab.run(
        [
            "import pandas, pydicom, sklearn, SimpleITK, matplotlib; print('imports')",
            "from pathlib import Path; print(len(list(Path('/data/chest-xray/data').rglob('*.dcm'))) > 0)",
            "from multiprocessing import Pool\nwith Pool(2) as pool: print(sum(pool.map(abs, range(10))))",
            "for place in ('home/researcher', 'outbox', 'shared'): open(f'/{place}/a', 'w').write('x')",
            "import subprocess; print(subprocess.run(['ls', '/'], capture_output=True).returncode)",
        ]
    )
    assert printed == ["imports\n", "True\n", "45\n", "", "0\n"]


async def test_no_secret_and_no_path_of_the_machine_shows_inside(lab: Lab, world: World) -> None:
    shown = (
        await lab.run(
            [
                "import glob, os\n"
                "texts = [repr(dict(os.environ))]\n"
                "for path in glob.glob('/proc/[0-9]*/cmdline') + ['/proc/self/mountinfo']:\n"
                "    try:\n        texts.append(open(path).read())\n    except OSError:\n        continue\n"
                "print('\\n'.join(texts))"
            ]
        )
    )[0]
    outside = shown.partition("/proc/self/mountinfo")[0]
    for secret in ("token", "csrf", "alice"):
        assert secret not in outside.replace("IdentityProvider.token=", "").lower()
    assert str(world.here.layout.keys) not in shown
    assert "home.ext4" not in shown


async def test_memory_beyond_the_limit_kills_the_kernel_and_nothing_else(lab: Lab) -> None:
    words = await tried(
        lab,
        "os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])",
        "import os\nchild = os.fork()\nheld = []\nwhile child == 0:\n    held.append(bytearray(2**26))",
    )
    assert words == "possible: -9"
    assert await lab.run(["print('alive')"]) == ["alive\n"]


async def test_processes_beyond_the_limit_are_refused_and_the_workspace_lives(lab: Lab) -> None:
    words = await tried(
        lab,
        "len(children) and refused",
        "import os, time\nchildren = []\nrefused = ''\ntry:\n    while len(children) < 4000:\n"
        "        pid = os.fork()\n        if pid == 0:\n            time.sleep(60)\n            os._exit(0)\n"
        "        children.append(pid)\nexcept OSError as error:\n    refused = error.errno\n"
        "for pid in children:\n    os.kill(pid, 9)\n    os.waitpid(pid, 0)",
    )
    assert words == "possible: 11"
    assert await lab.run(["print('alive')"]) == ["alive\n"]


async def test_a_home_cannot_outgrow_its_limit(lab: Lab) -> None:
    printed = await lab.run(["import shutil; print(shutil.disk_usage('/home/researcher').total)"])
    assert int(printed[0]) < 11 * 2**30
