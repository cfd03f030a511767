"""When the short benchmark of CI fails, and with which commit it compares."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from benchmarks.regression import NoBaseError, check_out, find_base, is_slower

ROUNDS = 8


class Repository:
    """A git repository with a file of the product and one of documentation."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, path: str, text: str) -> str:
        """Write a file, commit it and return the id."""
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit."""
    repository = Repository(tmp_path / "clone")
    repository.commit("app.py", "first")
    return repository


def test_the_merge_base_with_the_published_main_comes_first(repository: Repository) -> None:
    record = repository.git("rev-parse", "HEAD")
    published = repository.commit("app.py", "published")
    repository.commit(".ci/speed-base", record)
    repository.git("update-ref", "refs/remotes/origin/main", published)
    repository.commit("app.py", "present")
    assert find_base(repository.root, "")[0] == published


def test_on_the_published_commit_the_base_is_that_of_record(repository: Repository) -> None:
    record = repository.git("rev-parse", "HEAD")
    repository.commit("app.py", "second")
    head = repository.commit(".ci/speed-base", f"{record}\n")
    repository.git("update-ref", "refs/remotes/origin/main", head)
    assert find_base(repository.root, "")[0] == record


def test_a_named_base_comes_before_all_others(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    published = repository.commit("app.py", "second")
    repository.git("update-ref", "refs/remotes/origin/main", published)
    repository.commit("app.py", "third")
    assert find_base(repository.root, "HEAD~2") == (first, "as asked for")
    with pytest.raises(NoBaseError, match="no commit no-such-commit"):
        find_base(repository.root, "no-such-commit")


def test_changes_that_are_not_committed_count(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("update-ref", "refs/remotes/origin/main", head)
    with pytest.raises(NoBaseError):
        find_base(repository.root, "")
    (repository.root / "app.py").write_text("changed")
    assert find_base(repository.root, "")[0] == head


def test_a_clone_without_an_older_commit_has_no_base(repository: Repository, tmp_path: Path) -> None:
    record = repository.git("rev-parse", "HEAD")
    repository.commit("app.py", "second")
    repository.commit(".ci/speed-base", record)
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(shallow))
    with pytest.raises(NoBaseError, match="no older commit of origin/main, and not that of"):
        find_base(shallow, "")


def test_a_folder_without_git_has_no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NoBaseError, match="git rev-parse failed"):
        find_base(tmp_path, "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoBaseError, match="git does not run"):
        find_base(tmp_path, "")


def test_documentation_alone_is_not_compared(repository: Repository) -> None:
    repository.commit("docs/page.md", "a page")
    repository.commit("README.md", "another one")
    with pytest.raises(NoBaseError, match="the product is the same as in"):
        find_base(repository.root, "HEAD~2")


def test_the_base_is_checked_out_beside(repository: Repository, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit("app.py", "second")
    check_out(repository.root, first, tmp_path / "base")
    assert (tmp_path / "base" / "app.py").read_text() == "first"
    assert (repository.root / "app.py").read_text() == "second"


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.3, 1.28, 1.33, 1.31, 1.2, 1.4, 1.3, 1.29], True),
        ([1.3, 1.28, 1.33, 1.31, 0.9, 1.4, 1.3, 1.29], True),
        ([1.14] * ROUNDS, False),
        # Half of the pairs are much slower, the others are not: the machine was busy.
        ([2.0, 0.9, 2.1, 0.95, 1.9, 1.0, 1.7, 0.98], False),
        # Too few pairs to tell.
        ([1.5, 1.5, 1.5], False),
        ([1.5], False),
    ],
)
def test_the_pairs_must_agree(ratios: list[float], expected: bool) -> None:
    assert is_slower(ratios) is expected


def test_noise_alone_does_not_fail_twice() -> None:
    rng = random.Random(1)

    def draw(slowdown: float, spread: float) -> bool:
        return is_slower([slowdown * rng.lognormvariate(0, spread) for _ in range(ROUNDS)])

    runs = 500
    assert sum(draw(1, 0.2) and draw(1, 0.2) for _ in range(runs)) <= runs // 100
    assert sum(draw(1.3, 0.08) and draw(1.3, 0.08) for _ in range(runs)) >= runs * 0.9
