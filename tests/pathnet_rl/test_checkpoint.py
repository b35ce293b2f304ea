import json
import math
from dataclasses import replace

import pytest
import torch

from pathnet_rl.agent import Checkpoint
from pathnet_rl.checkpoint import (
    FOLDER,
    LEARNED,
    CheckpointError,
    Snapshot,
    all_checkpoints,
    checkpoints,
    damaged_run_files,
    newest_whole,
    parse_json,
    read_checkpoint,
    read_manifest,
    write_checkpoint,
)

NOTES = {"rng": {"state": 2**127 - 1}, "learned": ["a", None, True, 0.1], "words": "é"}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "records.jsonl").write_text("one\ntwo\n")
    (tmp_path / "lock").write_text("who")
    return tmp_path


def snapshot(records=2, **tensors):
    tensors = tensors or {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.zeros(2, dtype=torch.bool)}
    lengths = {"records.jsonl": 4}
    return Snapshot.of(Checkpoint(tensors, NOTES), records=records, env_steps=100 * records, lengths_bytes=lengths)


def test_what_is_written_is_read_back_to_the_bit(run):
    written = snapshot(
        odd=torch.tensor([math.nan, -0.0, math.inf]), turned=torch.randn(3, 4).T, none=torch.empty(0)
    )
    write_checkpoint(run, written)
    stored = read_checkpoint(checkpoints(run)[0])
    assert stored.checkpoint.notes == NOTES
    assert stored.checkpoint.tensors.keys() == written.tensors.keys()
    for name, tensor in written.tensors.items():
        found = stored.checkpoint.tensors[name]
        assert found.dtype == tensor.dtype and found.shape == tensor.shape
        assert found.numpy().tobytes() == tensor.numpy().tobytes()
    manifest = stored.manifest
    assert (manifest.records, manifest.env_steps) == (2, 200)
    assert manifest.run_files["records.jsonl"].bytes == 4  # as long as it was at the snapshot
    assert set(manifest.run_files) == {"config.json", "records.jsonl"}


def test_a_snapshot_does_not_change_when_the_agent_goes_on(run):
    weights = torch.zeros(3)
    taken = snapshot(weights=weights)
    weights += 1
    assert taken.tensors["weights"].sum() == 0


def test_the_last_two_are_kept_and_one_that_is_there_stays(run):
    for records in (1, 2, 3, 3, 10):
        write_checkpoint(run, snapshot(records))
    assert [directory.name for directory in checkpoints(run)] == ["000000003", "000000010"]


def test_what_a_sub_task_has_learned_is_kept_for_good(run):
    for records in (1, 2, 3, 10):
        write_checkpoint(run, replace(snapshot(records), learned=records in (2, 10)))
    assert [directory.name for directory in checkpoints(run)] == ["000000003", "000000010"]
    assert [directory.name for directory in checkpoints(run, LEARNED)] == ["000000002", "000000010"]
    assert [directory.parent.name for directory in all_checkpoints(run)] == [LEARNED, FOLDER, LEARNED, FOLDER]
    stored, damages = newest_whole(run, at_most_records=9)
    assert stored.manifest.records == 3 and not damages
    assert newest_whole(run, at_most_records=2)[0].directory == run / LEARNED / "000000002"
    assert newest_whole(run, at_most_records=1) == (None, [])


def test_what_is_no_checkpoint_is_not_looked_at(run):
    write_checkpoint(run, snapshot())
    folder = run / "checkpoints"
    (folder / ".000000003.partial").mkdir()
    (folder / "notes").mkdir()
    (folder / "000000004").symlink_to(folder / "000000002")
    assert [directory.name for directory in checkpoints(run)] == ["000000002"]


def test_notes_are_strict_json(run):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Snapshot.of(Checkpoint({}, {"loss": math.nan}), records=1, env_steps=1, lengths_bytes={})
    with pytest.raises(TypeError):
        Snapshot.of(Checkpoint({}, {"tensor": torch.zeros(1)}), records=1, env_steps=1, lengths_bytes={})
    for text in (b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000, b"\xff", b"{"):
        with pytest.raises(ValueError):
            parse_json(text)


