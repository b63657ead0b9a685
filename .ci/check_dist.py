"""Check what the wheel and the sdist in a folder hold: ``python check_dist.py FOLDER``."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
MAX_WHEEL = 12 * 2**20  # bytes; the bundled data takes about 8 MB of it


def main(folder: Path) -> None:
    """Fail with the list of what is missing or too much."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packaged = {name for name in names if ".dist-info/" not in name}
    problems = [f"missing in the wheel: {name}" for name in sorted(expected - packaged)]
    problems += [f"too much in the wheel: {name}" for name in sorted(packaged - expected)]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        problems.append("missing in the wheel: LICENSE")
    if "scdd/py.typed" not in names:
        problems.append("missing in the wheel: scdd/py.typed")
    if wheel.stat().st_size > MAX_WHEEL:
        problems.append(f"the wheel takes {wheel.stat().st_size / 2**20:.1f} MB, allowed are {MAX_WHEEL / 2**20:.0f}")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src/scdd/__init__.py", "tests/test_package.py")
    problems += [f"missing in the sdist: {name}" for name in needed if name not in inside]
    if problems:
        sys.exit("\n".join(problems))
    print(
        f"{wheel.name}: {len(packaged)} files, {wheel.stat().st_size / 2**20:.2f} MB; {sdist.name}: {len(inside)} entries"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
