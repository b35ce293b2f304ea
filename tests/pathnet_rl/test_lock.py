import json
import os
import subprocess
import sys

import pytest

from pathnet_rl.lock import LOCK, LockError, sole_writer

HOLD = "import sys, time\nfrom pathlib import Path\nfrom pathnet_rl.lock import sole_writer\n"
HOLD += "with sole_writer(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"


def test_a_second_writer_is_told_who_the_first_is_until_that_dies(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(LockError, match=rf"is being written by process {process.pid} on .+ since 2"):
        with sole_writer(tmp_path):
            pass
    process.kill()
    process.communicate()
    with sole_writer(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_the_lock_can_be_taken_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), sole_writer(tmp_path):
        raise ZeroDivisionError
    with sole_writer(tmp_path):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 9000, b'{"pid": "x"}', b"[" * 4000])
def test_whatever_a_stale_lock_says_is_no_obstacle(tmp_path, content):
    (tmp_path / LOCK).write_bytes(content)
    with sole_writer(tmp_path):
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(LockError, match="is being written by another process"), sole_writer(tmp_path):
            pass


def test_links_and_what_is_no_plain_file_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("/")
    with pytest.raises(LockError, match="link is a link or no plain file"), sole_writer(tmp_path):
        pass
    (tmp_path / "folder" / "link").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LockError, match="pipe is a link or no plain file"), sole_writer(tmp_path):
        pass
