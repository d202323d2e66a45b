"""What the list of a processor's instructions says of bfloat16."""

from pathlib import Path

import pytest

from outgrow.graph.processor import lacks_bfloat16


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse2 avx2 fma\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n", False),
        ("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16 amx_tile\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd svebf16 bf16\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", True),
        ("processor\t: 0\nmodel name\t: says nothing of flags\n", False),
        ("", False),
    ],
)
def test_the_flags_tell(tmp_path: Path, text: str, lacks: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert lacks_bfloat16(path) is lacks


def test_a_machine_that_says_nothing_is_not_blamed(tmp_path: Path) -> None:
    assert lacks_bfloat16(tmp_path / "missing") is False
