"""Keeps dated copies of documents and removes the oldest."""

import shutil
import tarfile
import zipfile

from .kit import Task, begin


def run(task: Task) -> None:
    """Some documents a round, as copies, an archive or a mirror; old sets go."""
    style, documents = str(task.options.get("style", "zip")), task.files()
    each = int(task.options.get("each", 8))
    for number in task.rounds():
        some = [documents[(number * each + n) % len(documents)] for n in range(min(each, len(documents)))]
        place = task.home / "backup" / f"set-{number:03}"
        place.mkdir(parents=True, exist_ok=True)
        if style == "zip":
            with zipfile.ZipFile(place / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for path in some:
                    archive.write(path, path.name)
        elif style == "tar":
            with tarfile.open(place / "set.tar.gz", "w:gz") as tar:
                for path in some:
                    tar.add(path, path.name)
        else:
            for path in some:
                shutil.copy2(path, place / path.name)
        if number >= int(task.options.get("keep", 3)):
            shutil.rmtree(task.home / "backup" / f"set-{number - int(task.options.get('keep', 3)):03}")
        if task.options.get("send"):
            task.ask("/store", some[0].read_bytes())


if __name__ == "__main__":
    run(begin())