def test_files_of_the_run_may_grow_but_not_change_shrink_or_vanish(run):
    write_checkpoint(run, snapshot())
    manifest = read_manifest(checkpoints(run)[0])
    with (run / "records.jsonl").open("a") as file:
        file.write("three\n")
    assert damaged_run_files(run, manifest) == {}
    (run / "records.jsonl").write_text("onE\n")
    assert damaged_run_files(run, manifest) == {"records.jsonl": "does not match its checksum"}
    (run / "records.jsonl").write_text("on")
    (run / "config.json").unlink()
    assert damaged_run_files(run, manifest) == {
        "records.jsonl": "is cut off after 2 of 4 bytes",
        "config.json": "is lost",
    }


def test_events_are_written_anew_by_a_resumed_run_and_may_go(run):
    events = run / "events.out.tfevents.1"
    events.write_bytes(b"events")
    write_checkpoint(run, snapshot())
    manifest = read_manifest(checkpoints(run)[0])
    events.write_bytes(b"evants")
    assert damaged_run_files(run, manifest) == {events.name: "does not match its checksum"}
    events.write_bytes(b"")
    assert damaged_run_files(run, manifest) == {}
    events.unlink()
    assert damaged_run_files(run, manifest) == {}


def test_the_newest_whole_one_is_found_and_what_it_needs_is_looked_at(run):
    for records in (1, 2):
        write_checkpoint(run, snapshot(records))
    before, last = checkpoints(run)
    (last / "notes.json").unlink()
    stored, damages = newest_whole(run, needed=("records.jsonl",))
    assert stored is not None and stored.directory == before
    assert damages == [f"{last}: notes.json cannot be read: No such file or directory"]
    (run / "records.jsonl").write_text("")
    stored, damages = newest_whole(run, needed=("records.jsonl", "other"))
    assert stored is None
    assert f"{before} is whole, but {run / 'records.jsonl'} is cut off after 0 of 4 bytes" in damages
    assert f"{before} is whole, but {run / 'other'} is not in manifest.json" in damages


def test_a_reader_looks_again_where_the_writer_has_gone_on(run, monkeypatch):
    write_checkpoint(run, snapshot(1))
    looked = []
    real = read_checkpoint

    def read(directory):
        if not looked:
            for records in (2, 3):
                write_checkpoint(run, snapshot(records))
        looked.append(directory.name)
        return real(directory)

    monkeypatch.setattr("pathnet_rl.checkpoint.read_checkpoint", read)
    stored, damages = newest_whole(run)
    assert stored is not None and stored.manifest.records == 3 and damages == []
    assert looked == ["000000001", "000000003"]


def test_a_manifest_of_another_format_or_with_negative_lengths_is_refused(run):
    write_checkpoint(run, snapshot())
    directory = checkpoints(run)[0]
    manifest = read_manifest(directory)
    data = json.loads(manifest.seal())
    assert data["format"] == 1
    for changed in ({**data, "format": 2}, {**data, "more": 1}, [data], 7):
        (directory / "manifest.json").write_text(json.dumps(changed))
        with pytest.raises(CheckpointError, match="manifest.json does not match its checksum"):
            read_manifest(directory)


def test_what_needs_more_memory_than_there_is_is_refused_before_it_is_read(run):
    write_checkpoint(run, snapshot())
    directory = checkpoints(run)[0]
    manifest = read_manifest(directory)
    huge = {name: sums.model_copy(update={"bytes": 10**15}) for name, sums in manifest.files.items()}
    (directory / "manifest.json").write_bytes(manifest.model_copy(update={"files": huge}).seal())
    with pytest.raises(CheckpointError, match="holds 1.0 PB, more than half of this machine's memory"):
        read_checkpoint(directory)


def test_an_empty_agent_has_a_checkpoint_too(run):
    write_checkpoint(run, replace(snapshot(), tensors={}))
    assert read_checkpoint(checkpoints(run)[0]).checkpoint.tensors == {}
