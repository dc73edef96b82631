"""How much memory there is, as the system tells it."""

from pathlib import Path

import pytest

from makemore import arrays


def test_a_control_group_bounds_the_memory_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, limit, use = tmp_path / "meminfo", tmp_path / "max", tmp_path / "stat"
    monkeypatch.setattr(arrays, "_MEMORY", str(machine))
    monkeypatch.setattr(arrays, "_GROUP_LIMIT", str(limit))
    monkeypatch.setattr(arrays, "_GROUP_USE", str(use))
    assert arrays.available_memory() is None
    machine.write_text(
        "MemTotal: 900 kB\nMemFree: 10 kB\nMemAvailable: 500 kB\nHugePages_Total: 0\n"
    )
    assert arrays.available_memory() == 500 * 1024
    use.write_text("anon 1000\nfile 9999\n")  # of which the file is a cache
    limit.write_text("max\n")
    assert arrays.available_memory() == 500 * 1024
    limit.write_text("4000\n")
    assert arrays.available_memory() == 3000


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc/meminfo")
def test_linux_tells_the_memory_that_is_available() -> None:
    before = arrays.available_memory()
    assert before is not None
    assert 1 << 20 < before < 1 << 50
