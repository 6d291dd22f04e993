"""Uploaded files become a study, and no name that a browser sends leads anywhere else or over anything."""

from __future__ import annotations

import pytest
from made_run import EVIL
from tiny import DOCUMENTS

from ragft.domain import load_domain
from ragft.errors import InputError
from ragft.settings import load_study
from ragft.uploads import Upload, studies_folder, study_folder, upload_study

FILES = [Upload(name.rpartition("/")[2], text.encode()) for name, text in DOCUMENTS.items()]
TABLE = Upload("qa.csv", b"question,answers,document\nHow heavy is the Kova 30?,12 kg,kova.md\nWhat does the Kova 30 cost?,,kova.md\n")


def inside(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_documents_and_questions_become_a_study(tmp_path):
    folder = study_folder(studies_folder(tmp_path / "runs"), "manuals")
    assert folder == tmp_path / "studies" / "manuals"
    study = upload_study(folder, FILES, TABLE)
    assert study == folder / "study.yaml"
    assert load_study(study).name == "manuals"
    domain = load_domain(folder)
    assert len(domain.documents) == len(FILES)
    assert len(domain.questions) == 2
    assert str(tmp_path) not in study.read_text()
    assert inside(tmp_path / "studies")[0] == "manuals"


@pytest.mark.parametrize(
    "name",
    ["../kova.md", "/etc/kova.md", "a/kova.md", "a\\kova.md", "..", ".kova.md", "", " ", "kova\0.md", "kova\n.md", "kova\u202e.md", f"{EVIL}.md",
     "x" * 300 + ".md", "c:kova.md"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(tmp_path, name):
    studies = tmp_path / "studies"
    with pytest.raises(InputError, match=r"[Rr]ename it"):
        upload_study(study_folder(studies, "manuals"), [*FILES, Upload(name, b"text")])
    with pytest.raises(InputError, match=r"[Rr]ename it"):
        upload_study(study_folder(studies, "manuals"), FILES, Upload(name, TABLE.data))
    assert inside(tmp_path) in ([], ["studies"])


@pytest.mark.parametrize("name", ["../manuals", "/tmp/manuals", "a/b", ".manuals", "..", "", "  ", "my manuals", EVIL, "x" * 300])
def test_a_study_stays_below_its_folder(tmp_path, name):
    with pytest.raises(InputError, match="letters, digits, dashes"):
        study_folder(tmp_path, name)


def test_nothing_is_written_over(tmp_path):
    upload_study(study_folder(tmp_path, "manuals"), FILES)
    before = inside(tmp_path)
    with pytest.raises(InputError, match="nothing is written over"):
        study_folder(tmp_path, "manuals")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="nothing is written over"):
        study_folder(tmp_path, "link")
    with pytest.raises(InputError, match="two of the files"):
        upload_study(study_folder(tmp_path, "other"), [*FILES, Upload("KOVA.md", b"text")])
    assert [name for name in inside(tmp_path) if name != "link"] == before


def test_an_error_names_the_file_as_it_was_called(tmp_path):
    with pytest.raises(InputError) as caught:
        upload_study(study_folder(tmp_path, "manuals"), [*FILES, Upload("broken.pdf", b"no pdf")])
    assert str(caught.value).startswith("documents/broken.pdf: ")
    assert inside(tmp_path) == []
    study = upload_study(study_folder(tmp_path, "manuals"), [*FILES, Upload("broken.pdf", b"no pdf")], skip_broken=True)
    assert "left out: documents/broken.pdf" in study.read_text()


def test_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("ragft.uploads.MAX_TOTAL_BYTES", 100)
    with pytest.raises(InputError, match="at most are taken"):
        upload_study(study_folder(tmp_path, "manuals"), FILES)
    with pytest.raises(InputError, match="No document"):
        upload_study(study_folder(tmp_path, "manuals"), [])
